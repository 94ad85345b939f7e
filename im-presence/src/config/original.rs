//! Section `[original]`.

use im_common::Rules;
use serde::{Deserialize, Serialize};

use super::RedisRoles;

/// Living beside gateways and services of the original system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct OriginalConfig {
    /// Whether to.
    pub enabled: bool,
}

impl OriginalConfig {
    pub(super) fn validate(&self, redis: &RedisRoles, rules: &mut Rules) {
        if !self.enabled {
            return;
        }
        for (key, url) in
            [("redis.metadata_url", &redis.metadata_url), ("redis.queue_url", &redis.queue_url)]
        {
            if url.is_none() {
                rules.broken(key, "is needed while `original.enabled`");
            }
        }
    }
}
