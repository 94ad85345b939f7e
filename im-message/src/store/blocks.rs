//! The part of the port that is about who shuts out whom.

use std::future::Future;

use im_common::StoreError;

use crate::conversation::ConvId;

/// Who shuts out whom: what the one writes to the other alone is refused. Groups know nothing of it.
///
/// A block belongs to the conversation of the two, and changes under its lock. So it is in force, for
/// every instance, once [`Blocks::block`] has answered, and
/// [`Timeline::append`](super::Timeline::append) finds it without asking for it. What was accepted
/// before stays, and its repetition is still given its numbers.
///
/// Cancel safe as the rest of the port.
pub(crate) trait Blocks {
    /// `by` shuts `whom` out. True if it is so now, or was before; false, and nothing changed, if `by`
    /// shuts out `blocked_max` others already (or a few more, where several calls of theirs meet).
    fn block(
        &self,
        by: i64,
        whom: i64,
        now_ms: i64,
        blocked_max: usize,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// `by` no longer shuts `whom` out, whether or not they did.
    fn unblock(&self, by: i64, whom: i64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Up to `limit` users whom `by` shuts out, by ascending id from the one after `after`, and
    /// whether there are more.
    fn blocked(
        &self,
        by: i64,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<i64>, bool), StoreError>> + Send;
}

/// Who of a pair shuts the other out: two bits on the row of their conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PairBlocks(i64);

impl PairBlocks {
    const BY_LOW: i64 = 1;
    const BY_HIGH: i64 = 2;

    /// What stands in the row.
    pub(super) fn stored(bits: i64) -> Self {
        Self(bits)
    }

    /// The bit of one of the two; 0 for a group, or for a stranger.
    pub(super) fn bit(conv: ConvId, by: i64) -> i64 {
        match conv {
            ConvId::Pair { low, .. } if low == by => Self::BY_LOW,
            ConvId::Pair { high, .. } if high == by => Self::BY_HIGH,
            _ => 0,
        }
    }

    /// Whether one of the two shuts the other out.
    pub(super) fn by(self, conv: ConvId, by: i64) -> bool {
        self.0 & Self::bit(conv, by) != 0
    }

    /// Whether the author is shut out by the other.
    pub(super) fn shuts_out(self, conv: ConvId, author: i64) -> bool {
        conv.other_of_pair(author).is_some_and(|other| self.by(conv, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_of_a_pair_is_shut_out() {
        let conv = ConvId::pair(3, 7);
        let by_low = PairBlocks::stored(PairBlocks::bit(conv, 3));
        assert!(by_low.shuts_out(conv, 7) && !by_low.shuts_out(conv, 3));
        let by_high = PairBlocks::stored(PairBlocks::bit(conv, 7));
        assert!(by_high.shuts_out(conv, 3) && !by_high.shuts_out(conv, 7));
        assert!(!PairBlocks::default().shuts_out(conv, 3));
        assert!(!PairBlocks::stored(3).shuts_out(ConvId::Group(3), 3));
        assert_eq!(PairBlocks::bit(conv, 5), 0);
    }
}
