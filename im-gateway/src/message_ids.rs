//! The client ids of messages whose protocol has none.

use std::sync::atomic::{AtomicU64, Ordering};

use im_common::Clock;

/// Makes ids that no other gateway makes, and that rise while this one runs: a store writes what is
/// new to one place of its index rather than all over it.
#[derive(Debug)]
pub(crate) struct MessageIds {
    /// When this began and 40 random bits: what tells it from others.
    prefix: String,
    next: AtomicU64,
}

impl MessageIds {
    pub(crate) fn new(clock: &Clock) -> Self {
        let random = fastrand::u64(..) >> 24;
        Self { prefix: format!("{:011x}{random:010x}", clock.now_ms()), next: AtomicU64::new(0) }
    }

    /// An id that was never made: one for a message and all of its retries.
    pub(crate) fn make(&self) -> String {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{}{next:011x}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_are_those_of_one_gateway() {
        let (one, other) = (MessageIds::new(&Clock::system()), MessageIds::new(&Clock::system()));
        let made: Vec<_> = (0..100).map(|_| one.make()).collect();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
        assert!(made.iter().all(|id| id.len() == 32));
        assert_ne!(made[0], other.make());
    }
}
