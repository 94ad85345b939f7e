//! The configuration of im-user. `conf/static/im-user.toml` explains each key.

use std::path::PathBuf;

use im_common::mysql::DatabaseConfig;
use im_common::redis::{RedisConfig, RedisUrl};
use im_common::{RpcConfig, Rules, Target, Validate};
use serde::{Deserialize, Serialize};

use crate::gone::OriginalConfig;
use crate::username::LENGTH_EVER;

/// Everything that can be configured; the defaults are those of a single machine.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Where the database and the token key live; one process at a time. With a database server no
    /// more than the key, if that has no file of its own.
    pub data_dir: PathBuf,
    /// Where this service listens.
    pub rpc: RpcConfig,
    /// The database server, if the data is not in `data_dir`.
    pub database: DatabaseConfig,
    /// What a user may be called.
    pub username: UsernameConfig,
    /// What a password must be, and what hashing one may cost.
    pub password: PasswordConfig,
    /// How often passwords may be guessed.
    pub log_in: LogInConfig,
    /// The tokens that a log-in gives out.
    pub token: TokenConfig,
    /// The keys that bots log in with.
    pub api_keys: ApiKeysConfig,
    /// Friendships.
    pub friends: FriendsConfig,
    /// The devices of users.
    pub devices: DevicesConfig,
    /// Where the services are that are told of devices.
    pub targets: Targets,
    /// Where instances count failed log-ins together.
    pub redis: CacheConfig,
    /// Beside gateways of the original system.
    pub original: OriginalConfig,
}

/// What a user may be called.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UsernameConfig {
    /// The most characters.
    pub length_max: usize,
}

/// What a password must be, and what hashing one may cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PasswordConfig {
    /// The fewest characters.
    pub length_min: usize,
    /// The most bytes; a longer one is refused, never cut.
    pub length_max: usize,
    /// Memory of one hash, in KiB (argon2's `m`).
    pub memory_kib: u32,
    /// Passes of one hash over its memory (argon2's `t`).
    pub passes: u32,
    /// Hashes computed at the same time; 0: as many as there are cores.
    pub hashes_concurrent_max: usize,
    /// Callers that wait for their hash; more are answered `RESOURCE_EXHAUSTED`.
    pub hashes_waiting_max: usize,
}

impl Config {
    /// `token.key_file`, or `token.key` in the data directory.
    pub(crate) fn token_key_file(&self) -> PathBuf {
        match &self.token.key_file {
            unset if unset.as_os_str().is_empty() => self.data_dir.join("token.key"),
            configured => configured.clone(),
        }
    }
}

impl PasswordConfig {
    /// `hashes_concurrent_max`, or the number of cores.
    pub(crate) fn hashes_concurrent(&self) -> usize {
        match self.hashes_concurrent_max {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            configured => configured,
        }
    }
}

/// How often passwords may be guessed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LogInConfig {
    /// The failed attempt in a row after which an account waits; until then they cost nothing.
    pub free: u32,
    /// How long it waits then, in ms; twice as long after each one more.
    pub delay_ms: u32,
    /// How long it waits at most, in ms.
    pub delay_max_ms: u32,
    /// As `free`, of an address, at whatever accounts.
    pub address_free: u32,
    /// How long an address waits at most, in ms.
    pub address_delay_max_ms: u32,
    /// As `address_free`, of accounts that an address makes.
    pub registrations_free: u32,
    /// Half of the failures are forgotten when there was none for so many seconds.
    pub forget_s: u32,
    /// For how many days an account that has logged in at an address is judged there by what comes from
    /// that address alone.
    pub known_days: u32,
    /// Whether addresses of this machine count: not where clients come through a proxy on it.
    pub loopback: bool,
}

