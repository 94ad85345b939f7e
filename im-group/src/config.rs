//! The configuration of im-group. `conf/static/im-group.toml` explains each key.

use std::path::PathBuf;

use im_common::mysql::DatabaseConfig;
use im_common::{RpcConfig, Rules, Target, Validate};
use serde::{Deserialize, Serialize};

/// Everything that can be configured; the defaults are those of a single machine.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where the database lives; one process at a time. Not used with a database server.
    pub data_dir: PathBuf,
    /// Where this service listens.
    pub rpc: RpcConfig,
    /// The database server, if the data is not in `data_dir`.
    pub database: DatabaseConfig,
    /// Where the services that it calls are.
    pub targets: Targets,
    /// How large things may get.
    pub limits: LimitsConfig,
    /// How im-message is told of joins and leaves.
    pub hand_over: HandOverConfig,
}

/// Where the services that im-group calls are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Targets {
    /// im-message, which keeps the spans of membership.
    pub message: Target,
}

/// How large things may get.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LimitsConfig {
    /// Members of one group, at most 100,000: with more, what an entry is dispatched with would not fit
    /// into a frame.
    pub members_max: u32,
    /// Groups of one user.
    pub groups_per_user_max: u32,
    /// Characters of a group's name.
    pub name_length_max: usize,
    /// Characters of a group's description.
    pub description_length_max: usize,
}

/// How im-message is told of joins and leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HandOverConfig {
    /// How long one attempt may take, in ms. The sweep leaves a new change alone for twice that.
    pub timeout_ms: u32,
    /// How often the sweep looks for changes that are due, in ms.
    pub sweep_interval_ms: u32,
    /// How many members' changes the sweep takes up at once.
    pub sweep_batch_max: u32,
    /// The wait after the first failure, in ms; it doubles with each further one.
    pub backoff_min_ms: u32,
    /// The longest wait between two attempts, in ms.
    pub backoff_max_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data/group"),
            rpc: RpcConfig::on_loopback(8013),
            database: DatabaseConfig::default(),
            targets: Targets { message: Target::on_loopback(8011) },
            limits: LimitsConfig::default(),
            hand_over: HandOverConfig::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            members_max: 10_000,
            groups_per_user_max: 100,
            name_length_max: 64,
            description_length_max: 512,
        }
    }
}

impl Default for HandOverConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 2_000,
            sweep_interval_ms: 500,
            sweep_batch_max: 100,
            backoff_min_ms: 250,
            backoff_max_ms: 5_000,
        }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        let limits = &self.limits;
        rules.within("limits.members_max", limits.members_max, 1..=100_000);
        rules.within("limits.groups_per_user_max", limits.groups_per_user_max, 1..=100_000);
        rules.within("limits.name_length_max", limits.name_length_max, 1..=255);
        rules.within("limits.description_length_max", limits.description_length_max, 0..=4096);
        let hand_over = &self.hand_over;
        rules.within("hand_over.timeout_ms", hand_over.timeout_ms, 1..=60_000);
        rules.within("hand_over.sweep_interval_ms", hand_over.sweep_interval_ms, 10..=60_000);
        rules.within("hand_over.sweep_batch_max", hand_over.sweep_batch_max, 1..=10_000);
        let HandOverConfig { backoff_min_ms, backoff_max_ms, .. } = self.hand_over;
        rules.within("hand_over.backoff_min_ms", backoff_min_ms, 1..=backoff_max_ms);
        rules.within("hand_over.backoff_max_ms", backoff_max_ms, 1..=3_600_000);
        self.database.check(&mut rules);
        rules.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use im_common::Validate;

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_would_be_right() {
        let mut config = Config::default();
        config.limits.members_max = 0;
        config.hand_over.backoff_min_ms = 10_000;
        let wrong = config.validate().unwrap_err();
        assert_eq!(wrong[0], "limits.members_max: must be 1..=100000, is 0");
        assert_eq!(wrong[1], "hand_over.backoff_min_ms: must be 1..=5000, is 10000");
    }
}
