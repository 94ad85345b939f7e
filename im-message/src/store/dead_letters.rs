//! The port to dispatches that were given up on.

use std::future::Future;

use im_common::StoreError;

use crate::conversation::ConvId;
use crate::entry::Entry;

/// The longest reason that is kept, in characters.
pub(crate) const REASON_MAX: usize = 200;

/// A list that an operator looks at: bounded, and no message depends on it.
///
/// All methods are cancel safe in the way of [`Timeline`](super::Timeline)'s.
pub(crate) trait DeadLetters: Send + Sync + 'static {
    /// Adds letters. One that begins where another does is the same again: it keeps its id, reaches
    /// as far as the longer of both, and has the tries of both. Beyond `count_max` in all the oldest
    /// go; how many did.
    fn bury(
        &self,
        letters: Vec<NewDeadLetter>,
        count_max: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Up to `limit` letters with ids above `after_id`, in order of id, and whether there are more.
    fn dead_letters(
        &self,
        after_id: i64,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<DeadLetter>, bool), StoreError>> + Send;

    /// Those of `ids` that exist, in order of id.
    fn dead_letters_of(
        &self,
        ids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<DeadLetter>, StoreError>> + Send;

    /// Forgets letters; how many there were.
    fn remove_dead_letters(
        &self,
        ids: Vec<i64>,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// The entries of a conversation from one seq to another, both included, whoever may see them, up to
    /// `entries_max` of them in order.
    fn entries(
        &self,
        conv: ConvId,
        seqs: (i64, i64),
        entries_max: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;
}

/// Entries of one conversation that others were not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewDeadLetter {
    pub(crate) conv: ConvId,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    /// At most [`REASON_MAX`] characters, in one line.
    pub(crate) reason: String,
    /// Calls that failed.
    pub(crate) tries: i64,
    /// When it was given up.
    pub(crate) at_ms: i64,
}

/// One of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// Rises with each new letter, and is never used again.
    pub(crate) id: i64,
    pub(crate) letter: NewDeadLetter,
}
