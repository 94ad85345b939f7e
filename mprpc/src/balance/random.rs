//! Any instance.

use super::{Balancer, Candidates};

/// How often an index is drawn before all weights are added up.
const DRAWS_MAX: usize = 8;

/// Any instance, whatever its weight.
#[derive(Debug, Default)]
pub struct Random;

/// Any instance, by weight.
#[derive(Debug, Default)]
pub struct WeightedRandom;

impl Balancer for Random {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        fastrand::usize(..candidates.len().max(1))
    }
}

impl Balancer for WeightedRandom {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        draw(candidates)
    }
}

/// An index drawn by weight.
///
/// One drawn at random is kept with the chance that its weight has beside the greatest: at once
/// where the weights are alike, however many instances there are. Only where one outweighs nearly
/// all others are they added up.
pub(super) fn draw(candidates: &dyn Candidates) -> usize {
    let len = candidates.len().max(1);
    let max = candidates.weight_max();
    for _ in 0..DRAWS_MAX {
        let drawn = fastrand::usize(..len);
        let weight = candidates.weight(drawn);
        if weight >= max || fastrand::f64() * max < weight {
            return drawn;
        }
    }
    let total: f64 = (0..len).map(|index| candidates.weight(index)).sum();
    let mut left = fastrand::f64() * total;
    let reached = |index: &usize| {
        left -= candidates.weight(*index);
        left < 0.0
    };
    // Rounding may leave a rest: the last.
    (0..len).find(reached).unwrap_or(len - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::candidates::tests::{Fake, counts};

    #[test]
    fn a_random_instance_is_any_of_them() {
        let fakes = [Fake::IDLE, Fake::weighing(9.0), Fake::with_in_flight(9)];
        let counts = counts(&Random, &fakes, 3_000);
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_weighted_random_instance_is_drawn_as_often_as_it_weighs() {
        let counts = counts(&WeightedRandom, &[1.0, 2.0, 7.0].map(Fake::weighing), 10_000);
        for (count, expected) in counts.iter().zip([1_000, 2_000, 7_000]) {
            assert!(count.abs_diff(expected) < 150, "{counts:?}");
        }
    }

    #[test]
    fn one_that_outweighs_all_others_gets_its_share_and_so_do_they() {
        let mut fakes = vec![Fake::weighing(1.0); 100];
        fakes[3].weight = 900.0;
        let counts = counts(&WeightedRandom, &fakes, 10_000);
        assert!(counts[3].abs_diff(9_000) < 150, "{counts:?}");
        assert!(counts.iter().filter(|count| **count > 0).count() > 95);
    }

    #[test]
    fn where_nobody_weighs_anything_all_are_alike() {
        let counts = counts(&WeightedRandom, &[Fake::weighing(0.0); 4], 4_000);
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
