//! What is left to chance, and follows from the seed.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

/// The choices of one round.
pub(super) struct Chance(Rng);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        let mut spread = Rng::with_seed(seed);
        // Neighbouring seeds begin with choices that resemble each other.
        Self(Rng::with_seed(spread.u64(..)))
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(..of.len())]
    }

    /// A number from 0 on, smaller than this.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.0.bool()
    }

    pub(super) fn ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.0.u64(range.start * 1_000..range.end * 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_choices_again_and_another_seed_makes_others() {
        let choices = |seed| {
            let mut chance = Chance::of(seed);
            (0..8).map(|_| chance.ms(0..1_000)).collect::<Vec<_>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
    }
}