/// The tokens that a log-in gives out.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TokenConfig {
    /// How long the token of a log-in that does not refresh is valid, in s.
    pub ttl_s: u32,
    /// The same of one that does, in s.
    pub access_ttl_s: u32,
    /// After how long a log-in that refreshes ends unless it does, in s.
    pub refresh_ttl_s: u32,
    /// For how long the token that refreshed a log-in last gives the same again, in ms: the answer may
    /// have been lost. Later, or with 0, it ends the log-in.
    pub again_ms: u32,
    /// The most log-ins of one user that refresh; one more ends the one that did so longest ago.
    pub refreshing_max: u32,
    /// The file with the key that signs them, made if there is none; empty: `token.key` in
    /// `data_dir`. Instances that share users share the key.
    pub key_file: PathBuf,
    /// The directory of the keys that came after it; empty: beside it, `token.keys`.
    pub keys_dir: PathBuf,
    /// How old a key is before it signs, in s: by then all instances know it.
    pub activate_s: u32,
    /// After how many days a new key is made; 0: by hand.
    pub rotate_days: u32,
}

/// The keys that bots log in with.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ApiKeysConfig {
    /// The most keys of one bot.
    pub per_bot_max: u32,
}

/// Friendships.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FriendsConfig {
    /// The most friends of one user.
    pub per_user_max: u32,
}

/// The devices of users.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DevicesConfig {
    /// The most devices of one user.
    pub per_user_max: u32,
    /// A device that has not logged in for so many days makes room for one more; 0: none ever does.
    pub unused_days: u32,
    /// How long im-message, and all gateways together, may each take to be told of one, in ms.
    pub timeout_ms: u32,
    /// After how long somebody who was not told of a revoked device or of a log-in that ended is told
    /// again, in ms.
    pub retry_ms: u32,
    /// While others have yet to be told of so much, they are not told of one more log-out.
    pub untold_max: u32,
}

/// Where the services are that are told of devices.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Targets {
    /// im-message, which remembers what each device has.
    pub message: Target,
    /// im-presence, which closes the sessions of a device.
    pub presence: Target,
}

/// Where instances count failed log-ins together.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct CacheConfig {
    /// Its Redis; none: each process counts alone.
    pub cache_url: RedisUrl,
    /// How it is used.
    #[serde(flatten)]
    pub connection: RedisConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data/user"),
            rpc: RpcConfig::on_loopback(8010),
            database: DatabaseConfig::default(),
            username: UsernameConfig::default(),
            password: PasswordConfig::default(),
            log_in: LogInConfig::default(),
            token: TokenConfig::default(),
            api_keys: ApiKeysConfig::default(),
            friends: FriendsConfig::default(),
            devices: DevicesConfig::default(),
            targets: Targets::default(),
            redis: CacheConfig::default(),
            original: OriginalConfig::default(),
        }
    }
}

impl Default for UsernameConfig {
    fn default() -> Self {
        Self { length_max: 32 }
    }
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            length_min: 8,
            length_max: 1024,
            // The smallest memory that OWASP's password storage sheet gives for two passes.
            memory_kib: 19 * 1024,
            passes: 2,
            hashes_concurrent_max: 0,
            hashes_waiting_max: 1024,
        }
    }
}

impl Default for LogInConfig {
    fn default() -> Self {
        // NIST SP 800-63B section 5.2.2 allows 100 failures in a row, and recommends delays that grow.
        Self {
            free: 5,
            delay_ms: 500,
            delay_max_ms: 30_000,
            address_free: 50,
            address_delay_max_ms: 300_000,
            registrations_free: 20,
            forget_s: 600,
            known_days: 30,
            loopback: false,
        }
    }
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            ttl_s: 7 * 24 * 3600,
            access_ttl_s: 900,
            refresh_ttl_s: 30 * 24 * 3600,
            again_ms: 30_000,
            refreshing_max: 100,
            key_file: PathBuf::new(),
            keys_dir: PathBuf::new(),
            activate_s: 60,
            rotate_days: 0,
        }
    }
}

