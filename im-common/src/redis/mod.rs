//! Redis as the services use it: a shared connection that fails fast, and is kept in the background.
//!
//! What is in Redis can be lost at any time, and Redis itself can be away, or frozen. So a call
//! never waits for a connection: while there is none it fails at once, and on one that is there it
//! has `redis.response_timeout_ms`. A task of its own connects, asks every second whether Redis
//! still answers (a peer that vanished without a word would otherwise look alive for minutes), and
//! connects again. Nothing is queued meanwhile.
//!
//! A URL can name one server, or sentinels and a master: then the task asks them which server that is now,
//! each time it connects and each second after, and so follows a failover.
//!
//! Each *role* (`metadata`, `queue`, `cache`) has a URL and a connection of its own, so that a slow
//! one holds up no other.
//!
//! ```no_run
//! # use im_common::Readiness;
//! # use im_common::redis::{Redis, RedisConfig, RedisUrl};
//! # async fn example(readiness: &Readiness) -> Result<(), im_common::redis::RedisFailure> {
//! let url: RedisUrl = "redis://127.0.0.1:16379".parse().unwrap();
//! let config = RedisConfig::default();
//! let Some(redis) = Redis::connect("cache", &url, &config, readiness) else { return Ok(()) };
//! let key = redis.key("guesses:7");
//! let guesses: u32 = redis
//!     .run("count a guess", |mut connection| async move {
//!         redis::cmd("INCR").arg(key).query_async(&mut connection).await
//!     })
//!     .await?;
//! # Ok(()) }
//! ```

mod config;
mod keeper;
mod place;
mod url;

use std::fmt;
use std::sync::Arc;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use self::config::RedisConfig;
use self::place::Place;
pub use self::url::{RedisUrl, RedisUrlError};
use crate::Readiness;

/// A Redis did not do what it was asked to; after a write it is unknown whether it happened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("Redis ({role}) at {address}: cannot {operation}")]
pub struct RedisFailure {
    role: &'static str,
    address: Arc<str>,
    operation: &'static str,
    #[source]
    source: RedisError,
}

impl RedisFailure {
    /// Whether Redis answered that it will not: it is full, say, or takes no writes. It may answer
    /// other questions.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.source.code().is_some()
    }
}

/// One role's Redis. Clones share the connection; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
    /// Ends with the last clone.
    _keeper: Arc<Keeper>,
}

struct Shared {
    role: &'static str,
    /// `host:port/db`, or the sentinels: what may be logged.
    address: Arc<str>,
    place: Place,
    config: RedisConfig,
    /// Where there was a connection to last.
    server: ArcSwapOption<Client>,
    /// `None` while there is no connection.
    connection: ArcSwapOption<MultiplexedConnection>,
    /// A call failed in a way that makes the connection suspect.
    suspect: Notify,
}

struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Redis {
    /// Begins to connect in the background, within a tokio runtime; `None` if `url` is empty. Until
    /// there is a connection, and whenever there is none, `readiness` shows why, the log says so
    /// once, and every call fails.
    #[must_use]
    pub fn connect(
        role: &'static str,
        url: &RedisUrl,
        config: &RedisConfig,
        readiness: &Readiness,
    ) -> Option<Self> {
        let place = url.place()?;
        let address: Arc<str> = url.to_string().into();
        let dependency = readiness.soft_dependency(format!("Redis ({role}) at {address}"));
        let shared = Arc::new(Shared {
            role,
            address,
            server: ArcSwapOption::new(place.fixed()),
            place,
            config: config.clone(),
            connection: ArcSwapOption::empty(),
            suspect: Notify::new(),
        });
        let keeper = tokio::spawn(keeper::run(Arc::clone(&shared), dependency));
        Some(Self { shared, _keeper: Arc::new(Keeper(keeper)) })
    }

    /// `name` with `redis.key_prefix` in front of it.
    #[must_use]
    pub fn key(&self, name: impl fmt::Display) -> String {
        format!("{}{name}", self.shared.config.key_prefix)
    }

    /// Runs `commands` on the shared connection; `operation` completes "cannot …" and is a label of
    /// `mpim_redis_failures_total`. Commands that block are for [`dedicated`](Self::dedicated):
    /// here they would hold up everybody.
    ///
    /// Not cancel safe: commands that were begun may be carried out.
    ///
    /// # Errors
    /// At once while there is no connection; within the response timeout for each command or
    /// pipeline otherwise.
    pub async fn run<T, F>(
        &self,
        operation: &'static str,
        commands: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, RedisFailure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connection = self.shared.connection.load_full();
        let connection = connection.ok_or_else(|| self.failed(operation, keeper::absent()))?;
        commands(MultiplexedConnection::clone(&connection)).await.map_err(|error| {
            if error.is_io_error() {
                self.shared.suspect.notify_one();
            }
            self.failed(operation, error)
        })
    }

    /// A connection of one's own without a response timeout, for commands that block. Whoever has
    /// it puts a bound on each wait: a peer that vanished does not say so.
    ///
    /// # Errors
    /// Redis cannot be reached within the connect timeout.
    pub async fn dedicated(&self) -> Result<MultiplexedConnection, RedisFailure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.shared.config.connect_timeout()))
            .set_response_timeout(None);
        let server = self.server()?;
        let connecting = server.get_multiplexed_async_connection_with_config(&config);
        self.within_connect_timeout(connecting).await
    }

    /// A connection of one's own for subscriptions.
    ///
    /// # Errors
    /// Redis cannot be reached within the connect timeout.
    pub async fn pubsub(&self) -> Result<PubSub, RedisFailure> {
        let server = self.server()?;
        self.within_connect_timeout(server.get_async_pubsub()).await
    }

    /// How long one command may take.
    #[must_use]
    pub fn response_timeout(&self) -> std::time::Duration {
        self.shared.config.response_timeout()
    }

    /// The failure of an operation on a connection of one's own.
    #[must_use]
    pub fn failed(&self, operation: &'static str, source: RedisError) -> RedisFailure {
        let Shared { role, address, .. } = &*self.shared;
        metrics::counter!("mpim_redis_failures_total", "role" => *role, "operation" => operation)
            .increment(1);
        RedisFailure { role, address: Arc::clone(address), operation, source }
    }

    /// Where a connection of one's own goes.
    fn server(&self) -> Result<Arc<Client>, RedisFailure> {
        let server = self.shared.server.load_full();
        server.ok_or_else(|| self.failed("connect", keeper::absent()))
    }

    async fn within_connect_timeout<T>(
        &self,
        connecting: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisFailure> {
        // The handshake after the connect has no bound of its own.
        let connected =
            tokio::time::timeout(self.shared.config.connect_timeout(), connecting).await;
        connected.unwrap_or_else(|_| Err(keeper::too_slow())).map_err(|e| self.failed("connect", e))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { role, address, .. } = &*self.shared;
        f.debug_struct("Redis")
            .field("role", role)
            .field("address", address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
