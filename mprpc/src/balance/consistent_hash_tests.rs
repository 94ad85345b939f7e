use proptest::prelude::*;

use super::*;

const KEYS: u64 = 10_000;

/// Instances with names, so that one keeps its own when others go.
#[derive(Clone, Debug)]
struct Named(Vec<(u64, f64, usize, bool)>);

impl Named {
    fn idle(count: u64) -> Self {
        Self((0..count).map(|name| (name, 1.0, 0, true)).collect())
    }

    fn name_of_key(&self, key: u64, bound: f64) -> u64 {
        self.0[of_key(key, bound, self)].0
    }
}

impl Candidates for Named {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn weight(&self, index: usize) -> f64 {
        self.0[index].1
    }

    fn in_flight(&self, index: usize) -> usize {
        self.0[index].2
    }

    fn is_up(&self, index: usize) -> bool {
        self.0[index].3
    }

    fn hash(&self, index: usize) -> u64 {
        mix(self.0[index].0 + 77)
    }
}

#[test]
fn keys_are_spread_evenly() {
    let instances = Named::idle(4);
    let mut counts = [0; 4];
    (0..KEYS).for_each(|key| counts[of_key(key, BOUND, &instances)] += 1);
    assert!(counts.iter().all(|count| (2_300..2_700).contains(count)), "{counts:?}");
}

#[test]
fn keys_are_spread_by_weight() {
    let mut instances = Named::idle(3);
    instances.0[2].1 = 2.0;
    let mut counts = [0_usize; 3];
    (0..KEYS).for_each(|key| counts[of_key(key, BOUND, &instances)] += 1);
    assert!(counts[2].abs_diff(5_000) < 200 && counts[0].abs_diff(2_500) < 200, "{counts:?}");
}

#[test]
fn only_the_keys_of_an_instance_that_is_down_move() {
    let all = Named::idle(4);
    let mut down = all.clone();
    down.0[1].3 = false;
    for key in 0..KEYS {
        let (before, after) = (all.name_of_key(key, BOUND), down.name_of_key(key, BOUND));
        assert!(after != 1 && (before == 1 || before == after));
    }
    down.0.iter_mut().for_each(|instance| instance.3 = false);
    assert_eq!(down.name_of_key(7, BOUND), all.name_of_key(7, BOUND));
}

#[test]
fn a_hot_key_goes_to_others_when_its_instance_is_overloaded_and_to_the_same_ones_each_time() {
    let mut instances = Named::idle(4);
    let home = of_key(7, BOUND, &instances);
    for in_flight in 0..1_000 {
        let at = of_key(7, BOUND, &instances);
        instances.0[at].2 += 1;
        let bound = (BOUND * f64::from(in_flight + 1) / 4.0).ceil().max(16.0);
        assert!(instances.0[at].2 as f64 <= bound, "{instances:?}");
    }
    // It stays the fullest, and the last one in the key's order has next to nothing.
    assert_eq!(instances.0[home].2, 375);
    let mut loads: Vec<_> = instances.0.iter().map(|instance| instance.2).collect();
    loads.sort_unstable();
    assert_eq!(loads[1..], [250, 375, 375]);
}

#[test]
fn with_few_calls_in_flight_a_key_stays_where_it_belongs() {
    let mut instances = Named::idle(10);
    let home = of_key(7, 1.0, &instances);
    instances.0[home].2 = 15;
    assert_eq!(of_key(7, 1.0, &instances), home);
}

proptest! {
    /// With room everywhere, so that only hashing counts.
    #[test]
    fn only_the_keys_of_an_instance_that_went_move(
        count in 2_u64..12,
        gone in 0_usize..12,
        weights in prop::collection::vec(prop_oneof![Just(100.0), 1.0..200.0], 12),
    ) {
        let mut all = Named::idle(count);
        all.0.iter_mut().zip(weights).for_each(|(instance, weight)| instance.1 = weight);
        let mut left = all.clone();
        let gone = left.0.remove(gone % left.0.len()).0;
        for key in 0..300 {
            let (before, after) = (all.name_of_key(key, BOUND), left.name_of_key(key, BOUND));
            prop_assert!(before == gone || before == after);
        }
    }

    #[test]
    fn a_weight_that_changes_moves_keys_only_from_the_lighter_or_to_the_heavier(
        count in 2_u64..12,
        changed in 0_usize..12,
        weight in 0.1..10.0,
    ) {
        let before = Named::idle(count);
        let mut after = before.clone();
        let changed = changed % after.0.len();
        after.0[changed].1 = weight;
        let name = after.0[changed].0;
        for key in 0..300 {
            let (from, to) = (before.name_of_key(key, BOUND), after.name_of_key(key, BOUND));
            let concerned = if weight < 1.0 { from } else { to };
            prop_assert!(from == to || concerned == name);
        }
    }

    /// Whatever keys come and whatever ends, nobody gets a call that has more than the bound
    /// already: with it, one more at most.
    #[test]
    fn nobody_is_loaded_above_the_bound_by_a_key(
        count in 1_u64..8,
        bound in 1.0..2.0,
        calls in prop::collection::vec((0_u64..20, any::<Option<prop::sample::Index>>()), 1..400),
    ) {
        let mut instances = Named::idle(count);
        let mut running: Vec<usize> = Vec::new();
        for (key, ended) in calls {
            let at = of_key(key, bound, &instances);
            let average = (running.len() + 1) as f64 / count as f64;
            let most = (bound * average).ceil().max(IN_FLIGHT_MIN as f64);
            instances.0[at].2 += 1;
            prop_assert!(instances.0[at].2 as f64 <= most, "{instances:?}");
            running.push(at);
            if let Some(ended) = ended {
                let at = running.swap_remove(ended.index(running.len()));
                instances.0[at].2 -= 1;
            }
        }
    }
}
