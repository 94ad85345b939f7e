//! What to believe of a registry.
//!
//! A registry may forget instances that are alive: all lost it at once, it was restored from an old
//! copy, somebody cleaned up. So a listing that is suddenly much shorter is not believed until
//! connections confirm it: who is missing stays listed while connections are accepted there.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Endpoint;

/// A listing is compared with the longest of this time, so that a loss which is told of in pieces
/// is seen as one.
const WINDOW: Duration = Duration::from_secs(10);

/// How many former listings are remembered. A service that changes more often than this within the
/// window is compared with fewer.
const FORMER_MAX: usize = 64;

/// How long somebody is doubted while others are listed. Who lives registers again within seconds;
/// what accepts connections there after this time may be another program on the same port.
const DOUBT_MAX: Duration = Duration::from_secs(300);

/// What is believed of one service. Without IO and without a clock.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// As the registry listed them last.
    listed: Vec<Endpoint>,
    /// Those that are missing there and are not believed to have gone, and since when others are
    /// listed.
    doubted: Vec<(Instant, Endpoint)>,
    /// How long former listings were, and until when each held.
    former: VecDeque<(Instant, usize)>,
}

impl Guard {
    /// Begins with what is known from before: the next listing is compared with it.
    pub(super) fn remembering(listed: Vec<Endpoint>) -> Self {
        Self { listed, ..Self::default() }
    }

    /// The registry lists these now. Believed at once, unless they are none, or less than half of
    /// what was listed lately: then those that are missing are doubted.
    pub(super) fn listed(&mut self, now: Instant, listed: Vec<Endpoint>) {
        while self.former.front().is_some_and(|(until, _)| now.duration_since(*until) > WINDOW) {
            self.former.pop_front();
        }
        let lengths = self.former.iter().map(|(_, length)| *length);
        let most = lengths.chain([self.listed.len()]).max().unwrap_or(0);
        let shrunken = listed.len() * 2 < most;
        let before = std::mem::replace(&mut self.listed, listed);
        let before_was_empty = before.is_empty();
        self.former.push_back((now, before.len()));
        if self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
        if shrunken {
            self.doubted.extend(before.into_iter().map(|doubted| (now, doubted)));
        }
        if before_was_empty && !self.listed.is_empty() {
            // While nobody was listed they could not register again either.
            for (since, _) in &mut self.doubted {
                *since = now;
            }
        }
        let listed = &self.listed;
        let again = |doubted: &Endpoint| {
            listed.iter().any(|one| one.id == doubted.id || one.address == doubted.address)
        };
        let believed_to_have_gone =
            |since: Instant| !listed.is_empty() && now.duration_since(since) > DOUBT_MAX;
        self.doubted.retain(|(since, doubted)| !again(doubted) && !believed_to_have_gone(*since));
    }

    /// Nobody accepts connections there: who was doubted there has gone.
    pub(super) fn refused(&mut self, address: SocketAddr) {
        self.doubted.retain(|(_, doubted)| doubted.address != address);
    }

    /// The instances to use, by id.
    pub(super) fn believed(&self) -> Vec<Endpoint> {
        let doubted = self.doubted.iter().map(|(_, doubted)| doubted);
        let mut believed: Vec<_> = self.listed.iter().chain(doubted).cloned().collect();
        believed.sort_by(|a, b| a.id.cmp(&b.id));
        believed
    }

