//! The same instance for the same key, while it is there.

/// The index of the instance that a key belongs to, among those with these hashes: the one with the
/// highest score for the key (rendezvous hashing). When an instance goes, only its keys move; every
/// client that knows the same instances chooses the same.
///
/// `None` if there are none.
pub(crate) fn of_key(key: u64, instances: impl IntoIterator<Item = (usize, u64)>) -> Option<usize> {
    let score = |(index, hash): (usize, u64)| (mix(key ^ hash), index);
    instances.into_iter().map(score).max().map(|(_, index)| index)
}

/// The finaliser of SplitMix64: each bit of the result depends on each bit of `value`.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 10_000;

    fn instances(count: u64) -> impl Iterator<Item = (usize, u64)> {
        (0..count).map(|index| (usize::try_from(index).unwrap(), mix(index + 77)))
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut counts = [0; 4];
        (0..KEYS).for_each(|key| counts[of_key(key, instances(4)).unwrap()] += 1);
        assert!(counts.iter().all(|count| (2_300..2_700).contains(count)), "{counts:?}");
    }

    #[test]
    fn only_the_keys_of_an_instance_that_went_move() {
        for key in 0..KEYS {
            let before = of_key(key, instances(4)).unwrap();
            let after = of_key(key, instances(4).filter(|(index, _)| *index != 1)).unwrap();
            assert!(before == 1 || before == after);
            assert_ne!(after, 1);
        }
    }

    #[test]
    fn without_instances_there_is_no_choice() {
        assert_eq!(of_key(1, []), None);
    }
}
