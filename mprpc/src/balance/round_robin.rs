//! Each instance in turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Balancer, Candidates};

/// Each instance in turn, beginning with a random one so that many clients that start together do
/// not all begin with the same.
#[derive(Debug)]
pub struct RoundRobin {
    next: AtomicUsize,
}

impl Default for RoundRobin {
    fn default() -> Self {
        Self { next: AtomicUsize::new(fastrand::usize(..)) }
    }
}

impl RoundRobin {
    /// The index whose turn it is among `len`.
    pub(super) fn turn(&self, len: usize) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % len.max(1)
    }
}

impl Balancer for RoundRobin {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        self.turn(candidates.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::candidates::tests::{Fake, counts};

    #[test]
    fn each_has_its_turn() {
        let fakes = [Fake::IDLE, Fake::with_in_flight(9), Fake::weighing(5.0)];
        assert_eq!(counts(&RoundRobin::default(), &fakes, 300), [100, 100, 100]);
    }
}
