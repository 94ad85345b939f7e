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
pub(super) mod tests {
    use super::*;

    /// Instances with these many calls in flight.
    pub(in crate::balance) struct Loads<'a>(pub(in crate::balance) &'a [usize]);

    impl Candidates for Loads<'_> {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn in_flight(&self, index: usize) -> usize {
            self.0[index]
        }
    }

    #[test]
    fn each_has_its_turn() {
        let balancer = RoundRobin::default();
        let mut picks: Vec<usize> = (0..3).map(|_| balancer.pick(&Loads(&[0, 9, 0]))).collect();
        picks.sort_unstable();
        assert_eq!(picks, [0, 1, 2]);
    }
}
