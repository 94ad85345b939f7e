//! The configuration of im-message. `conf/static/im-message.toml` explains each key.

mod retention;

use std::path::PathBuf;

use im_common::mysql::DatabaseConfig;
use im_common::{RpcConfig, Rules, Target, Validate};
use serde::{Deserialize, Serialize};

pub use self::retention::RetentionConfig;

/// Everything that can be configured; the defaults are those of a single machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Config {
    /// Where the timelines live; one process at a time. Not used with a database server.
    pub data_dir: PathBuf,
    /// Where this service listens.
    pub rpc: RpcConfig,
    /// The database server, if the timelines are not in `data_dir`.
    pub database: DatabaseConfig,
    /// Where the services are that this one calls.
    pub targets: TargetsConfig,
    /// What a message may be.
    pub text: TextConfig,
    /// How messages become batches.
    pub lane: LaneConfig,
    /// How im-presence is told of what was committed.
    pub dispatch: DispatchConfig,
    /// What is kept of dispatches that were given up on.
    pub dead_letters: DeadLettersConfig,
    /// What is told to those who are there now, and not kept.
    pub events: EventsConfig,
    /// How im-user is asked who exists.
    pub users: UsersConfig,
    /// Whom users may shut out.
    pub blocks: BlocksConfig,
    /// For how long entries are kept.
    pub retention: RetentionConfig,
    /// How much one answer may hold.
    pub answer: AnswerConfig,
}

/// Where the services are that this one calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TargetsConfig {
    /// im-user.
    pub user: Target,
    /// im-presence.
    pub presence: Target,
}

/// What a message may be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TextConfig {
    /// The most bytes of a text, in UTF-8. A text line of 8 KiB has to hold it and its command.
    pub bytes_max: usize,
}

/// How messages become batches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LaneConfig {
    /// How many lanes share the conversations. Each has one batch in the store at a time.
    pub count: usize,
    /// Entries at which a batch takes no more callers in; the last one may go beyond it.
    pub batch_entries_max: usize,
    /// Entries of one lane that wait or are being written; more are answered
    /// `RESOURCE_EXHAUSTED`.
    pub queue_entries_max: usize,
}

/// How im-presence is told of what was committed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DispatchConfig {
    /// Entries of one lane that wait for im-presence; beyond it the oldest are forgotten, and
    /// gateways are told to compare heads instead.
    pub queue_entries_max: usize,
    /// Entries in one call.
    pub batch_entries_max: usize,
    /// Bytes in one call, roughly.
    pub bytes_max: usize,
    /// For how long a call is waited for.
    pub timeout_ms: u64,
    /// The pause after a first failure; it doubles with each further one.
    pub retry_ms_min: u64,
    /// The longest pause after a failure.
    pub retry_ms_max: u64,
    /// An entry that im-presence did not take for so long is given up when the next try fails.
    pub age_ms_max: u64,
}

/// What is kept of dispatches that were given up on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DeadLettersConfig {
    /// Letters; beyond it the oldest go.
    pub count_max: usize,
}

/// What is told to those who are there now, and not kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct EventsConfig {
    /// Signals that are being checked; more are dropped.
    pub checks_max: usize,
    /// Others in a group; in a larger one signals are dropped, and no more members are read than show it.
    pub members_max: usize,
    /// Events that wait for im-presence; more are dropped.
    pub queue_max: usize,
    /// Receipts that wait until it is known who is to be told; more are dropped.
    pub receipts_max: usize,
    /// For how long a call is waited for.
    pub timeout_ms: u64,
}

/// How im-user is asked who exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct UsersConfig {
    /// Users that are remembered to exist.
    pub cached_max: u64,
    /// For how long it is remembered, at most, that an id is nobody's.
    pub denied_ms: u64,
    /// Calls that are out at once; who asks meanwhile shares the next.
    pub calls_max: usize,
    /// For how long an answer is waited for.
    pub timeout_ms: u64,
}

/// Whom users may shut out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BlocksConfig {
    /// Users that one user may shut out.
    pub per_user_max: usize,
}

/// How much one answer may hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AnswerConfig {
    /// Entries of a range.
    pub entries_max: usize,
    /// Bytes of text of a range or of `PullOffline`.
    pub bytes_max: usize,
    /// Conversations, or receipts, of a page.
    pub conversations_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data/message"),
            rpc: RpcConfig::on_loopback(8011),
            database: DatabaseConfig::default(),
            targets: TargetsConfig::default(),
            text: TextConfig::default(),
            lane: LaneConfig::default(),
            dispatch: DispatchConfig::default(),
            dead_letters: DeadLettersConfig::default(),
            events: EventsConfig::default(),
            users: UsersConfig::default(),
            blocks: BlocksConfig::default(),
            retention: RetentionConfig::default(),
            answer: AnswerConfig::default(),
        }
    }
}

