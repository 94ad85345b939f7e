//! How often someone may guess at passwords, and how many accounts an address may make.
//!
//! Whoever fails often waits, and each time for twice as long, up to a bound: an account that is guessed
//! at, whoever does it, and an address that guesses at many. Nobody is ever locked out: an account answers
//! again `delay_max_ms` after the guessing stops, and does not make its owner wait for others' guesses
//! where they have logged in before, for there the account is judged by what comes from that address alone.
//! Only failures count, so any number of correct log-ins may arrive at once.
//!
//! Each process counts what it saw itself, always. Where there is a Redis, instances also count together.
//! While that Redis is away, or after it forgot, each instance still allows no more than it would alone. As
//! many guesses more as are being hashed at that moment can slip through, on each instance.

mod limit;
mod shared;
mod source;
mod table;

use im_common::Clock;
use im_common::redis::Redis;

use crate::config::LogInConfig;
use crate::metrics::count_limit_alone;
pub(crate) use limit::Limits;
use shared::{Shared, What};
pub(crate) use source::Source;
use table::Table;

/// Who has failed to log in, and when they may try again.
#[derive(Debug)]
pub(crate) struct Attempts {
    here: Table,
    shared: Option<Shared>,
    clock: Clock,
}

impl Attempts {
    /// Counts in this process, and together with the other instances if there is a Redis.
    pub(crate) fn new(config: &LogInConfig, clock: Clock, redis: Option<Redis>) -> Self {
        let limits = Limits::new(config);
        let shared = redis.map(|redis| Shared::new(redis, limits));
        Self { here: Table::new(limits), shared, clock }
    }

    /// For how long they have to wait, in ms; 0: they may try. Waits for Redis no longer than its response
    /// timeout. Cancel safe.
    pub(crate) async fn wait_ms(&self, source: &Source) -> i64 {
        let here_ms = self.here.wait_ms(source, self.clock.now_ms());
        match &self.shared {
            Some(shared) if here_ms == 0 => {
                shared.ask(What::Look, source).await.unwrap_or_else(|_| {
                    count_limit_alone();
                    0
                })
            }
            _ => here_ms,
        }
    }

    /// They have failed: noted here at once, with the others as [`wait_ms`](Self::wait_ms) asks.
    pub(crate) async fn failed(&self, source: &Source) {
        self.here.failed(source, self.clock.now_ms());
        if let Some(shared) = &self.shared {
            // Without it, the count of this process is the limit.
            let _ = shared.ask(What::Fail, source).await;
        }
    }

    /// Their address makes one account more, unless it has to wait for so long, in ms: whoever makes many
    /// waits, and each time for twice as long, up to a bound. Otherwise as [`wait_ms`](Self::wait_ms).
    pub(crate) async fn registers(&self, source: &Source) -> i64 {
        let here_ms = self.here.registers(source, self.clock.now_ms());
        match &self.shared {
            Some(shared) if here_ms == 0 => shared.registers(source).await.unwrap_or_else(|_| {
                count_limit_alone();
                0
            }),
            _ => here_ms,
        }
    }

    /// They have logged in: what was guessed before says nothing about them. What their address guessed at
    /// others stays.
    pub(crate) async fn succeeded(&self, source: &Source) {
        let noted = self.here.succeeded(source, self.clock.now_ms());
        if let (true, Some(shared)) = (noted, &self.shared) {
            let _ = shared.ask(What::Succeed, source).await;
        }
    }
}

#[cfg(test)]
mod tests;
