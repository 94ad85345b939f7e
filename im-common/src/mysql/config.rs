//! `[database]`: which database a service keeps its data in, and the bounds of its connections.

use std::time::Duration;

use mysql_async::{Opts, OptsBuilder};
use serde::{Deserialize, Serialize};

use super::error::OpenError;
use crate::{Rules, SecretText};

/// For how long a statement waits for a lock that another transaction holds; then it is undone and
/// run again. It outlasts [`WRITER_IDLE_S`], after which a frozen holder has lost it.
pub(super) const LOCK_WAIT_S: u32 = 3;
/// After so long without a statement the server ends a writer's session, and its locks with it: a
/// process that was frozen in a transaction holds up the others no longer than this.
pub(super) const WRITER_IDLE_S: u32 = 2;
/// How often idle connections are pinged: twice within [`WRITER_IDLE_S`], so that only a frozen
/// process loses them.
pub(super) const PING_EVERY: Duration = Duration::from_secs(1);
/// Prepared statements that each connection keeps.
const STATEMENTS_CACHED_MAX: usize = 256;
/// Silence after which the kernel asks whether the other end is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(10);

/// `[database]`: a MySQL-compatible server, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseConfig {
    /// `mysql://user:password@host:port/database`; `""`: SQLite in the data directory.
    pub url: SecretText,
    /// Connections for reading.
    pub readers_max: usize,
    /// Connections for writing; each has one transaction at a time.
    pub writers_max: usize,
    /// For how long an operation waits for a connection to be free.
    pub acquire_timeout_ms: u64,
    /// For how long the server may take to accept a connection.
    pub connect_timeout_ms: u64,
    /// For how long one reading, or one transaction with its reruns, may take.
    pub operation_timeout_ms: u64,
    /// How often a transaction is run again after a deadlock, a lock that was not had in time, or a
    /// connection that was lost before the commit.
    pub reruns_max: u32,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: SecretText::default(),
            readers_max: 8,
            writers_max: 8,
            acquire_timeout_ms: 2_000,
            connect_timeout_ms: 2_000,
            operation_timeout_ms: 8_000,
            reruns_max: 10,
        }
    }
}

impl DatabaseConfig {
    /// Whether a server is to be used.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.url.is_empty()
    }

    /// Adds what is wrong with it to `rules`, as keys of the section `[database]`.
    pub fn check(&self, rules: &mut Rules) {
        rules.within("database.readers_max", self.readers_max, 1..=1_000);
        rules.within("database.writers_max", self.writers_max, 1..=1_000);
        rules.within("database.acquire_timeout_ms", self.acquire_timeout_ms, 1..=60_000);
        rules.within("database.connect_timeout_ms", self.connect_timeout_ms, 1..=60_000);
        rules.within("database.operation_timeout_ms", self.operation_timeout_ms, 100..=600_000);
        rules.within("database.reruns_max", self.reruns_max, 0..=1_000);
        if self.is_configured()
            && let Err(error) = Address::parse(self)
        {
            rules.broken("database.url", &error.to_string());
        }
    }
}

/// The URL, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Address {
    opts: Opts,
    pub(super) database: String,
    /// `host:port`, for people.
    pub(super) place: String,
}