impl Default for TargetsConfig {
    fn default() -> Self {
        Self { user: Target::on_loopback(8010), presence: Target::on_loopback(8012) }
    }
}

impl Default for TextConfig {
    fn default() -> Self {
        Self { bytes_max: 4096 }
    }
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self { count: 8, batch_entries_max: 256, queue_entries_max: 4096 }
    }
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            queue_entries_max: 8192,
            batch_entries_max: 256,
            // A quarter of the largest frame.
            bytes_max: 1 << 20,
            timeout_ms: 2_000,
            retry_ms_min: 20,
            retry_ms_max: 1_000,
            age_ms_max: 300_000,
        }
    }
}

impl Default for DeadLettersConfig {
    fn default() -> Self {
        Self { count_max: 10_000 }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            checks_max: 32,
            members_max: 100,
            queue_max: 1024,
            receipts_max: 4096,
            timeout_ms: 500,
        }
    }
}

impl Default for UsersConfig {
    fn default() -> Self {
        Self { cached_max: 100_000, denied_ms: 2_000, calls_max: 4, timeout_ms: 1_000 }
    }
}

impl Default for BlocksConfig {
    fn default() -> Self {
        Self { per_user_max: 1_000 }
    }
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self { entries_max: 500, bytes_max: 1 << 20, conversations_max: 500 }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        self.database.check(&mut rules);
        // Room for a SENDGROUPID with its ids in a line of 8 KiB.
        rules.within("text.bytes_max", self.text.bytes_max, 1..=8_000);
        let LaneConfig { count, batch_entries_max, queue_entries_max } = self.lane;
        rules.within("lane.count", count, 1..=1024);
        rules.within("lane.batch_entries_max", batch_entries_max, 1..=4096);
        // The largest SendBatch must fit.
        rules.within("lane.queue_entries_max", queue_entries_max, 256..=1 << 20);
        let dispatch = &self.dispatch;
        rules.within("dispatch.queue_entries_max", dispatch.queue_entries_max, 1..=1 << 20);
        rules.within("dispatch.batch_entries_max", dispatch.batch_entries_max, 1..=4096);
        rules.within("dispatch.bytes_max", dispatch.bytes_max, 1..=3 << 20);
        rules.within("dispatch.timeout_ms", dispatch.timeout_ms, 1..=60_000);
        rules.within("dispatch.retry_ms_min", dispatch.retry_ms_min, 1..=dispatch.retry_ms_max);
        rules.within("dispatch.retry_ms_max", dispatch.retry_ms_max, 1..=60_000);
        rules.within("dispatch.age_ms_max", dispatch.age_ms_max, 1..=86_400_000);
        rules.within("dead_letters.count_max", self.dead_letters.count_max, 1..=1_000_000);
        let EventsConfig { checks_max, members_max, queue_max, receipts_max, timeout_ms } =
            self.events;
        rules.within("events.checks_max", checks_max, 1..=1 << 16);
        rules.within("events.members_max", members_max, 1..=100_000);
        rules.within("events.queue_max", queue_max, 1..=1 << 20);
        rules.within("events.receipts_max", receipts_max, 1..=1 << 20);
        rules.within("events.timeout_ms", timeout_ms, 1..=60_000);
        rules.within("users.cached_max", self.users.cached_max, 0..=100_000_000);
        rules.within("users.denied_ms", self.users.denied_ms, 0..=600_000);
        rules.within("users.calls_max", self.users.calls_max, 1..=64);
        rules.within("users.timeout_ms", self.users.timeout_ms, 1..=60_000);
        rules.within("blocks.per_user_max", self.blocks.per_user_max, 1..=100_000);
        self.retention.check(&mut rules);
        let AnswerConfig { entries_max, bytes_max, conversations_max } = self.answer;
        rules.within("answer.entries_max", entries_max, 1..=10_000);
        rules.within("answer.bytes_max", bytes_max, 1..=3 << 20);
        rules.within("answer.conversations_max", conversations_max, 1..=10_000);
        rules.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_would_be_right() {
        let mut config = Config::default();
        config.lane.count = 0;
        config.dispatch.retry_ms_min = 5_000;
        let wrong = config.validate().unwrap_err();
        assert_eq!(wrong[0], "lane.count: must be 1..=1024, is 0");
        assert_eq!(wrong[1], "dispatch.retry_ms_min: must be 1..=1000, is 5000");
    }
}
