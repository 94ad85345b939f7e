//! One conversation: what stands in it, and who sees which part of it.

use std::collections::HashMap;

use crate::entry::{DedupKey, Entry};
use crate::store::AppendError;

#[derive(Default, Clone)]
pub(super) struct Conversation {
    pub(super) entries: Vec<(DedupKey, Entry)>,
    /// Keys of authors that a refusal has used up, and when.
    pub(super) refused: HashMap<(DedupKey, i64), (AppendError, i64)>,
    pub(super) spans: Vec<Span>,
    /// The newest seq there ever was.
    pub(super) max_seq: i64,
    pub(super) last_msg_id: i64,
    /// The newest that was written with receipts.
    pub(super) receipt_seq: i64,
}

#[derive(Clone)]
pub(super) struct Span {
    pub(super) uid: i64,
    pub(super) from: i64,
    pub(super) to: Option<i64>,
}

impl Conversation {
    pub(super) fn is_member(&self, uid: i64) -> bool {
        self.spans.iter().any(|span| span.uid == uid && span.to.is_none())
    }

    pub(super) fn sees(&self, uid: i64, seq: i64) -> bool {
        let within = |span: &Span| span.from <= seq && span.to.is_none_or(|to| seq <= to);
        self.spans.iter().any(|span| span.uid == uid && within(span))
    }

    /// `None` if the user never saw anything.
    pub(super) fn head(&self, uid: i64) -> Option<i64> {
        (1..=self.max_seq).filter(|&seq| self.sees(uid, seq)).max()
    }

    /// The first seq that is there.
    pub(super) fn min_seq(&self) -> i64 {
        self.entries.first().map_or(self.max_seq + 1, |(_, entry)| entry.seq)
    }

    /// The first seq that there is for the user, or one above their head.
    pub(super) fn first(&self, uid: i64) -> i64 {
        let after_all = self.head(uid).unwrap_or(0) + 1;
        (self.before_first(uid) + 1).max(self.min_seq().min(after_all))
    }

    pub(super) fn before_first(&self, uid: i64) -> i64 {
        let froms = self.spans.iter().filter(|span| span.uid == uid).map(|span| span.from);
        froms.min().unwrap_or(1) - 1
    }
}
