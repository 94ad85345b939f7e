//! The same instance for the same key, while it is there and not overloaded.

use super::{Balancer, Candidates};

/// How many times its share of the calls in flight an instance may have and still get calls by
/// their keys.
pub(crate) const BOUND: f64 = 1.5;

/// An instance with fewer calls in flight is never overloaded: where there are few in all, two with
/// one key would be more than a share.
const IN_FLIGHT_MIN: usize = 16;

/// The same instance for the same client. See [`Balance::address_hash`](super::Balance::address_hash).
#[derive(Debug, Default)]
pub struct AddressHash;

impl Balancer for AddressHash {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        of_key(candidates.caller(), BOUND, candidates)
    }
}

/// The index of the instance that a key belongs to: the one with the highest score for the key
/// (weighted rendezvous hashing) among those that are up and that would have, with this call, at most
/// `bound` times their share of the calls in flight, rounded up, or [`IN_FLIGHT_MIN`]. If there is none,
/// among those that are up, and else among all.
///
/// Every client that knows the same instances has the same order of them for a key. When one goes,
/// or is overloaded, only its keys move, and when one's weight changes only keys from it or to it.
pub(crate) fn of_key(key: u64, bound: f64, candidates: &dyn Candidates) -> usize {
    let (mut calls, mut weights) = (1, 0.0);
    let (mut lightest, mut heaviest) = (f64::MAX, 0.0_f64);
    for index in 0..candidates.len() {
        let weight = candidates.weight(index);
        calls += candidates.in_flight(index);
        weights += weight;
        (lightest, heaviest) = (lightest.min(weight), heaviest.max(weight));
    }
    let alike = lightest >= heaviest;
    let room = |index: usize| {
        let in_flight = candidates.in_flight(index);
        let share = match alike {
            true => 1.0 / candidates.len() as f64,
            false => candidates.weight(index) / weights,
        };
        in_flight < IN_FLIGHT_MIN || (in_flight as f64) < (bound * share * calls as f64).ceil()
    };
    let score = |index: usize| {
        let hash = mix(key ^ candidates.hash(index));
        if alike { unit(hash) } else { -candidates.weight(index) / unit(hash).ln() }
    };
    // What is up comes before what is not, whatever room there is.
    let mut best: Option<(bool, bool, f64, usize)> = None;
    for index in 0..candidates.len() {
        let rank = (candidates.is_up(index), room(index), score(index), index);
        if best.is_none_or(|best| rank > best) {
            best = Some(rank);
        }
    }
    best.map_or(0, |(.., index)| index)
}

/// The finaliser of SplitMix64: each bit of the result depends on each bit of `value`.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hash as a number between 0 and 1, neither of which it is.
pub(super) fn unit(hash: u64) -> f64 {
    const BITS: u32 = 52;
    ((hash >> (u64::BITS - BITS)) as f64 + 0.5) / (1_u64 << BITS) as f64
}

#[cfg(test)]
#[path = "consistent_hash_tests.rs"]
mod tests;
