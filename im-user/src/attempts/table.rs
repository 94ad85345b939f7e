//! The allowances of one process.
//!
//! They live in a table of fixed size, and an account's place in it is a hash under a key made at
//! start. So memory is bounded without evicting anything (names that do not exist are charged like
//! those that do, or the answer would tell them apart), and nobody can choose names that share a
//! place with a victim.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};

use super::Allowance;

/// Places in the table: 512 KiB. With fewer attacked accounts than this, others hardly ever share.
const PLACES: usize = 1 << 16;

/// The allowances of failed log-ins of all accounts, as far as this process charged them.
#[derive(Debug)]
pub(super) struct Table {
    /// For each place the moment at which its allowance is whole again, in ms since the epoch
    /// (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371).
    whole_at_ms: Box<[AtomicI64]>,
    hash_keys: RandomState,
    allowance: Allowance,
}

impl Table {
    pub(super) fn new(allowance: Allowance) -> Self {
        Self {
            whole_at_ms: (0..PLACES).map(|_| AtomicI64::new(0)).collect(),
            hash_keys: RandomState::new(),
            allowance,
        }
    }

    /// Whether the account has no failure left now. `name` is in lower case.
    pub(super) fn used_up(&self, name: &[u8], now_ms: i64) -> bool {
        let limit_ms = now_ms + self.allowance.span_ms();
        // Beyond the limit only a clock that went back since can have put it. Left there, it would
        // shut the owner out until the clock has caught up: whoever is refused is not charged, so
        // nothing else would bring it down.
        let whole_at_ms = self.place(name).fetch_min(limit_ms, Ordering::Relaxed).min(limit_ms);
        // One more failure would have to fit.
        whole_at_ms.max(now_ms) + self.allowance.refill_ms > limit_ms
    }

    /// Charges one failure.
    pub(super) fn failed(&self, name: &[u8], now_ms: i64) {
        let limit_ms = now_ms + self.allowance.span_ms();
        let refill_ms = self.allowance.refill_ms;
        // Attempts already being checked when the allowance ran out must not add a debt: the wait
        // of the account's owner is bounded by one refill, whatever an attacker does.
        let charge = |whole_at_ms: i64| Some((whole_at_ms.max(now_ms) + refill_ms).min(limit_ms));
        let place = self.place(name);
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
    }

    fn place(&self, name: &[u8]) -> &AtomicI64 {
        let hash = self.hash_keys.hash_one(name);
        let bits = usize::try_from(hash & (PLACES as u64 - 1)).unwrap_or_default();
        &self.whole_at_ms[bits]
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Table};

    const NOW: i64 = 1_700_000_000_000;

    fn table(failures_max: u32) -> Table {
        Table::new(Allowance::new(failures_max, 1000))
    }

    #[test]
    fn a_victim_can_log_in_one_refill_after_any_number_of_failures() {
        let table = table(3);
        for _ in 0..10_000 {
            table.failed(b"alice", NOW);
        }
        assert!(table.used_up(b"alice", NOW + 999));
        assert!(!table.used_up(b"alice", NOW + 1000));
    }

    #[test]
    fn after_the_clock_jumps_back_an_account_answers_within_one_refill() {
        let table = table(3);
        table.failed(b"alice", NOW);
        let back = NOW - 3_600_000;
        // Nothing but looks: while an account is refused, no further failure is charged.
        table.used_up(b"alice", back);
        assert!(!table.used_up(b"alice", back + 1000));
    }
}
