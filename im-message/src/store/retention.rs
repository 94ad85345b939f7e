//! The part of the port that is about what is no longer kept.

use std::future::Future;
use std::time::Duration;

use im_common::StoreError;

use crate::conversation::ConvId;

/// Entries that are kept no longer, and the conversations that have some.
///
/// They go from the front of a conversation and from nowhere else, so what is left begins at one seq
/// and has no holes. Numbers go on as if nothing had happened: a conversation that is all gone has
/// its head, its members and its next seq. What is gone is forgotten with its key, so its repetition
/// is a new message.
///
/// Cancel safe as the rest of the port.
pub(crate) trait Retention {
    /// Up to `limit` conversations of which something is there, in the order of [`Front::place`], from
    /// the one after `after`. 0 comes before all.
    fn fronts(
        &self,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Front>, StoreError>> + Send;

    /// Removes entries from the front of a conversation, up to the first that has not expired and at
    /// most `entries_max`; how many. Under the conversation's lock, so none that is being written is
    /// judged by half of what it is.
    fn trim(
        &self,
        conv: ConvId,
        expired: Expired,
        entries_max: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Forgets refusals from before this moment that [used up](super::Timeline::append) their keys, the oldest
    /// first and at most `refusals_max`; how many. Such a key is as good as new.
    fn forget_refusals(
        &self,
        before_ms: i64,
        refusals_max: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Whether it is this instance's turn to look for what has expired. Of all that share the
    /// timelines, one is told so in the time of `every`, by the clock that they share. It saves work
    /// and guards nothing: two that trim at once do no harm.
    fn take_turn(&self, every: Duration) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Where a conversation begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    /// Orders conversations, and means nothing else.
    pub(crate) place: i64,
    pub(crate) conv: ConvId,
    /// The first entry that is kept, and when it was committed.
    pub(crate) first_seq: i64,
    pub(crate) first_ts_ms: i64,
    /// The newest.
    pub(crate) last_seq: i64,
}

/// Which entries are kept no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired {
    /// All from before this moment,
    pub(crate) before_ms: i64,
    /// and all below this seq,
    pub(crate) below_seq: i64,
    /// if they are from before this moment.
    pub(crate) settled_before_ms: i64,
}

impl Expired {
    pub(crate) fn takes(&self, seq: i64, ts_ms: i64) -> bool {
        ts_ms < self.before_ms || (seq < self.below_seq && ts_ms < self.settled_before_ms)
    }

    /// How many entries go, of those at the front, in order.
    pub(super) fn count(&self, front: impl IntoIterator<Item = (i64, i64)>) -> usize {
        front.into_iter().take_while(|(seq, ts_ms)| self.takes(*seq, *ts_ms)).count()
    }
}
