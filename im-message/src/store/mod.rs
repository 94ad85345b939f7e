//! The port to the timelines: everything im-message asks of a database, as atomic facts.
//!
//! A method of [`Timeline`] is one fact that becomes true at once or not at all; nothing
//! between its statements can be seen from outside, and what has been answered is durable.
//! Decisions stay in the use-case files; an adapter holds SQL and nothing else.
//!
//! The contract of each method is tested by `conformance`, one suite that runs on every adapter
//! (and on `model`, a few maps behind a mutex, which says what the contract means).

mod blocks;
#[cfg(test)]
pub(crate) mod conformance;
mod dead_letters;
mod devices;
mod members;
#[cfg(test)]
pub(crate) mod model;
mod mysql;
mod one_by_one;
mod progress;
mod read_state;
mod refused;
mod retention;
mod shared;
mod sqlite;

use std::future::Future;
use std::sync::Arc;

use im_common::StoreError;
use thiserror::Error;

use crate::conversation::ConvId;
use crate::entry::{Entry, NewEntry};

pub(crate) use self::blocks::{Blocks, PairBlocks};
pub(crate) use self::dead_letters::{DeadLetter, DeadLetters, NewDeadLetter, REASON_MAX};
pub(crate) use self::devices::Devices;
#[cfg(test)]
pub(crate) use self::devices::FORGOTTEN_MAX;
pub(crate) use self::members::Members;
pub(crate) use self::mysql::MysqlTimeline;
pub(crate) use self::progress::Progress;
pub(crate) use self::read_state::{
    Conversation, MarkReadError, Marked, Place, ReadState, Receipt, UNREAD_MAX,
};
pub(crate) use self::retention::{Expired, Front, Retention};
pub(crate) use self::shared::{SharedRange, Sight};
pub(crate) use self::sqlite::SqliteTimeline;

