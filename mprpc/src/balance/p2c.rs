//! The better one of two, by how slow and how busy it is.

use super::random::draw;
use super::{Balancer, Candidates};

/// An instance that was never called, or only for streams, counts as fast as the other one, but as
/// no slower than this: it is better than one that fails.
const UNKNOWN_NS: f64 = 1e8;

/// The better one of two instances.
///
/// The first is drawn by weight, the second is any other. What a call would cost on each is its
/// [latency](Candidates::latency_ns) times the calls that it would share the instance with, and the
/// chance of each falls with the eighth power of its cost: of two that are alike both are called,
/// as their weights say, while one that costs twice as much gets hardly a call. So a little noise
/// does not send all calls to one of them, and each stays measured.
///
/// A latency fades while no call ends, so that one that was slow once is tried again. With calls in
/// flight that may also mean that it hangs, and so it fades no further than to what the other one's
/// is: an instance that hangs gets as many calls as others have in flight, and then no more.
///
/// Two looks are enough however many instances there are, and clients that know nothing of each
/// other do not all run to the same one.
#[derive(Debug, Default)]
pub struct PeakEwma;

impl Balancer for PeakEwma {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        let len = candidates.len();
        if len < 2 {
            return 0;
        }
        // Drawn so, each pair comes as often as both of it weigh together, and what the better of
        // equals gets is exactly its weight.
        let first = draw(candidates);
        let second = (first + 1 + fastrand::usize(..len - 1)) % len;
        if first_is_better(candidates, first, second) { first } else { second }
    }
}

fn first_is_better(candidates: &dyn Candidates, first: usize, second: usize) -> bool {
    let weights = (candidates.weight(first), candidates.weight(second));
    let weights = if weights == (0.0, 0.0) { (1.0, 1.0) } else { weights };
    if weights.0 == 0.0 || weights.1 == 0.0 {
        return weights.1 == 0.0;
    }
    let latencies = latencies(candidates, first, second);
    let mean = f64::midpoint(weights.0, weights.1);
    // One of twice the weight is as busy with twice the calls.
    let cost = |latency: f64, index: usize, weight: f64| {
        latency * (1.0 + candidates.in_flight(index) as f64 * mean / weight)
    };
    let ratio = cost(latencies.0, first, weights.0) / cost(latencies.1, second, weights.1);
    let squared = ratio * ratio;
    let fourth = squared * squared;
    fastrand::f64() * (weights.0 + weights.1 * fourth * fourth) < weights.0
}

/// How long calls take on each of two.
fn latencies(candidates: &dyn Candidates, first: usize, second: usize) -> (f64, f64) {
    match (candidates.latency_ns(first), candidates.latency_ns(second)) {
        (Some(a), Some(b)) if a < b => (not_faded_below(candidates, first, a, b), b),
        (Some(a), Some(b)) => (a, not_faded_below(candidates, second, b, a)),
        (Some(a), None) => (a, a.min(UNKNOWN_NS)),
        (None, Some(b)) => (b.min(UNKNOWN_NS), b),
        (None, None) => (1.0, 1.0),
    }
}

