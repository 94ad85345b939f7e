//! Each instance in turn.

use super::turns::Turns;
use super::{Balancer, Candidates};

/// Each instance in turn, for each method on its own, beginning anywhere.
#[derive(Debug)]
pub struct RoundRobin(Turns);

impl Default for RoundRobin {
    fn default() -> Self {
        Self(Turns::new())
    }
}

impl Balancer for RoundRobin {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        self.0.next(candidates.method(), candidates.len())
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
