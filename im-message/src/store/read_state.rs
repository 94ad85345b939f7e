//! The port to what users have read, and to the list of their conversations.

use std::future::Future;

use im_common::StoreError;
use thiserror::Error;

use super::{Position, Progress, Reader};
use crate::conversation::ConvId;
use crate::entry::Entry;

/// As many unread messages are counted at most; a client shows it as `99+`.
pub(crate) const UNREAD_MAX: i64 = 100;
/// Unread messages are counted among so many of the newest seqs that a user sees: their own do not
/// count, and who writes a million messages without reading must not make a list slow.
pub(crate) const UNREAD_SEQS_MAX: i64 = 1_000;

/// How far users have read, and what follows from it.
///
/// The words *sees* and *head* are those of [`Timeline`](super::Timeline). A user's **read
/// position** in a conversation is the seq up to which they have read; before they first read, it
/// is just below their first span. It only grows, and never passes their head. What is no longer kept
/// counts as read.
///
/// All methods are cancel safe, as those of [`Timeline`](super::Timeline) are.
pub(crate) trait ReadState: Send + Sync + 'static {
    /// Moves a user's read position forward to `seq`; to where it is already changes nothing.
    ///
    /// # Errors
    /// Those of [`MarkReadError`]; then nothing was changed.
    fn mark_read(
        &self,
        uid: i64,
        conv: ConvId,
        seq: i64,
    ) -> impl Future<Output = Result<Marked, MarkReadError>> + Send;

    /// Up to `limit` conversations that the user ever saw something of, the one in which something
    /// happened last first, from the one behind `after`; and whether there are more.
    ///
    /// One in which something happens while somebody goes through the pages moves to the front, so it
    /// may be on a page that was given already, and on none again. Whoever lists is bound to be told of
    /// new entries before. What several instances wrote within the same second may be in another order,
    /// since msg_ids follow the time no closer than that.
    fn conversations(
        &self,
        reader: &Reader,
        after: Option<Place>,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<Conversation>, bool), StoreError>> + Send;

    /// How far up to `limit` other present members of a conversation are, by uid from the one after
    /// `after_uid`, and whether there are more. `None` unless `uid` is a present member.
    fn receipts(
        &self,
        uid: i64,
        conv: ConvId,
        after_uid: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Option<(Vec<Receipt>, bool)>, StoreError>> + Send;
}

/// A read position that was moved, or need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marked {
    /// `false` if it was there already.
    pub(crate) moved: bool,
    /// If what was not read includes an entry that was written with `receipts`.
    pub(crate) progress: Option<Progress>,
}

impl Marked {
    /// The read position of `uid` was at `read`, and is at `seq`; see [`Progress::between`].
    pub(super) fn from(uid: i64, conv: ConvId, read: i64, seq: i64, receipt_seq: i64) -> Self {
        let progress = Progress::between(uid, conv, read, seq, receipt_seq);
        Self { moved: seq > read, progress }
    }
}

/// Why a read position was not moved.
#[derive(Debug, Clone, Error)]
pub(crate) enum MarkReadError {
    #[error("the user never saw anything of the conversation")]
    NotSeen,
    #[error("beyond the head")]
    BeyondHead,
    #[error("already read")]
    AlreadyRead,
    /// It may still have been moved. The same again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a conversation stands in its user's list: by the newest entry that they see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The msg_id of that entry; 0 if a former member's was deleted.
    pub(crate) last_msg_id: i64,
    /// Orders those that have none, by their texts.
    pub(crate) conv: ConvId,
}

/// A conversation as its user's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) position: Position,
    pub(crate) place: Place,
    /// The first seq that is kept and that the user sees, or one above the head.
    pub(crate) first_seq: i64,
    pub(crate) read_seq: i64,
    /// Texts of others that the user sees above `read_seq`: up to [`UNREAD_MAX`] of those among the
    /// newest [`UNREAD_SEQS_MAX`] seqs up to the head.
    pub(crate) unread: i64,
    /// The entry at the head; `None` if it was deleted.
    pub(crate) last: Option<Entry>,
}

/// How far another member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) uid: i64,
    /// The entry with which their present membership began.
    pub(crate) from_seq: i64,
    /// At least what is before their membership: it is not theirs to read.
    pub(crate) read_seq: i64,
    /// Up to here one of their devices has everything, or they have read it. A device that
    /// [began](super::Devices) at the head does not count before it gets something; then what it left out
    /// counts, too. Never below `read_seq`.
    pub(crate) delivered_seq: i64,
}

impl Receipt {
    /// `cursor` is that of the device which is furthest, of those that got anything; 0 if none did.
    pub(super) fn of(uid: i64, from_seq: i64, read_seq: i64, cursor: i64) -> Self {
        let read_seq = read_seq.max(from_seq - 1);
        Self { uid, from_seq, read_seq, delivered_seq: cursor.max(read_seq) }
    }
}

/// The part of `first_seq..=head` in which unread messages are counted, by first and last seq.
pub(super) fn unread_seqs(read_seq: i64, head: i64) -> (i64, i64) {
    (read_seq.max(head - UNREAD_SEQS_MAX) + 1, head)
}
