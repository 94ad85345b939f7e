//! Section `[status]`.

use std::time::Duration;

use im_common::Rules;
use serde::{Deserialize, Serialize};

use crate::status::{StatusLimits, StatusTimes};

/// Who is online, busy or away.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct StatusConfig {
    /// From a change to the look at it; friends are told what is so then.
    pub debounce_ms: u32,
    /// For how long a user without a session still counts as what they were.
    pub offline_after_ms: u32,
    /// How often a user is looked at though nothing was heard of them.
    pub recheck_ms: u32,
    /// Users whose friends are told of changes.
    pub users_max: usize,
    /// For how long a gateway or im-user is waited for.
    pub timeout_ms: u32,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self {
            debounce_ms: 1_000,
            // A gateway that is restarted has its clients back by then.
            offline_after_ms: 10_000,
            recheck_ms: 60_000,
            users_max: 1_000_000,
            timeout_ms: 500,
        }
    }
}

impl StatusConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        rules.within("status.debounce_ms", self.debounce_ms, 10..=600_000);
        rules.within("status.offline_after_ms", self.offline_after_ms, 0..=86_400_000);
        rules.within("status.recheck_ms", self.recheck_ms, 1_000..=86_400_000);
        rules.within("status.users_max", self.users_max, 1..=100_000_000);
        rules.within("status.timeout_ms", self.timeout_ms, 1..=60_000);
    }

    pub(crate) fn limits(&self) -> StatusLimits {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let times = StatusTimes {
            debounce: ms(self.debounce_ms),
            offline_after: ms(self.offline_after_ms),
            recheck: ms(self.recheck_ms),
        };
        StatusLimits { times, users_max: self.users_max, timeout: ms(self.timeout_ms) }
    }
}
