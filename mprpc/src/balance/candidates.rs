//! What a rule may know of the instances that it chooses among.

use super::mix;

/// What a balancer may know of the instances that it chooses among.
///
/// The channel implements it. To test a rule of one's own, implement what it looks at; the rest
/// describes instances that are all alike.
pub trait Candidates {
    /// How many there are, at least one.
    fn len(&self) -> usize;

    /// How many calls of this channel are in flight on the instance at `index`. Streams that are open
    /// there count if the call that it is asked for streams: they are spread among themselves, and
    /// one on which nothing moves keeps no other call waiting.
    fn in_flight(&self, index: usize) -> usize;

    /// Its share of the calls beside those of others: what discovery says, less for a newcomer that
    /// starts slowly. Zero for all of them, or for none.
    fn weight(&self, _index: usize) -> f64 {
        1.0
    }

    /// No weight is greater.
    fn weight_max(&self) -> f64 {
        (0..self.len()).map(|index| self.weight(index)).fold(0.0, f64::max)
    }

    /// How long calls to it take, in nanoseconds, at least one: a moving average of about a second
    /// that follows a slow call at once, counts a failure as very slow, and fades while no call ends.
    /// Nothing before the first.
    fn latency_ns(&self, _index: usize) -> Option<f64> {
        None
    }

    /// The same, without what has faded since a call last ended: with calls in flight, that none
    /// ends is no sign of being fast.
    fn latency_unfaded_ns(&self, index: usize) -> Option<f64> {
        self.latency_ns(index)
    }

    /// Whether it is not known to be away. Asking about one that is away makes the channel look
    /// whether it has come back.
    fn is_up(&self, _index: usize) -> bool {
        true
    }

    /// Where it runs; empty if nothing is said.
    fn zone(&self, _index: usize) -> &str {
        ""
    }

    /// Whatever else its registry says of it.
    fn tags(&self, _index: usize) -> &[String] {
        &[]
    }

    /// The index of the method that is called among those of its service: rules that go round may do
    /// so for each on its own.
    fn method(&self) -> usize {
        0
    }

    /// A hash of its address, the same in every process.
    fn hash(&self, index: usize) -> u64 {
        mix(index as u64 + 1)
    }

    /// A hash of the client that the call is made for: see
    /// [`Balance::address_hash`](super::Balance::address_hash).
    fn caller(&self) -> u64 {
        0
    }

    /// Never true; for completeness beside [`len`](Self::len).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An instance as tests describe it.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::balance) struct Fake {
        pub(in crate::balance) in_flight: usize,
        pub(in crate::balance) weight: f64,
        pub(in crate::balance) latency_ns: Option<f64>,
        /// What part of the latency has not faded.
        pub(in crate::balance) left: f64,
        pub(in crate::balance) up: bool,
    }

    impl Fake {
        pub(in crate::balance) const IDLE: Self =
            Self { in_flight: 0, weight: 1.0, latency_ns: None, left: 1.0, up: true };

        pub(in crate::balance) fn weighing(weight: f64) -> Self {
            Self { weight, ..Self::IDLE }
        }

        pub(in crate::balance) fn with_in_flight(in_flight: usize) -> Self {
            Self { in_flight, ..Self::IDLE }
        }
    }

    impl Candidates for Vec<Fake> {
        fn len(&self) -> usize {
            self.as_slice().len()
        }

        fn in_flight(&self, index: usize) -> usize {
            self[index].in_flight
        }

        fn weight(&self, index: usize) -> f64 {
            self[index].weight
        }

        fn latency_ns(&self, index: usize) -> Option<f64> {
            self[index].latency_ns.map(|latency| latency * self[index].left)
        }

        fn latency_unfaded_ns(&self, index: usize) -> Option<f64> {
            self[index].latency_ns
        }

        fn is_up(&self, index: usize) -> bool {
            self[index].up
        }
    }

    /// How often each of `fakes` is picked in `picks` calls that end at once; the same each time
    /// that it runs.
    pub(in crate::balance) fn counts(
        rule: &dyn crate::balance::Balancer,
        fakes: &[Fake],
        picks: usize,
    ) -> Vec<usize> {
        fastrand::seed(7);
        let fakes = fakes.to_vec();
        let mut counts = vec![0; fakes.len()];
        (0..picks).for_each(|_| counts[rule.pick(&fakes)] += 1);
        counts
    }
}
