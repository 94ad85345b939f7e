//! Which instances of a large fleet one client calls.

use super::mix;

/// Keeps the `size` of `instances` that belong to `client`: those with the highest scores for it
/// (rendezvous hashing), in the order in which they came.
///
/// Each client has its own order of all instances, so that over many clients every instance has
/// about as many of them as any other, and when one comes or goes, each client changes at most one
/// of its own. `hash` names an instance in every process alike.
pub(crate) fn subset<T>(
    client: u64,
    size: usize,
    instances: &mut Vec<T>,
    hash: impl Fn(&T) -> u64,
) {
    if instances.len() <= size {
        return;
    }
    let score = |instance: &T| mix(client ^ hash(instance));
    let mut scores: Vec<u64> = instances.iter().map(score).collect();
    let lowest_kept = scores.len() - size;
    let (_, lowest, _) = scores.select_nth_unstable(lowest_kept);
    let lowest = *lowest;
    instances.retain(|instance| score(instance) >= lowest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(client: u64, size: usize, instances: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut instances: Vec<u64> = instances.into_iter().collect();
        subset(mix(client + 1), size, &mut instances, |name| mix(name + 1_000));
        instances
    }

    #[test]
    fn over_many_clients_all_instances_are_called_alike() {
        let mut clients = vec![0_u32; 200];
        for client in 0..2_000 {
            let subset = of(client, 20, 0..200);
            assert_eq!(subset.len(), 20);
            subset.into_iter().for_each(|at| clients[usize::try_from(at).unwrap()] += 1);
        }
        // 200 each on average, and no more than chance off it.
        assert!(clients.iter().all(|count| (145..260).contains(count)), "{clients:?}");
    }

    proptest! {
        #[test]
        fn when_one_goes_at_most_one_is_exchanged_and_it_comes_back_with_it(
            client: u64,
            size in 1_usize..30,
            count in 1_u64..100,
            gone: prop::sample::Index,
        ) {
            let client = client / 2;
            let gone = gone.index(usize::try_from(count).unwrap()) as u64;
            let before = of(client, size, 0..count);
            let after = of(client, size, (0..count).filter(|name| *name != gone));
            let lost: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
            let won = after.iter().filter(|name| !before.contains(name)).count();
            prop_assert!(lost.iter().all(|name| **name == gone));
            prop_assert!(won <= lost.len());
            prop_assert_eq!(before.len(), size.min(usize::try_from(count).unwrap()));
            prop_assert_eq!(before, of(client, size, 0..count));
        }
    }
}
