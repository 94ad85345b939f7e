//! How fast a session may send.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::metrics::METRICS;

/// The messages a second of one session, with one second's worth saved up at most.
#[derive(Debug)]
pub(crate) struct Rate(DefaultDirectRateLimiter);

impl Rate {
    /// A session that has not sent anything.
    pub(crate) fn per_second(messages: u32) -> Self {
        let messages = NonZeroU32::new(messages).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::direct(Quota::per_second(messages)))
    }

    /// Whether another message may be sent now; it counts as sent if so.
    pub(crate) fn allows(&self) -> bool {
        let allowed = self.0.check().is_ok();
        if !allowed {
            METRICS.slow_downs.increment(1);
        }
        allowed
    }
}