/// Timelines, the spans during which users see them, and the cursors of their devices.
///
/// Two words recur. A user **sees** the entries within their spans, both ends included: a span
/// begins with the entry that says `Joined` (in a pair, at 1) and, once they left, ends with
/// the one that says `Left`. Their **head** of a conversation is the newest seq they see: the
/// newest of all while they are a member, the end of their last span afterwards.
///
/// All methods are cancel safe: dropping the future of one that writes leaves it unknown
/// whether the fact became true, as does its failure.
pub(crate) trait Timeline:
    Blocks + DeadLetters + Devices + Members + Retention + Send + Sync + 'static
{
    /// Writes entries in the given order, and answers for each in the same order.
    ///
    /// Under the locks of all conversations concerned, which are taken first and in one order,
    /// for each entry: an entry with the same key by the same author in this conversation (also
    /// one earlier in the batch) is answered with its numbers if its content is the same, and
    /// is a [`AppendError::Conflict`] if not. Otherwise the author must be a member (a joiner
    /// must not be) whom the other of a pair does not [shut out](Blocks), the entry gets the next seq
    /// of its conversation and a msg_id above all earlier ones of the conversation, and `Joined` and
    /// `Left` begin and end a span with it. The first message of a pair begins the spans of both.
    /// `receipts` of an entry that was there before changes nothing.
    ///
    /// What is refused leaves no trace, unless the entry is [repeatable](NewEntry::repeatable), and its author
    /// shut out or not a member of a group: then its key is answered with the same refusal until that is
    /// [forgotten](Retention::forget_refusals), also to a try that comes late. Who was told that their message
    /// is refused must not find it in the history later.
    ///
    /// msg_ids are unique in the whole system. Blocks of them start at
    /// `max(previous end, now_ms << 22)`, so neither a clock that went back nor a restart repeats
    /// one; a block is used for a second at most, so they follow the time that closely.
    ///
    /// An entry that fails does so alone, with one exception: when one fails with
    /// [`AppendError::Store`], so do the later ones of its conversation. Its author will send it
    /// again, and what they wrote after it must not stand before it.
    fn append(
        &self,
        batch: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> impl Future<Output = Vec<Result<Appended, AppendError>>> + Send;

    /// Up to `limit` conversations in which the device lacks something that its user sees
    /// (`cursor < head`), and whether there are more after the last of them. `None` if `after` is no
    /// conversation: what was on a page before stays one for ever.
    ///
    /// In the order in which the conversations began (a pair of whom one shut the other out before
    /// either wrote, then), from the one after `after`: one that begins while somebody goes through
    /// the pages is on a later page. (Where two instances begin conversations in the same second, it
    /// may be on an earlier one. Whoever lists is bound to be told of new messages before they list, so
    /// they hear of it all the same.)
    fn behind(
        &self,
        reader: &Reader,
        after: Option<ConvId>,
        limit: usize,
    ) -> impl Future<Output = Result<Option<(Vec<Position>, bool)>, StoreError>> + Send;

    /// Where the device stands in those of `convs` that its user ever saw something of; the
    /// others are left out.
    fn positions(
        &self,
        reader: &Reader,
        convs: Vec<ConvId>,
    ) -> impl Future<Output = Result<Vec<Position>, StoreError>> + Send;

    /// The entries after `after_seq` that `uid` sees, in order of seq, within the limits; `None`
    /// if they never saw anything of the conversation.
    fn range(
        &self,
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> impl Future<Output = Result<Option<Range>, StoreError>> + Send;

    /// As [`Timeline::range`] for several users who stand at the same place, read once: the entries
    /// after `after_seq` that any of them sees, within the limits, and which are for whom.
    fn range_for_many(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> impl Future<Output = Result<SharedRange, StoreError>> + Send;

    /// The last entries before `before_seq` that `uid` sees, in order of seq, within the limits; `None`
    /// if they never saw anything of the conversation.
    fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> impl Future<Output = Result<Option<Earlier>, StoreError>> + Send;

    /// Whether a conversation has, or had, any entry.
    fn exists(&self, conv: ConvId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Where the entries of `msg_ids` stand; unknown ids are left out.
    fn locate(
        &self,
        msg_ids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<(ConvId, i64)>, StoreError>> + Send;

    /// Moves cursors to the given seqs, but never back and never past the user's head.
    /// Conversations of which the user never saw anything are passed over. Answers as
    /// [`Timeline::advance_for_many`].
    fn advance_cursors(
        &self,
        reader: &Reader,
        moves: Vec<(ConvId, i64)>,
    ) -> impl Future<Output = Result<Vec<Progress>, StoreError>> + Send {
        let own = |(conv, seq)| (reader.clone(), conv, seq);
        self.advance_for_many(moves.into_iter().map(own).collect())
    }

    /// The same for many devices, and cheaper than one by one. Each cursor is a fact of its own: after
    /// a failure some of them may have moved.
    ///
    /// Answers with the progress of users, each once in a conversation, where what they did not have
    /// includes an entry that was written with `receipts`. Of calls that are made at the same time one
    /// may be answered with the progress of the others; after a failure it is not told.
    fn advance_for_many(
        &self,
        moves: Vec<(Reader, ConvId, i64)>,
    ) -> impl Future<Output = Result<Vec<Progress>, StoreError>> + Send;

    /// Notes that the device was given everything up to these seqs, without knowing that it
    /// arrived: the next [`Timeline::confirm_given`] will take it as read. Never back, never past
    /// the head, like cursors.
    fn mark_given(
        &self,
        reader: &Reader,
        given: Vec<(ConvId, i64)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// As [`Timeline::mark_given`] for single entries of many devices, but only where nothing is left
    /// out: an entry counts as given if no text of others stands between it and what the device
    /// has, or was given, before. One that is further ahead changes nothing, nor does one for which
    /// more than [`BETWEEN_MAX`] entries would have to be looked at.
    fn mark_given_next(
        &self,
        given: Vec<(Reader, ConvId, i64)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Moves each cursor of the device up to what it was given.
    fn confirm_given(&self, reader: &Reader)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets what the device was given: it acknowledges by itself, and what it does not
    /// acknowledge comes again.
    fn withdraw_given(
        &self,
        reader: &Reader,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether it remembers which entries were committed and not told to others, across a crash of
    /// the instance that wrote them. Where it does not, each start begins with a resync.
    const KEEPS_UNTOLD: bool = false;

    /// Others were told of these entries, or will be told to compare heads instead. Of each lane, in
    /// the order in which they were committed.
    fn told(&self, _msg_ids: &[i64]) {}

    /// Lets go of what is remembered of entries that were [`told`](Timeline::told) of.
    fn remove_told(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Entries of up to `batches_max` batches that nobody told others of for too long, in the order
    /// in which each batch was committed: their instance ended before it could. They are this
    /// instance's for a few seconds, and another's after that, unless they are told of.
    fn claim_untold(
        &self,
        _batches_max: usize,
    ) -> impl Future<Output = Result<Vec<(ConvId, Entry)>, StoreError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
}

/// Entries between one that was given and the one given before it that
/// [`Timeline::mark_given_next`] looks at.
pub(crate) const BETWEEN_MAX: i64 = 1_000;

/// One device of one user: whoever has a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reader {
    pub(crate) uid: i64,
    pub(crate) device: String,
}

/// The numbers of an entry that stands in its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) seq: i64,
    pub(crate) msg_id: i64,
    pub(crate) ts_ms: i64,
    /// `false` if it stood there before: the sender repeated itself, and all others know of it.
    pub(crate) new: bool,
}

/// Why an entry was not written.
#[derive(Debug, Clone, Error)]
pub(crate) enum AppendError {
    #[error("the author is not a member of the conversation")]
    NotMember,
    #[error("the other of the pair shuts the author out")]
    Blocked,
    #[error("the author is a member of the conversation already")]
    AlreadyMember,
    #[error("the conversation never had a member")]
    NoSuchConversation,
    #[error("the same id was used for other content")]
    Conflict,
    /// It may still have been written. Sending it again with the same key is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a device stands in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) conv: ConvId,
    /// Everything up to here is at the device, or is not for it, or no longer kept. Unless it was put
    /// elsewhere when it [began](Devices), it is just below the user's first span before it moves.
    pub(crate) cursor: i64,
    /// The newest seq that the user sees.
    pub(crate) head: i64,
}

/// Bounds of one [`Timeline::range`] or [`Timeline::range_before`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeLimit {
    pub(crate) entries_max: usize,
    /// Of text, in all. The first entry (going back, the last) is given however long it is, or a
    /// reader would never get past it.
    pub(crate) bytes_max: usize,
}

/// A piece of a timeline as one user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) entries: Vec<Entry>,
    /// Between `after_seq` and here nothing is missing from `entries` that the user sees.
    /// `head`, unless a limit was reached; never below `after_seq`.
    pub(crate) complete_to: i64,
    /// The user's head.
    pub(crate) head: i64,
    /// The first seq that is kept and that the user sees, or one above their head if there is none.
    pub(crate) first_seq: i64,
}

/// A piece of a timeline as one user sees it, on the way back to its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// In order of seq.
    pub(crate) entries: Vec<Entry>,
    /// Between here and `before_seq` nothing is missing from `entries` that the user sees.
    /// `first_seq`, unless a limit was reached; never above `before_seq`.
    pub(crate) complete_from: i64,
    /// The first seq that is kept and that the user sees, or one above the head.
    pub(crate) first_seq: i64,
    /// The user's head.
    pub(crate) head: i64,
}
