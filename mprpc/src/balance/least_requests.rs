//! The instance with the fewest calls in flight.

use super::{Balancer, Candidates};

/// The instance with the fewest calls in flight; among equals, one drawn by weight.
///
/// It looks at every instance, which is right for the tens of instances that a service has. An idle
/// one that is known to be down would always win, so that it passes over them itself.
#[derive(Debug, Default)]
pub struct LeastRequests;

impl Balancer for LeastRequests {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        let (mut least, mut picked, mut total) = (usize::MAX, 0, 0.0);
        for index in 0..candidates.len() {
            let in_flight = candidates.in_flight(index);
            if in_flight > least || !candidates.is_up(index) {
                continue;
            }
            if in_flight < least {
                (least, picked, total) = (in_flight, index, 0.0);
            }
            // Each replaces those before it with the chance that makes all of them right.
            let weight = candidates.weight(index);
            total += weight;
            if fastrand::f64() * total < weight {
                picked = index;
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::candidates::tests::{Fake, counts};

    #[test]
    fn the_least_loaded_is_picked() {
        let fakes = [3, 1, 2].map(Fake::with_in_flight);
        assert_eq!(counts(&LeastRequests, &fakes, 10), [0, 10, 0]);
    }

    #[test]
    fn equals_share_by_weight() {
        let mut fakes = [1.0, 9.0, 3.0].map(Fake::weighing);
        fakes[1].in_flight = 1;
        let counts = counts(&LeastRequests, &fakes, 4_000);
        assert!(counts[0].abs_diff(1_000) < 100 && counts[1] == 0, "{counts:?}");
    }

    #[test]
    fn one_that_is_down_is_passed_over_though_it_is_idle() {
        let mut fakes = [0, 4, 5].map(Fake::with_in_flight);
        fakes[0].up = false;
        assert_eq!(counts(&LeastRequests, &fakes, 10), [0, 10, 0]);
    }
}
