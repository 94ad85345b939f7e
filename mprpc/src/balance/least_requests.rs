//! The instance with the fewest calls in flight.

use super::{Balancer, Candidates, RoundRobin};

/// The instance with the fewest calls in flight; among equals, each in turn.
///
/// It looks at every instance, which is right for the tens of instances that a service has.
#[derive(Debug, Default)]
pub struct LeastRequests {
    /// Where the look begins: ties go to a different instance each time.
    start: RoundRobin,
}

impl Balancer for LeastRequests {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        let len = candidates.len();
        let start = self.start.turn(len);
        (0..len)
            .map(|step| (start + step) % len)
            .min_by_key(|index| candidates.in_flight(*index))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::round_robin::tests::Loads;

    #[test]
    fn the_least_loaded_is_picked_and_equals_share() {
        let balancer = LeastRequests::default();
        for _ in 0..10 {
            assert_eq!(balancer.pick(&Loads(&[3, 1, 2])), 1);
        }
        let mut picks: Vec<usize> = (0..2).map(|_| balancer.pick(&Loads(&[1, 5, 1]))).collect();
        picks.extend((0..4).map(|_| balancer.pick(&Loads(&[1, 5, 1]))));
        assert!(picks.contains(&0) && picks.contains(&2) && !picks.contains(&1));
    }
}
