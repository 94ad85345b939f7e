//! Each instance as often as its weight says.

use super::turns::Turns;
use super::{Balancer, Candidates, RoundRobin};

/// The turns of a round at most, unless there are more instances: shares are kept to one part in so
/// many.
const TURNS_MAX: usize = 4096;

/// Each instance as often as its weight says, spread out evenly (the smooth weighted round robin of
/// nginx): of weights 5, 1 and 1 comes `a a b a c a a`.
///
/// The order of a whole round is worked out when the weights change; a call takes the next turn.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin;

impl Balancer for WeightedRoundRobin {
    /// Only a list that was not prepared for comes here.
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        super::random::draw(candidates)
    }

    fn prepare(&self, candidates: &dyn Candidates) -> Option<Box<dyn Balancer>> {
        let weights: Vec<f64> = (0..candidates.len()).map(|i| candidates.weight(i)).collect();
        let turns = round(&in_turns(&weights));
        if turns.is_empty() {
            return Some(Box::new(RoundRobin::default()));
        }
        Some(Box::new(Round { turns, next: Turns::new() }))
    }
}

/// The order in which instances get calls, over and over.
#[derive(Debug)]
struct Round {
    turns: Box<[usize]>,
    next: Turns,
}

impl Balancer for Round {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        self.turns[self.next.next(candidates.method(), self.turns.len())]
    }
}

/// The weights as numbers of turns: as they are, without what divides them all, or else about so
/// that there are no more turns than may be. Whoever weighs something keeps a turn.
fn in_turns(weights: &[f64]) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let whole: Vec<usize> = weights.iter().map(|weight| to_count(*weight)).collect();
    let divisor = whole.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let exact = weights.iter().all(|weight| weight.fract() == 0.0);
    if exact && total / divisor as f64 <= TURNS_MAX as f64 {
        return whole.into_iter().map(|weight| weight / divisor).collect();
    }
    let turns = |weight: &f64| match weight {
        weight if *weight > 0.0 => to_count(weight / total * TURNS_MAX as f64).max(1),
        _ => 0,
    };
    let scaled: Vec<usize> = weights.iter().map(turns).collect();
    let divisor = scaled.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    scaled.into_iter().map(|turns| turns / divisor).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are not negative, and one past the range counts as the greatest"
)]
fn to_count(weight: f64) -> usize {
    weight.round() as usize
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One round: each turn, all gain their weight, and the one that has gained most pays for the turn.
fn round(weights: &[usize]) -> Box<[usize]> {
    let total: usize = weights.iter().sum();
    let mut gained = vec![0_i64; weights.len()];
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let turn = |_| {
        let mut most = 0;
        for (index, weight) in weights.iter().enumerate() {
            gained[index] += signed(*weight);
            if gained[index] > gained[most] {
                most = index;
            }
        }
        gained[most] -= signed(total);
        most
    };
    (0..total).map(turn).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::candidates::tests::{Fake, counts};

    fn letters(weights: &[usize]) -> String {
        round(weights).iter().map(|index| char::from(b"abcdef"[*index])).collect()
    }

    #[test]
    fn the_order_is_that_of_nginx() {
        assert_eq!(letters(&[5, 1, 1]), "aabacaa");
        assert_eq!(letters(&[4, 2, 1]), "abacaba");
        assert_eq!(letters(&[1, 1, 1]), "abc");
        assert_eq!(letters(&[0, 1]), "b");
    }

    #[test]
    fn a_round_is_as_short_as_it_can_be() {
        assert_eq!(in_turns(&[100.0, 100.0, 50.0]), [2, 2, 1]);
        assert_eq!(in_turns(&[100.0; 300]), [1; 300]);
        assert_eq!(in_turns(&[0.0, 0.0]), [0, 0]);
        let turns = in_turns(&[10.0, 100.0 / 3.0, 1e9]);
        assert!(turns.iter().sum::<usize>() <= TURNS_MAX + 3 && turns[0] == 1, "{turns:?}");
    }

    #[test]
    fn each_is_called_as_often_as_it_weighs() {
        let fakes = [500.0, 100.0, 100.0].map(Fake::weighing);
        let prepared = WeightedRoundRobin.prepare(&fakes.to_vec()).unwrap();
        assert_eq!(counts(&*prepared, &fakes, 700), [500, 100, 100]);
    }

    #[test]
    fn where_nobody_weighs_anything_each_has_its_turn() {
        let fakes = [Fake::weighing(0.0); 3];
        let prepared = WeightedRoundRobin.prepare(&fakes.to_vec()).unwrap();
        assert_eq!(counts(&*prepared, &fakes, 30), [10, 10, 10]);
    }

    proptest! {
        /// Smooth: at every point of a round each has had its share, give or take less than the
        /// number of instances.
        #[test]
        fn nobody_is_ever_far_behind(weights in prop::collection::vec(0_usize..40, 1..12)) {
            let total: usize = weights.iter().sum();
            let mut had = vec![0_usize; weights.len()];
            for (turns, index) in (1..).zip(&*round(&weights)) {
                had[*index] += 1;
                for (had, weight) in had.iter().zip(&weights) {
                    let (had, due) = (*had as f64, (turns * weight) as f64 / total as f64);
                    prop_assert!((had - due).abs() < weights.len() as f64);
                }
            }
            prop_assert_eq!(had, weights);
        }
    }
}
