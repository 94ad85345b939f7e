//! The settings of Redis that all roles of a service share.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Rules;

/// Part of section `[redis]`, beside the URLs of the roles that the service has: flattened into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisConfig {
    /// What every key begins with, so that several systems can share a Redis.
    pub key_prefix: String,
    /// How long connecting may take.
    pub connect_timeout_ms: u32,
    /// How long one command, or one pipeline, may take.
    pub response_timeout_ms: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            key_prefix: "mpim:".to_owned(),
            connect_timeout_ms: 1_000,
            response_timeout_ms: 1_000,
        }
    }
}

/// A prefix is part of every key, and each costs memory.
const PREFIX_BYTES_MAX: usize = 64;

impl RedisConfig {
    /// Notes which of its rules are broken.
    pub fn validate(&self, rules: &mut Rules) {
        if self.key_prefix.len() > PREFIX_BYTES_MAX {
            let what = format!("must have at most {PREFIX_BYTES_MAX} bytes");
            rules.broken("redis.key_prefix", &what);
        }
        rules.within("redis.connect_timeout_ms", self.connect_timeout_ms, 10..=60_000);
        rules.within("redis.response_timeout_ms", self.response_timeout_ms, 10..=60_000);
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    pub(super) fn response_timeout(&self) -> Duration {
        Duration::from_millis(self.response_timeout_ms.into())
    }
}