impl Default for ApiKeysConfig {
    fn default() -> Self {
        Self { per_bot_max: 10 }
    }
}

impl Default for FriendsConfig {
    fn default() -> Self {
        Self { per_user_max: 5_000 }
    }
}

impl Default for DevicesConfig {
    fn default() -> Self {
        Self {
            per_user_max: 100,
            unused_days: 90,
            timeout_ms: 1_000,
            retry_ms: 3_000,
            untold_max: 10_000,
        }
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self { message: Target::on_loopback(8011), presence: Target::on_loopback(8012) }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        let password = &self.password;
        rules.within("username.length_max", self.username.length_max, 1..=LENGTH_EVER);
        rules.within("password.length_min", password.length_min, 1..=password.length_max);
        rules.within("password.length_max", password.length_max, 64..=4096);
        rules.within("password.memory_kib", password.memory_kib, 8..=1 << 20);
        rules.within("password.passes", password.passes, 1..=64);
        rules.within("password.hashes_concurrent_max", password.hashes_concurrent_max, 0..=1024);
        rules.within("password.hashes_waiting_max", password.hashes_waiting_max, 1..=1 << 20);
        let log_in = &self.log_in;
        rules.within("log_in.free", log_in.free, 1..=1000);
        rules.within("log_in.delay_ms", log_in.delay_ms, 1..=log_in.delay_max_ms);
        rules.within("log_in.delay_max_ms", log_in.delay_max_ms, 1..=3_600_000);
        rules.within("log_in.address_free", log_in.address_free, 1..=10_000);
        let address_delays = log_in.delay_ms..=3_600_000;
        rules.within("log_in.address_delay_max_ms", log_in.address_delay_max_ms, address_delays);
        rules.within("log_in.registrations_free", log_in.registrations_free, 1..=10_000);
        rules.within("log_in.forget_s", log_in.forget_s, 1..=86_400);
        rules.within("log_in.known_days", log_in.known_days, 1..=365);
        let token = &self.token;
        rules.within("token.ttl_s", token.ttl_s, 60..=366 * 24 * 3600);
        rules.within("token.access_ttl_s", token.access_ttl_s, 10..=token.refresh_ttl_s);
        rules.within("token.refresh_ttl_s", token.refresh_ttl_s, 60..=366 * 24 * 3600);
        rules.within("token.again_ms", token.again_ms, 0..=600_000);
        // Two looks of everybody at the directory.
        rules.within("token.activate_s", token.activate_s, 20..=86_400);
        rules.within("token.rotate_days", token.rotate_days, 0..=3_650);
        rules.within("token.refreshing_max", token.refreshing_max, 1..=10_000);
        rules.within("api_keys.per_bot_max", self.api_keys.per_bot_max, 1..=1_000);
        rules.within("friends.per_user_max", self.friends.per_user_max, 1..=1_000_000);
        let devices = &self.devices;
        rules.within("devices.per_user_max", devices.per_user_max, 1..=10_000);
        rules.within("devices.unused_days", devices.unused_days, 0..=36_500);
        rules.within("devices.timeout_ms", devices.timeout_ms, 10..=30_000);
        // Whoever tells others keeps the others off for as long.
        let both = devices.timeout_ms.saturating_mul(2);
        rules.within("devices.retry_ms", devices.retry_ms, both..=3_600_000);
        rules.within("devices.untold_max", devices.untold_max, 0..=1_000_000);
        self.database.check(&mut rules);
        self.redis.connection.validate(&mut rules);
        rules.within("original.timeout_ms", self.original.timeout_ms, 10..=60_000);
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
        config.password.passes = 0;
        config.token.ttl_s = 1;
        config.redis.connection.key_prefix = "x".repeat(65);
        let wrong = config.validate().unwrap_err();
        assert_eq!(wrong[0], "password.passes: must be 1..=64, is 0");
        assert_eq!(wrong[2..], ["redis.key_prefix: must have at most 64 bytes"]);
    }
}
