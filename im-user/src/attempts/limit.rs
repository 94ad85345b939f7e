//! How long who has failed waits. Pure.

use crate::config::LogInConfig;

/// Doublings, after which any bound is reached.
const DOUBLINGS_MAX: u32 = 30;

/// What one kind of guessing costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The failure from which on whoever fails waits.
    pub(super) free: u32,
    /// After that one, twice as long after the next.
    pub(super) delay_ms: i64,
    pub(super) delay_max_ms: i64,
    /// Half of the failures are forgotten each time this has passed without one.
    pub(super) forget_ms: i64,
}

/// Of all kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of an account, by whoever guesses; and of an account at an address where it has logged in.
    pub(super) account: Limit,
    pub(super) address: Limit,
    /// Of accounts that an address makes.
    pub(super) registering: Limit,
    /// For how long it is known where an account has logged in.
    pub(super) known_ms: i64,
}

impl Limits {
    pub(crate) fn new(config: &LogInConfig) -> Self {
        let account = Limit {
            free: config.free,
            delay_ms: config.delay_ms.into(),
            delay_max_ms: config.delay_max_ms.into(),
            forget_ms: i64::from(config.forget_s) * 1000,
        };
        let address = Limit {
            free: config.address_free,
            delay_max_ms: config.address_delay_max_ms.into(),
            ..account
        };
        let registering = Limit { free: config.registrations_free, ..address };
        let known_ms = i64::from(config.known_days) * 24 * 3600 * 1000;
        Self { account, address, registering, known_ms }
    }
}

/// What is known of one who guesses: the failures, and until when they wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) until_ms: i64,
}

impl Limit {
    /// What is left of it by now. Beyond the longest delay only a clock that went back since can have put
    /// the end of it: left there, it would shut the owner out until the clock has caught up.
    fn left(self, failures: Failures, now_ms: i64) -> Failures {
        let until_ms = failures.until_ms.min(now_ms + self.delay_max_ms);
        let halvings = (now_ms - until_ms).max(0) / self.forget_ms;
        let count = u32::try_from(halvings).ok().and_then(|by| failures.count.checked_shr(by));
        Failures { count: count.unwrap_or_default(), until_ms }
    }

    /// For how long they wait.
    pub(super) fn wait_ms(self, failures: Failures, now_ms: i64) -> i64 {
        (self.left(failures, now_ms).until_ms - now_ms).max(0)
    }

    /// After one more. Guesses that were being checked when the wait began add nothing to it: it is
    /// bounded, whatever an attacker does.
    pub(super) fn failed(self, failures: Failures, now_ms: i64) -> Failures {
        let Failures { count, until_ms } = self.left(failures, now_ms);
        let count = (count + 1).min(self.free + DOUBLINGS_MAX);
        let delay_ms = match count.checked_sub(self.free) {
            None => 0,
            Some(doublings) => (self.delay_ms << doublings).min(self.delay_max_ms),
        };
        Failures { count, until_ms: until_ms.max(now_ms + delay_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;
    const LIMIT: Limit = Limit { free: 3, delay_ms: 10, delay_max_ms: 100, forget_ms: 1000 };

    fn after(times: u32) -> Failures {
        (0..times).fold(Failures::default(), |failures, _| LIMIT.failed(failures, NOW_MS))
    }

    #[test]
    fn each_failure_after_the_first_few_costs_twice_the_time_up_to_a_bound() {
        let waits = [0, 1, 2, 3, 4, 5, 6, 7, 1000].map(|times| LIMIT.wait_ms(after(times), NOW_MS));
        assert_eq!(waits, [0, 0, 0, 10, 20, 40, 80, 100, 100]);
        assert_eq!(LIMIT.wait_ms(after(1000), NOW_MS + 99), 1);
        assert_eq!(LIMIT.wait_ms(after(1000), NOW_MS + 100), 0);
    }

    #[test]
    fn failures_are_forgotten_by_halves_while_there_are_no_more() {
        let at = |later_ms| LIMIT.failed(after(5), NOW_MS + 40 + later_ms).count;
        assert_eq!([0, 999, 1000, 2000, 3000, i64::MAX / 4].map(at), [6, 6, 3, 2, 1, 1]);
        assert_eq!(LIMIT.failed(after(10_000), NOW_MS).count, LIMIT.free + DOUBLINGS_MAX);
    }

    #[test]
    fn after_the_clock_went_back_nobody_waits_for_longer_than_the_bound() {
        let back_ms = NOW_MS - 3_600_000;
        assert_eq!(LIMIT.wait_ms(after(9), back_ms), 100);
        assert_eq!(LIMIT.failed(after(9), back_ms).until_ms, back_ms + 100);
    }
}
