//! How far users have come in conversations whose authors want to be told of it (QoS 2).

use std::collections::BTreeMap;

use crate::conversation::ConvId;

/// A user has, or has read, more of a conversation than before, and somebody who wrote to it with
/// receipts may not know that yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Progress {
    pub(crate) uid: i64,
    pub(crate) conv: ConvId,
    /// How far they were.
    pub(crate) after_seq: i64,
    /// How far they are.
    pub(crate) seq: i64,
}

impl Progress {
    /// From `after_seq` to `seq`, if that is progress, in a conversation to which `receipt_seq` was the
    /// last that was written with receipts; 0 if nothing was.
    pub(super) fn between(
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        seq: i64,
        receipt_seq: i64,
    ) -> Option<Self> {
        let told = after_seq < seq && after_seq < receipt_seq;
        told.then_some(Self { uid, conv, after_seq, seq })
    }
}

/// What the moves of many cursors come to: a user has what one of their devices has, of those that got
/// anything since they began.
#[derive(Debug, Default)]
pub(super) struct Arrivals(BTreeMap<(i64, ConvId), Arrival>);

#[derive(Debug)]
struct Arrival {
    before: i64,
    now: i64,
    receipt_seq: i64,
}

impl Arrivals {
    /// A device of a user who had everything up to `before` was moved, and they have everything up to
    /// `now`. Of several moves of one user in one conversation the first says what they had.
    pub(super) fn add(&mut self, uid: i64, conv: ConvId, before: i64, now: i64, receipt_seq: i64) {
        let first = Arrival { before, now: before, receipt_seq };
        let arrival = self.0.entry((uid, conv)).or_insert(first);
        arrival.now = arrival.now.max(now);
    }

    /// By user and conversation.
    pub(super) fn progress(self) -> Vec<Progress> {
        let arrivals = self.0.into_iter();
        arrivals
            .filter_map(|((uid, conv), Arrival { before, now, receipt_seq })| {
                Progress::between(uid, conv, before, now, receipt_seq)
            })
            .collect()
    }
}