/// The latency of one that seems to be faster than another: only as far as it was that fast when a
/// call last ended, if any are in flight since.
fn not_faded_below(candidates: &dyn Candidates, index: usize, latency: f64, other: f64) -> f64 {
    if candidates.in_flight(index) == 0 {
        return latency;
    }
    candidates.latency_unfaded_ns(index).map_or(latency, |unfaded| unfaded.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::candidates::tests::{Fake, counts};

    fn taking(latency_ns: f64) -> Fake {
        Fake { latency_ns: Some(latency_ns), ..Fake::IDLE }
    }

    #[test]
    fn of_two_that_are_alike_both_are_called() {
        let counts = counts(&PeakEwma, &[taking(1e5), taking(1.01e5)], 1_000);
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_faster_one_gets_nearly_all_calls() {
        let counts = counts(&PeakEwma, &[taking(1e5), taking(3e5)], 1_000);
        assert!(counts[1] < 10, "{counts:?}");
    }

    #[test]
    fn the_busier_one_gets_fewer_calls() {
        let busy = Fake { in_flight: 3, ..taking(1e5) };
        let counts = counts(&PeakEwma, &[busy, taking(1e5)], 1_000);
        assert!(counts[0] < 10, "{counts:?}");
    }

    #[test]
    fn a_slow_one_is_called_when_the_fast_one_has_much_to_do() {
        let busy = Fake { in_flight: 50, ..taking(1e5) };
        let counts = counts(&PeakEwma, &[busy, taking(3e5)], 1_000);
        assert!(counts[0] < 10, "{counts:?}");
    }

    #[test]
    fn what_was_never_called_is_neither_shunned_nor_flooded() {
        let counts = counts(&PeakEwma, &[taking(1e5), Fake::IDLE], 1_000);
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_was_never_called_is_better_than_what_fails() {
        let counts = counts(&PeakEwma, &[taking(5e9), Fake::IDLE], 1_000);
        assert_eq!(counts, [0, 1_000]);
    }

    #[test]
    fn one_that_hangs_gets_no_more_calls_than_the_other_has_in_flight() {
        let hangs = Fake { left: 1e-9, in_flight: 15, ..taking(1e6) };
        let well = Fake { in_flight: 6, ..taking(1e6) };
        let calls = counts(&PeakEwma, &[hangs, well], 1_000);
        assert!(calls[0] < 10, "{calls:?}");
        // Nor does it hold it up for ever that it was slow before.
        let recovered = Fake { left: 1e-9, in_flight: 1, ..taking(5e9) };
        let calls = counts(&PeakEwma, &[recovered, well], 1_000);
        assert!(calls[0] > 990, "{calls:?}");
    }

    #[test]
    fn idle_ones_share_by_weight_exactly_however_many_there_are() {
        let weights = [1.0, 2.0, 3.0, 4.0, 10.0];
        let counts = counts(&PeakEwma, &weights.map(Fake::weighing), 20_000);
        for (count, weight) in counts.iter().zip([1_000, 2_000, 3_000, 4_000, 10_000]) {
            assert!(count.abs_diff(weight) < 250, "{counts:?}");
        }
    }

    /// Calls that last: each pick adds one to the picked, and one ends at random.
    #[test]
    fn busy_ones_share_by_weight_too() {
        fastrand::seed(7);
        let mut fakes = [100.0, 100.0, 200.0].map(Fake::weighing).to_vec();
        fakes.iter_mut().for_each(|fake| fake.latency_ns = Some(1e6));
        let mut running = Vec::new();
        let mut counts = [0; 3];
        for _ in 0..20_000 {
            let picked = PeakEwma.pick(&fakes);
            fakes[picked].in_flight += 1;
            counts[picked] += 1;
            running.push(picked);
            if running.len() > 120 {
                let ended: usize = running.swap_remove(fastrand::usize(..running.len()));
                fakes[ended].in_flight -= 1;
            }
        }
        for (count, expected) in counts.iter().zip([5_000, 5_000, 10_000]) {
            assert!(usize::abs_diff(*count, expected) < 400, "{counts:?}");
        }
    }

    #[test]
    fn one_without_weight_gets_nothing_beside_one_with_some() {
        let counts = counts(&PeakEwma, &[0.0, 1.0].map(Fake::weighing), 1_000);
        assert_eq!(counts, [0, 1_000]);
    }

    #[test]
    fn of_hundreds_the_failing_ones_get_next_to_nothing() {
        let mut fakes = vec![taking(1e5); 300];
        fakes[..100].iter_mut().for_each(|fake| fake.latency_ns = Some(5e9));
        let counts = counts(&PeakEwma, &fakes, 30_000);
        let to_failing: usize = counts[..100].iter().sum();
        // Only where both drawn ones fail, one time in nine.
        assert!((2_800..3_900).contains(&to_failing), "{to_failing}");
    }
}
