//! Which gateway a user is sent to. Pure, and the same at every instance that knows the same gateways.

use std::sync::Arc;

use im_common::original::hash;
use serde::{Deserialize, Serialize};

use super::routes::{Gateway, Offer};

/// How a gateway is chosen for a user.
///
/// A gateway of weight 0 is sent nobody while there is another. A gateway keeps its users over
/// restarts: what counts is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Evenly. When a gateway comes or goes, nearly everybody moves.
    Hash,
    /// About evenly. When a gateway goes, only its own users move.
    ConsistentHash,
    /// By the gateways' weights. When a gateway goes, only its own users move.
    Weight,
    /// To those gateways whose priority has the lowest number, as with [`Self::ConsistentHash`]; to the
    /// next when none of them is there.
    Priority,
}

/// A gateway, and what it offers.
pub(crate) type Offered = (Arc<Gateway>, Offer);

impl Strategy {
    /// The gateway for a user; `None` if there is none.
    pub(crate) fn pick(self, user_id: i64, offered: &[Offered]) -> Option<&Offered> {
        let candidates = candidates(offered);
        let score = |candidate: &&Offered| score(user_id, &candidate.0.id);
        match self {
            Self::Hash => {
                let count = u64::try_from(candidates.len()).ok().filter(|count| *count > 0)?;
                let place = hash(&user_id.to_le_bytes()) % count;
                candidates.get(usize::try_from(place).ok()?).copied()
            }
            Self::ConsistentHash => candidates.into_iter().max_by_key(score),
            Self::Weight => {
                let weighted = |it: &&Offered| weighted(score(it), it.1.weight);
                candidates.into_iter().max_by(|a, b| weighted(a).total_cmp(&weighted(b)))
            }
            Self::Priority => {
                let first = candidates.iter().map(|(_, offer)| offer.priority).min()?;
                let of_first = candidates.into_iter().filter(|(_, it)| it.priority == first);
                of_first.max_by_key(score)
            }
        }
    }
}

/// Those that are sent anybody, by their names; of several boots of one gateway the last, whose id is
/// the greatest.
fn candidates(offered: &[Offered]) -> Vec<&Offered> {
    let wanted = |offered: &&Offered| offered.1.weight > 0;
    let mut candidates: Vec<&Offered> = offered.iter().filter(wanted).collect();
    if candidates.is_empty() {
        candidates = offered.iter().collect();
    }
    candidates.sort_by(|(a, _), (b, _)| (&a.id, &b.boot_id).cmp(&(&b.id, &a.boot_id)));
    candidates.dedup_by(|(later, _), (kept, _)| later.id == kept.id);
    candidates
}

/// A number of this pair alone, so that no pair is touched by what happens to another.
fn score(user_id: i64, gateway_id: &str) -> u64 {
    let mut pair = user_id.to_le_bytes().to_vec();
    pair.extend_from_slice(gateway_id.as_bytes());
    hash(&pair)
}

