//! How often someone may guess at an account's password.
//!
//! Each account has an allowance of failed log-ins that fills up again with time: `failures_max`
//! at once, then one more every `failure_refill_ms`. Only failures are charged, so any number of
//! correct log-ins may arrive at once, and nobody is ever locked out for good: the account answers
//! again one refill after the guessing stops.
//!
//! Each process counts what it saw itself, always. Where there is a Redis, instances also count
//! together: there, an account is refused once their failures use up one allowance. While that Redis
//! is away, or after it forgot, each instance still allows no more than an allowance by itself. As
//! many guesses more as are being hashed at that moment can slip through, on each instance.

mod shared;
mod table;

use crate::metrics::count_limit_alone;
use im_common::Clock;
use im_common::redis::Redis;
use shared::Shared;
use table::Table;

/// How many failures, and how fast they are forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    failures_max: i64,
    refill_ms: i64,
}

impl Allowance {
    /// An allowance of `failures_max` failures, one more every `refill_ms`.
    pub(crate) fn new(failures_max: u32, refill_ms: u32) -> Self {
        Self { failures_max: i64::from(failures_max), refill_ms: i64::from(refill_ms) }
    }

    /// An allowance that is whole again only after this time is used up.
    fn span_ms(self) -> i64 {
        self.refill_ms * self.failures_max
    }
}

/// The allowances of failed log-ins of all accounts.
#[derive(Debug)]
pub(crate) struct Attempts {
    here: Table,
    shared: Option<Shared>,
    clock: Clock,
}

impl Attempts {
    /// Counts in this process, and together with the other instances if there is a Redis.
    pub(crate) fn new(allowance: Allowance, clock: Clock, redis: Option<Redis>) -> Self {
        let shared = redis.map(|redis| Shared::new(redis, allowance));
        Self { here: Table::new(allowance), shared, clock }
    }

    /// Whether the account has no failure left now. Waits for Redis no longer than its response
    /// timeout. Cancel safe.
    pub(crate) async fn used_up(&self, name: &[u8]) -> bool {
        // Names are compared as they are in accounts: without regard to case.
        let name = name.to_ascii_lowercase();
        if self.here.used_up(&name, self.clock.now_ms()) {
            return true;
        }
        match &self.shared {
            None => false,
            Some(shared) => shared.used_up(&name).await.unwrap_or_else(|_| {
                count_limit_alone();
                false
            }),
        }
    }

    /// Charges one failure: here at once, with the others as [`used_up`](Self::used_up) asks.
    pub(crate) async fn failed(&self, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.here.failed(&name, self.clock.now_ms());
        if let Some(shared) = &self.shared {
            // Without it, the count of this process is the limit.
            let _ = shared.failed(&name).await;
        }
    }
}

#[cfg(test)]
mod tests;
