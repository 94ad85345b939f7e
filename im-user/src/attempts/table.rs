//! The failures that one process has seen.
//!
//! They live in tables of fixed size, and a place in one is a hash under a key made at start. So memory is
//! bounded without evicting anything (names that do not exist are counted like those that do, or the
//! answer would tell them apart), and nobody can choose names that share a place with a victim.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::limit::{Failures, Limit, Limits};
use super::source::Source;

/// Places in a table: 512 KiB. With fewer attacked accounts than this, others hardly ever share.
const PLACES: usize = 1 << 16;
/// Of a place: the failures, and before them the moment until which whoever failed waits, in ms since the
/// epoch.
const COUNT_BITS: u32 = 16;
/// Of a place of the other table: what tells pairs apart that share it, and before it when it is over.
const MARK_BITS: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    failures: Box<[AtomicU64]>,
    /// Where accounts have logged in.
    known: Box<[AtomicU64]>,
    hash_keys: RandomState,
    limits: Limits,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        let places = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { failures: places(), known: places(), hash_keys: RandomState::new(), limits }
    }

    /// For how long they wait.
    pub(super) fn wait_ms(&self, source: &Source, now_ms: i64) -> i64 {
        let wait = |(key, limit): (Vec<u8>, Limit)| {
            let (place, _) = self.place(&self.failures, &key);
            limit.wait_ms(unpacked(place.load(Ordering::Relaxed)), now_ms)
        };
        self.judged_by(source, now_ms).map(wait).max().unwrap_or_default()
    }

    pub(super) fn failed(&self, source: &Source, now_ms: i64) {
        for (key, limit) in self.judged_by(source, now_ms) {
            let (place, _) = self.place(&self.failures, &key);
            let failed = |state| Some(packed(limit.failed(unpacked(state), now_ms)));
            let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, failed);
        }
    }

    /// Their address makes one account more, unless it has to wait: for how long.
    pub(super) fn registers(&self, source: &Source, now_ms: i64) -> i64 {
        let (Some(key), limit) = (source.registering(), self.limits.registering) else { return 0 };
        let (place, _) = self.place(&self.failures, &key);
        let taken = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let made = unpacked(state);
            (limit.wait_ms(made, now_ms) == 0).then(|| packed(limit.failed(made, now_ms)))
        });
        taken.map_or_else(|state| limit.wait_ms(unpacked(state), now_ms), |_| 0)
    }

    /// Whether that changes anything: most who log in have done so before, and have not failed.
    pub(super) fn succeeded(&self, source: &Source, now_ms: i64) -> bool {
        let mut changed = false;
        for key in [Some(source.account()), source.pair()].into_iter().flatten() {
            let (place, _) = self.place(&self.failures, &key);
            changed |= place.swap(0, Ordering::Relaxed) != 0;
        }
        if let Some(pair) = source.pair() {
            let (place, mark) = self.place(&self.known, &pair);
            // To the day: noted once a day.
            let day_ms = 24 * 3600 * 1000;
            let until_ms = (now_ms + self.limits.known_ms) / day_ms * day_ms;
            let known = until_ms.unsigned_abs() << MARK_BITS | mark;
            changed |= place.swap(known, Ordering::Relaxed) != known;
        }
        changed
    }

    /// What counts for a guess: where the account has logged in before that address alone, for it and
    /// nobody else; elsewhere all that was guessed at the account, and all that the address has guessed.
    fn judged_by(
        &self,
        source: &Source,
        now_ms: i64,
    ) -> impl Iterator<Item = (Vec<u8>, Limit)> + use<> {
        let Limits { account, address, .. } = self.limits;
        let pair = source.pair().filter(|pair| self.is_known(pair, now_ms));
        let judges = match pair {
            Some(pair) => [Some((pair, account)), None],
            None => {
                let address = source.address().map(|key| (key, address));
                [Some((source.account(), account)), address]
            }
        };
        judges.into_iter().flatten()
    }

    fn is_known(&self, pair: &[u8], now_ms: i64) -> bool {
        let (place, mark) = self.place(&self.known, pair);
        let known = place.load(Ordering::Relaxed);
        known & ((1 << MARK_BITS) - 1) == mark && known >> MARK_BITS > now_ms.unsigned_abs()
    }

    /// The place of a key, and what tells it from most others that share it.
    fn place<'a>(&self, places: &'a [AtomicU64], key: &[u8]) -> (&'a AtomicU64, u64) {
        let hash = self.hash_keys.hash_one(key);
        let place = usize::try_from(hash & (PLACES as u64 - 1)).unwrap_or_default();
        (&places[place], hash >> (u64::BITS - MARK_BITS))
    }
}

fn packed(Failures { count, until_ms }: Failures) -> u64 {
    let count = u64::from(count.min((1 << COUNT_BITS) - 1));
    until_ms.max(0).unsigned_abs() << COUNT_BITS | count
}