    /// Where connections are to tell who is still there.
    pub(super) fn doubted(&self) -> impl Iterator<Item = SocketAddr> {
        self.doubted.iter().filter_map(|(_, doubted)| doubted.address.tcp())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn endpoints(ports: impl IntoIterator<Item = u16>) -> Vec<Endpoint> {
        ports.into_iter().map(endpoint).collect()
    }

    fn ports(guard: &Guard) -> Vec<u16> {
        let mut ports: Vec<_> =
            guard.believed().iter().map(|one| one.address.tcp().unwrap().port()).collect();
        ports.sort_unstable();
        ports
    }

    fn seeing(listings: &[&[u16]]) -> Guard {
        let mut guard = Guard::default();
        for listing in listings {
            guard.listed(Instant::now(), endpoints(listing.iter().copied()));
        }
        guard
    }

    #[test]
    fn an_orderly_leave_is_believed_at_once() {
        assert_eq!(ports(&seeing(&[&[1, 2], &[2]])), [2]);
        assert_eq!(ports(&seeing(&[&[1, 2, 3, 4], &[2, 3, 4], &[3, 4]])), [3, 4]);
        let rolling = seeing(&[&[1, 2], &[2], &[1, 2], &[1], &[1, 2]]);
        assert_eq!(ports(&rolling), [1, 2]);
        assert_eq!(rolling.doubted().count(), 0);
    }

    #[test]
    fn an_empty_listing_is_not_believed_until_connections_are_refused() {
        let mut guard = seeing(&[&[1, 2], &[]]);
        assert_eq!(ports(&guard), [1, 2]);
        guard.refused(endpoint(1).address.tcp().unwrap());
        assert_eq!(ports(&guard), [2]);
        guard.refused(endpoint(2).address.tcp().unwrap());
        assert_eq!(ports(&guard), [] as [u16; 0]);
    }

    #[test]
    fn a_loss_told_of_in_pieces_is_seen_as_one() {
        let guard = seeing(&[&[1, 2, 3, 4], &[2, 3, 4], &[3, 4], &[4], &[]]);
        assert_eq!(ports(&guard), [3, 4]);
    }

    #[test]
    fn what_was_long_ago_is_not_compared_with() {
        let mut guard = seeing(&[&[1, 2, 3]]);
        let later = |windows: u32| Instant::now() + (WINDOW + Duration::from_secs(1)) * windows;
        guard.listed(later(1), endpoints([2, 3]));
        guard.listed(later(2), endpoints([2, 3]));
        guard.listed(later(3), endpoints([3]));
        assert_eq!(ports(&guard), [3]);
    }

    #[test]
    fn who_is_listed_again_is_not_doubted_and_has_one_entry() {
        let mut guard = seeing(&[&[1, 2], &[], &[1]]);
        assert_eq!(guard.doubted().collect::<Vec<_>>(), [endpoint(2).address.tcp().unwrap()]);
        let moved = Endpoint { id: endpoint(2).id, ..endpoint(7) };
        guard.listed(Instant::now(), vec![endpoint(1), moved]);
        assert_eq!(ports(&guard), [1, 7]);
    }

    /// As when its port was taken by another program before its session had expired.
    #[test]
    fn who_is_missing_for_long_while_others_are_listed_is_believed_to_have_gone() {
        let mut guard = seeing(&[&[1, 2], &[]]);
        let long = DOUBT_MAX + Duration::from_secs(1);
        let later = Instant::now() + long;
        guard.listed(later, endpoints([]));
        assert_eq!(ports(&guard), [1, 2], "nobody else is there");
        guard.listed(later, endpoints([3]));
        assert_eq!(ports(&guard), [1, 2, 3], "the first is back, and the others may be soon");
        guard.listed(later + DOUBT_MAX, endpoints([3]));
        assert_eq!(ports(&guard), [1, 2, 3]);
        guard.listed(later + long, endpoints([3]));
        assert_eq!(ports(&guard), [3]);
    }

    #[test]
    fn what_is_remembered_from_before_the_start_counts() {
        let mut guard = Guard::remembering(endpoints([1, 2, 3]));
        guard.listed(Instant::now(), endpoints([]));
        assert_eq!(ports(&guard), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn believed_is_what_is_listed_and_never_a_sudden_half_less(
            listings in prop::collection::vec(prop::collection::btree_set(1_u16..12, 0..12), 1..20),
            pauses in prop::collection::vec(0_u64..12, 20),
            refusals in prop::collection::vec(1_u16..12, 20),
        ) {
            let mut guard = Guard::default();
            let mut now = Instant::now();
            let mut listed_before = 0;
            for ((listing, pause), refusal) in listings.iter().zip(pauses).zip(refusals) {
                let before: BTreeSet<u16> = ports(&guard).into_iter().collect();
                now += Duration::from_secs(pause);
                guard.listed(now, endpoints(listing.iter().copied()));
                let after: BTreeSet<u16> = ports(&guard).into_iter().collect();
                prop_assert!(after.is_superset(listing));
                prop_assert_eq!(after.len(), guard.believed().len(), "each has one entry");
                prop_assert!(before.is_empty() || !after.is_empty(), "never emptied by a listing");
                prop_assert!(
                    listing.len() * 2 >= listed_before || after.is_superset(&before),
                    "less than half: nobody is dropped"
                );
                listed_before = listing.len();
                guard.refused(endpoint(refusal).address.tcp().unwrap());
                let kept: BTreeSet<u16> = ports(&guard).into_iter().collect();
                prop_assert!(kept.is_superset(listing), "who is listed is used whatever refuses");
                prop_assert!(!kept.contains(&refusal) || listing.contains(&refusal));
            }
        }
    }
}