/// Weighted rendezvous: with u uniform in (0, 1), the greatest of `-weight / ln u` is that of a gateway
/// with a probability of its share of the weights.
fn weighted(score: u64, weight: u32) -> f64 {
    let upper = u32::try_from(score >> 32).unwrap_or(u32::MAX);
    let uniform = (f64::from(upper) + 0.5) / (f64::from(u32::MAX) + 1.0);
    -f64::from(weight.max(1)) / uniform.ln()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const USERS: i64 = 20_000;
    const ALL: [Strategy; 4] =
        [Strategy::Hash, Strategy::ConsistentHash, Strategy::Weight, Strategy::Priority];

    fn offered(id: &str, weight: u32, priority: u32) -> Offered {
        let gateway =
            Gateway { id: id.to_owned(), boot_id: format!("1-{id}"), ..Gateway::default() };
        (
            Arc::new(gateway),
            Offer { endpoint: format!("{id}:6000"), weight, priority, ..Offer::default() },
        )
    }

    fn alike(ids: &[&str]) -> Vec<Offered> {
        ids.iter().map(|id| offered(id, 100, 0)).collect()
    }

    fn picked(strategy: Strategy, offered: &[Offered]) -> Vec<&str> {
        let pick = |user_id| strategy.pick(user_id, offered).unwrap().0.id.as_str();
        (1..=USERS).map(pick).collect()
    }

    fn shares<'a>(picked: &[&'a str]) -> HashMap<&'a str, f64> {
        let mut counts: HashMap<&str, i32> = HashMap::new();
        picked.iter().for_each(|id| *counts.entry(id).or_default() += 1);
        let all: i32 = counts.values().sum();
        counts.into_iter().map(|(id, n)| (id, f64::from(n) / f64::from(all))).collect()
    }

    #[test]
    fn nobody_is_sent_anywhere_where_there_is_no_gateway() {
        ALL.iter().for_each(|strategy| assert!(strategy.pick(1, &[]).is_none()));
    }

    #[test]
    fn the_order_in_which_gateways_are_listed_does_not_matter() {
        let (one, other) = (alike(&["a", "b", "c"]), alike(&["c", "a", "b"]));
        ALL.iter().for_each(|it| assert_eq!(picked(*it, &one), picked(*it, &other), "{it:?}"));
    }

    #[test]
    fn gateways_that_are_alike_get_about_the_same() {
        let offered = alike(&["10.0.0.1:8014", "10.0.0.2:8014", "10.0.0.3:8014", "10.0.0.4:8014"]);
        for strategy in ALL {
            for (id, share) in shares(&picked(strategy, &offered)) {
                assert!((0.23..0.27).contains(&share), "{strategy:?}: {id} has {share}");
            }
        }
    }

    #[test]
    fn when_a_gateway_goes_only_its_own_users_move_and_they_spread() {
        let offered = alike(&["a", "b", "c", "d"]);
        for strategy in [Strategy::ConsistentHash, Strategy::Weight, Strategy::Priority] {
            let (before, after) = (picked(strategy, &offered), picked(strategy, &offered[1..]));
            let pairs = before.iter().zip(&after);
            let moved: Vec<_> = pairs.filter(|(before, after)| before != after).collect();
            assert!(moved.iter().all(|(before, _)| **before == "a"), "{strategy:?}");
            let to: Vec<&str> = moved.into_iter().map(|(_, after)| *after).collect();
            assert!(shares(&to).values().all(|share| (0.3..0.37).contains(share)), "{strategy:?}");
        }
    }

    #[test]
    fn weights_are_followed_and_a_weight_that_grows_moves_users_only_there() {
        let before = [offered("a", 100, 0), offered("b", 200, 0), offered("c", 100, 0)];
        let shares_before = shares(&picked(Strategy::Weight, &before));
        assert!((0.48..0.52).contains(&shares_before["b"]), "{shares_before:?}");
        assert!((0.23..0.27).contains(&shares_before["a"]), "{shares_before:?}");
        let after = [offered("a", 200, 0), offered("b", 200, 0), offered("c", 100, 0)];
        let (before, after) = (picked(Strategy::Weight, &before), picked(Strategy::Weight, &after));
        assert!(before.iter().zip(after).all(|(before, after)| *before == after || after == "a"));
    }

    #[test]
    fn the_first_priority_has_everybody_until_it_is_gone() {
        let offered = [offered("a", 100, 1), offered("b", 100, 0), offered("c", 100, 0)];
        let shares_of_two = shares(&picked(Strategy::Priority, &offered));
        assert!(shares_of_two.len() == 2 && !shares_of_two.contains_key("a"), "{shares_of_two:?}");
        assert!(picked(Strategy::Priority, &offered[..1]).iter().all(|id| *id == "a"));
    }

    #[test]
    fn a_gateway_of_weight_0_is_sent_nobody_while_there_is_another() {
        let both = [offered("a", 0, 0), offered("b", 100, 0)];
        for strategy in ALL {
            assert!(picked(strategy, &both).iter().all(|id| *id == "b"), "{strategy:?}");
            assert_eq!(strategy.pick(1, &both[..1]).unwrap().0.id, "a", "{strategy:?}");
        }
    }

    #[test]
    fn a_gateway_that_has_just_started_again_is_one_and_its_last_boot_counts() {
        let again = |boot_id: &str, endpoint: &str| {
            let (gateway, offer) = offered("a", 100, 0);
            let gateway = Gateway { boot_id: boot_id.to_owned(), ..Gateway::clone(&gateway) };
            (Arc::new(gateway), Offer { endpoint: endpoint.to_owned(), ..offer })
        };
        let offered = [again("1-x", "old:1"), again("2-a", "new:1"), offered("b", 100, 0)];
        for strategy in ALL {
            let endpoints = (1..=USERS).map(|id| &strategy.pick(id, &offered).unwrap().1.endpoint);
            assert!(endpoints.clone().all(|endpoint| endpoint != "old:1"), "{strategy:?}");
            let half = shares(&picked(strategy, &offered))["a"];
            assert!((0.47..0.53).contains(&half), "{strategy:?}: {half}");
        }
    }
}