fn unpacked(state: u64) -> Failures {
    let count = u32::try_from(state & ((1 << COUNT_BITS) - 1)).unwrap_or_default();
    Failures { count, until_ms: i64::try_from(state >> COUNT_BITS).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::LogInConfig;

    const NOW_MS: i64 = 1_700_000_000_000;
    const DAY_MS: i64 = 24 * 3600 * 1000;

    /// One in which none of them shares a place with another.
    fn table(of: &[&Source]) -> Table {
        let config = LogInConfig {
            free: 2,
            delay_ms: 1000,
            delay_max_ms: 4000,
            address_free: 4,
            address_delay_max_ms: 60_000,
            registrations_free: 3,
            known_days: 30,
            ..LogInConfig::default()
        };
        let keys = |it: &&Source| [Some(it.account()), it.address(), it.pair(), it.registering()];
        let keys: HashSet<Vec<u8>> = of.iter().flat_map(keys).flatten().collect();
        loop {
            let table = Table::new(Limits::new(&config));
            let places =
                keys.iter().map(|key| std::ptr::from_ref(table.place(&table.failures, key).0));
            if places.collect::<HashSet<_>>().len() == keys.len() {
                return table;
            }
        }
    }

    fn from(address: &str, name: &str) -> Source {
        Source::new(name.as_bytes(), address, false)
    }

    #[test]
    fn an_attacker_does_not_keep_the_owner_out_where_they_have_logged_in() {
        let [home, elsewhere, attacker] =
            ["192.0.2.1", "192.0.2.2", "198.51.100.1"].map(|address| from(address, "alice"));
        let table = table(&[&home, &elsewhere, &attacker]);
        assert!(table.succeeded(&home, NOW_MS));
        assert!(!table.succeeded(&home, NOW_MS + 1), "it is known already");
        for _ in 0..1000 {
            table.failed(&attacker, NOW_MS);
        }
        assert_eq!(table.wait_ms(&attacker, NOW_MS), 60_000, "the address guesses too much");
        assert_eq!(table.wait_ms(&elsewhere, NOW_MS), 4000, "bounded");
        assert_eq!(table.wait_ms(&home, NOW_MS), 0);
        // Nor is that a way in: it is judged as any other.
        for _ in 0..2 {
            table.failed(&home, NOW_MS);
        }
        assert_eq!(table.wait_ms(&home, NOW_MS), 1000);
        let later_ms = NOW_MS + 31 * DAY_MS;
        assert_eq!(table.wait_ms(&home, later_ms), 0);
        for _ in 0..2 {
            table.failed(&attacker, later_ms);
        }
        assert_eq!(table.wait_ms(&home, later_ms), 1000, "it is known for a while only");
    }

    #[test]
    fn who_guesses_at_many_accounts_waits_and_a_log_in_of_their_own_does_not_help() {
        let guesses = ["a", "b", "c", "d", "e"].map(|name| from("192.0.2.1", name));
        let [own, other] = [("192.0.2.1", "mallory"), ("192.0.2.2", "e")]
            .map(|(address, name)| from(address, name));
        let all: Vec<&Source> = guesses.iter().chain([&own, &other]).collect();
        let table = table(&all);
        let [many @ .., last] = &guesses;
        for guess in many {
            assert_eq!(table.wait_ms(guess, NOW_MS), 0);
            table.failed(guess, NOW_MS);
        }
        table.succeeded(&own, NOW_MS);
        assert_eq!(table.wait_ms(last, NOW_MS), 1000);
        assert_eq!(table.wait_ms(&other, NOW_MS), 0);
        assert_eq!(table.wait_ms(&from("", "e"), NOW_MS), 0, "no address, none that guesses");
    }

    #[test]
    fn an_address_makes_so_many_accounts_and_then_waits_for_longer_each_time() {
        let [one, same, other] = [("192.0.2.1", "a"), ("192.0.2.1", "b"), ("192.0.2.2", "a")]
            .map(|(address, name)| from(address, name));
        let table = table(&[&one, &same, &other]);
        assert_eq!([&one, &same, &one].map(|it| table.registers(it, NOW_MS)), [0; 3]);
        for _ in 0..9 {
            assert_eq!(table.registers(&same, NOW_MS), 1000, "who is refused makes none");
        }
        let mut now_ms = NOW_MS;
        for wait_ms in [2000, 4000, 8000] {
            now_ms += table.registers(&one, now_ms);
            assert_eq!(table.registers(&one, now_ms), 0);
            assert_eq!(table.registers(&one, now_ms), wait_ms);
        }
        assert_eq!(table.registers(&other, NOW_MS), 0);
        assert_eq!(table.wait_ms(&one, NOW_MS), 0, "nothing was guessed");
        assert!((0..9).all(|_| table.registers(&from("", "a"), NOW_MS) == 0), "from nowhere");
    }

    #[test]
    fn who_logs_in_starts_anew() {
        let alice = from("", "alice");
        let table = table(&[&alice]);
        table.failed(&alice, NOW_MS);
        table.failed(&alice, NOW_MS);
        assert_eq!(table.wait_ms(&alice, NOW_MS), 1000);
        assert!(table.succeeded(&alice, NOW_MS) && !table.succeeded(&alice, NOW_MS));
        assert_eq!(table.wait_ms(&alice, NOW_MS), 0);
    }

    #[test]
    fn what_a_place_holds_comes_out_as_it_went_in() {
        for failures in [
            Failures::default(),
            Failures { count: 1, until_ms: NOW_MS },
            Failures { count: u32::from(u16::MAX), until_ms: 1 << 47 },
        ] {
            assert_eq!(unpacked(packed(failures)), failures);
        }
    }
}
