//! How often someone may guess at an account's password.
//!
//! Each account has an allowance of failed log-ins that fills up again with time: `failures_max`
//! at once, then one more every `failure_refill_ms`. Only failures are charged, so any number of
//! correct log-ins may arrive at once, and nobody is ever locked out for good: the account answers
//! again one refill after the guessing stops.
//!
//! The allowances live in a table of fixed size, and an account's place in it is a hash under a
//! key made at start. So memory is bounded without evicting anything (names that do not exist are
//! charged like those that do, or the answer would tell them apart), and nobody can choose names
//! that share a place with a victim.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};

/// Places in the table: 512 KiB. With fewer attacked accounts than this, others hardly ever share.
const PLACES: usize = 1 << 16;

/// The allowances of failed log-ins of all accounts.
#[derive(Debug)]
pub(crate) struct Attempts {
    /// For each place the moment at which its allowance is whole again, in ms since the epoch
    /// (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371).
    whole_at_ms: Box<[AtomicI64]>,
    hash_keys: RandomState,
    refill_ms: i64,
    /// An allowance that is whole again only after this time is used up.
    span_ms: i64,
}

impl Attempts {
    /// An allowance of `failures_max` failures, one more every `refill_ms`.
    pub(crate) fn new(failures_max: u32, refill_ms: u32) -> Self {
        let refill_ms = i64::from(refill_ms);
        Self {
            whole_at_ms: (0..PLACES).map(|_| AtomicI64::new(0)).collect(),
            hash_keys: RandomState::new(),
            refill_ms,
            span_ms: refill_ms * i64::from(failures_max),
        }
    }

    /// Whether the account has no failure left now.
    pub(crate) fn used_up(&self, name: &[u8], now_ms: i64) -> bool {
        let limit_ms = now_ms + self.span_ms;
        // Beyond the limit only a clock that went back since can have put it. Left there, it would
        // shut the owner out until the clock has caught up: whoever is refused is not charged, so
        // nothing else would bring it down.
        let whole_at_ms = self.place(name).fetch_min(limit_ms, Ordering::Relaxed).min(limit_ms);
        // One more failure would have to fit.
        whole_at_ms.max(now_ms) + self.refill_ms > limit_ms
    }

    /// Charges one failure.
    pub(crate) fn failed(&self, name: &[u8], now_ms: i64) {
        let limit_ms = now_ms + self.span_ms;
        // Attempts already being checked when the allowance ran out must not add a debt: the wait
        // of the account's owner is bounded by one refill, whatever an attacker does.
        let charge =
            |whole_at_ms: i64| Some((whole_at_ms.max(now_ms) + self.refill_ms).min(limit_ms));
        let place = self.place(name);
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
    }

    /// Names are compared as they are in accounts: without regard to case.
    fn place(&self, name: &[u8]) -> &AtomicI64 {
        let hash = self.hash_keys.hash_one(name.to_ascii_lowercase());
        let bits = usize::try_from(hash & (PLACES as u64 - 1)).unwrap_or_default();
        &self.whole_at_ms[bits]
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn the_allowance_is_exactly_the_configured_number_of_failures() {
        let attempts = Attempts::new(3, 1000);
        for _ in 0..3 {
            assert!(!attempts.used_up(b"alice", NOW));
            attempts.failed(b"alice", NOW);
        }
        assert!(attempts.used_up(b"alice", NOW));
        assert!(attempts.used_up(b"ALICE", NOW), "case would give a second allowance");
    }

    #[test]
    fn a_victim_can_log_in_one_refill_after_any_number_of_failures() {
        let attempts = Attempts::new(3, 1000);
        for _ in 0..10_000 {
            attempts.failed(b"alice", NOW);
        }
        assert!(attempts.used_up(b"alice", NOW + 999));
        assert!(!attempts.used_up(b"alice", NOW + 1000));
    }

    #[test]
    fn other_accounts_keep_theirs() {
        let attempts = Attempts::new(1, 1000);
        attempts.failed(b"alice", NOW);
        // Two names may share a place by chance; that all of these do is impossible.
        let others = ["bob", "carol", "dave", "erin"];
        assert!(others.iter().any(|name| !attempts.used_up(name.as_bytes(), NOW)));
    }

    #[test]
    fn after_the_clock_jumps_back_an_account_answers_within_one_refill() {
        let attempts = Attempts::new(3, 1000);
        attempts.failed(b"alice", NOW);
        let back = NOW - 3_600_000;
        // Nothing but looks: while an account is refused, no further failure is charged.
        attempts.used_up(b"alice", back);
        assert!(!attempts.used_up(b"alice", back + 1000));
    }
}