impl Address {
    /// # Errors
    /// What a URL must look like. It never holds the URL itself, which has a password in it.
    pub(super) fn parse(config: &DatabaseConfig) -> Result<Self, OpenError> {
        let url = config.url.expose();
        let plain = url.split_once("://").map_or(url, |(_, rest)| rest);
        let malformed = |why: &str| OpenError::Url { why: why.to_owned() };
        if plain.contains('?') {
            return Err(malformed("it takes no parameters"));
        }
        let opts = Opts::from_url(url).map_err(|error| match error {
            mysql_async::UrlError::UnsupportedScheme { .. } => malformed("the scheme is another"),
            _ => malformed("it cannot be read"),
        })?;
        let database = opts.db_name().unwrap_or_default().to_owned();
        if database.is_empty() || opts.user().unwrap_or_default().is_empty() {
            return Err(malformed("the user or the database is missing"));
        }
        // It becomes part of a `CREATE DATABASE`, which takes no parameters.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if database.len() > 64 || !database.chars().all(is_plain) {
            return Err(malformed("the database's name must be 1-64 letters, digits and `_`"));
        }
        let place = format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port());
        Ok(Self { opts, database, place })
    }

    /// `name at host:port`, for people.
    pub(super) fn name(&self) -> String {
        format!("{} at {}", self.database, self.place)
    }

    /// How to connect, without a database: it may not exist yet.
    pub(super) fn server(&self) -> Opts {
        Opts::from(self.session(&[]).db_name(None::<String>))
    }

    /// How to connect for schema changes.
    pub(super) fn migrator(&self) -> Opts {
        Opts::from(self.session(&["autocommit = 1"]))
    }

    /// How to connect for reading.
    pub(super) fn reader(&self) -> Opts {
        Opts::from(self.session(&["autocommit = 1"]))
    }

    /// How to connect for writing. A transaction begins with its first statement, without a round
    /// trip of its own.
    pub(super) fn writer(&self) -> Opts {
        let idle = format!("wait_timeout = {WRITER_IDLE_S}");
        Opts::from(self.session(&["autocommit = 0", &idle]))
    }

    /// What every session has in common: nothing of it depends on how the server is configured.
    fn session(&self, more: &[&str]) -> OptsBuilder {
        let mut set = format!(
            "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT_S}, \
             sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY'"
        );
        for setting in more {
            set.push_str(", ");
            set.push_str(setting);
        }
        // The library runs them from the last to the first.
        let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned();
        OptsBuilder::from_opts(self.opts.clone())
            .init(vec![set, isolation])
            // A socket beside the port would go around whatever stands in front of the port.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(TCP_KEEPALIVE))
            .stmt_cache_size(STATEMENTS_CACHED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_url(url: &str) -> DatabaseConfig {
        DatabaseConfig { url: url.into(), ..DatabaseConfig::default() }
    }

    #[test]
    fn a_url_names_user_place_and_database() {
        let address =
            Address::parse(&with_url("mysql://im:p%40ss@db.example:3307/mpim_user")).unwrap();
        assert_eq!(address.place, "db.example:3307");
        assert_eq!(address.database, "mpim_user");
        assert_eq!(address.writer().pass(), Some("p@ss"));
        assert_eq!(Address::parse(&with_url("mysql://u@h/d")).unwrap().place, "h:3306");
    }

    #[test]
    fn no_session_takes_from_the_server_whether_statements_commit_by_themselves() {
        let address = Address::parse(&with_url("mysql://u@h/d")).unwrap();
        let sets = |opts: Opts, what| opts.init().iter().any(|init| init.contains(what));
        assert!(sets(address.reader(), "autocommit = 1"));
        assert!(sets(address.migrator(), "autocommit = 1"));
        assert!(sets(address.writer(), "autocommit = 0"));
    }

    #[test]
    fn a_url_that_makes_no_sense_is_refused_without_being_shown() {
        for url in [
            "postgres://u:hush@h/d",
            "u:hush@h/d",
            "mysql://u:hush@h:99999/d",
            "mysql://u:hush@h",
            "mysql://h:1/d",
            "mysql://u:hush@h/a;b",
            "mysql://u:hush@h/d?pool_max=7",
        ] {
            let mut rules = Rules::new();
            with_url(url).check(&mut rules);
            let said = rules.finish().unwrap_err().join("\n");
            assert!(said.starts_with("database.url: must be mysql://user:"), "{url}: {said}");
            assert!(!said.contains("hush"), "{said}");
        }
        let mut rules = Rules::new();
        DatabaseConfig::default().check(&mut rules);
        rules.finish().unwrap();
    }
}
