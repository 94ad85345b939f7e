//! Section `[original]`.

use im_common::Rules;
use serde::{Deserialize, Serialize};

use super::RedisRoles;

/// Living beside gateways and services of the original system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OriginalConfig {
    /// Whether to.
    pub enabled: bool,
    /// How long a route in Redis lives without being renewed.
    pub route_ttl_ms: u32,
    /// How often they are renewed.
    pub renew_interval_ms: u32,
    /// Routes in one renewal.
    pub renew_batch_max: usize,
    /// The last so many messages of a session are remembered, to show none twice.
    pub remembered_max: usize,
}

impl Default for OriginalConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            // As in the original.
            route_ttl_ms: 120_000,
            renew_interval_ms: 30_000,
            renew_batch_max: 1_000,
            remembered_max: 4_096,
        }
    }
}

impl OriginalConfig {
    /// The messages that a session has to remember; without the original system nothing comes twice.
    pub(crate) fn remembered_max(&self) -> usize {
        if self.enabled { self.remembered_max } else { 0 }
    }

    pub(super) fn validate(&self, redis: &RedisRoles, rules: &mut Rules) {
        rules.within("original.route_ttl_ms", self.route_ttl_ms, 1_000..=86_400_000);
        let longest = (self.route_ttl_ms / 2).max(100);
        rules.within("original.renew_interval_ms", self.renew_interval_ms, 100..=longest);
        rules.within("original.renew_batch_max", self.renew_batch_max, 1..=100_000);
        rules.within("original.remembered_max", self.remembered_max, 1..=1 << 20);
        if self.enabled {
            for (key, url) in
                [("redis.metadata_url", &redis.metadata_url), ("redis.queue_url", &redis.queue_url)]
            {
                if url.is_none() {
                    rules.broken(key, "is needed while `original.enabled`");
                }
            }
        }
    }
}
