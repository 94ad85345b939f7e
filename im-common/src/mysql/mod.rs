//! A MySQL-compatible server (MariaDB, MySQL 8, Galera, TiDB) as the engine of a store.
//!
//! [`MySql`] has two operations. [`read`](MySql::read) runs a closure on a connection on which each
//! statement is a transaction of its own; [`write`](MySql::write) runs one in a transaction, commits,
//! and answers after that. A transaction that deadlocks, waits too long for a lock, or loses its
//! connection before the commit is run again, a bounded number of times; so closures are called more
//! than once, must not keep anything from one run to the next, and own what they
//! use (`async move`): with references in them the compiler cannot see that the future is `Send`.
//!
//! ```no_run
//! # use im_common::mysql::{DatabaseConfig, MySql};
//! # use im_common::{Readiness, Shutdown};
//! use mysql_async::prelude::Queryable;
//!
//! # async fn example(readiness: &Readiness, shutdown: &Shutdown) -> Result<(), Box<dyn std::error::Error>> {
//! let config = DatabaseConfig { url: "mysql://im:secret@10.0.0.5/notes".into(), ..Default::default() };
//! let migrations = &["CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT NOT NULL);"];
//! let db = MySql::open(&config, migrations, readiness, shutdown).await?;
//! db.write("take a note", async move |tx| {
//!     tx.exec_drop("INSERT INTO note (id, text) VALUES (?, ?)", (1, "hello")).await
//! })
//! .await?; // durable from here on
//! let text: Option<String> = db
//!     .read("read a note", async move |conn| {
//!         conn.exec_first("SELECT text FROM note WHERE id = ?", (1,)).await
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # Sessions
//! READ COMMITTED, strict SQL mode, UTC; nothing depends on how the server is configured. A writer's
//! session ends after two seconds without a statement, and idle ones are pinged every second: so a
//! frozen process holds its locks for no longer than that. Closures use prepared statements only
//! (`exec…`), which each connection keeps, and change nothing of the session.

mod config;
mod connections;
mod durability;
mod error;
mod migrate;
mod open;
mod transaction;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use mysql_async::{Conn, Error};

pub use self::config::DatabaseConfig;
use self::config::{Address, PING_EVERY};
use self::connections::{Connections, Lease};
use self::error::{Kind, kind};
pub use self::error::{OpenError, OperationError};
use crate::{Dependency, Readiness, Shutdown, StoreError};

/// A database on a server; clones share its connections. They are closed when the last one is
/// dropped.
#[derive(Clone)]
pub struct MySql {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    readers: Connections,
    writers: Connections,
    operation_timeout: Duration,
    reruns_max: u32,
    /// The server, as the last who asked it saw it.
    dependency: Dependency,
    /// An operation ended well since the last pings.
    answered: AtomicBool,
    reruns: Counter,
    commits: Histogram,
}

impl MySql {
    /// Connects, creates the database if it is missing and may be created, and brings its schema up
    /// to date. Waits, with `readiness` saying for what, while the server cannot be reached.
    ///
    /// Migration `n` of the list makes version `n + 1` of the schema; a published one is never
    /// changed, only followed by others. Of several instances that start at once, one migrates.
    ///
    /// Cancel safe: what was done of the schema is taken up by the next start.
    ///
    /// # Errors
    /// What waiting does not mend: a URL that makes no sense, a user who is refused, a database that
    /// cannot be created, a schema that is another's or from the future, a step that fails; and the
    /// shutdown.
    pub async fn open(
        config: &DatabaseConfig,
        migrations: &'static [&'static str],
        readiness: &Readiness,
        shutdown: &Shutdown,
    ) -> Result<Self, OpenError> {
        let address = Address::parse(config)?;
        let dependency = readiness.dependency(format!("database {}", address.name()));
        let connect = Duration::from_millis(config.connect_timeout_ms);
        open::open(&address, connect, migrations, &dependency, shutdown).await?;
        let acquire = Duration::from_millis(config.acquire_timeout_ms);
        let connections =
            |purpose, opts, count| Connections::new(purpose, opts, count, acquire, connect);
        let readers = connections("read", address.reader(), config.readers_max);
        let writers = connections("write", address.writer(), config.writers_max);
        dependency.up();
        let inner = Arc::new(Inner {
            address,
            readers,
            writers,
            operation_timeout: Duration::from_millis(config.operation_timeout_ms),
            reruns_max: config.reruns_max,
            dependency,
            answered: AtomicBool::new(false),
            reruns: counter!("mpim_database_reruns_total"),
            commits: histogram!("mpim_database_commit_seconds"),
        });
        tokio::spawn(keep_alive(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Runs `query` on a connection where each statement is a transaction of its own, and sees what
    /// was committed before it. A statement that changes something is durable once it is answered;
    /// when its connection is lost, `query` is run again, so that it may happen twice.
    ///
    /// Cancel safety: dropping the future loses the answer and closes the connection.
    ///
    /// # Errors
    /// That it could not `operation` (`list friends`), with an [`OperationError`] for the cause.
    pub async fn read<R>(
        &self,
        operation: &'static str,
        query: impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, StoreError> {
        self.within(operation, self.inner.read(&query)).await
    }

    /// Runs `job` in a transaction and answers once it is committed. An `Err` from `job` undoes what
    /// it did; to refuse something without an error, answer `Ok` before the first change.
    ///
    /// Cancel safety: when the future is dropped, the transaction is undone, unless it was already
    /// committing: the caller does not know which.
    ///
    /// # Errors
    /// That it could not `operation` (`add a friend`), with an [`OperationError`] for the cause, which
    /// says whether it may have happened all the same.
    pub async fn write<R>(
        &self,
        operation: &'static str,
        job: impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, StoreError> {
        self.within(operation, self.inner.write(&job)).await
    }

    async fn within<R>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<R, OperationError>>,
    ) -> Result<R, StoreError> {
        let limit = self.inner.operation_timeout;
        let outcome = tokio::time::timeout(limit, work).await.unwrap_or_else(|_elapsed| {
            let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            Err(OperationError::TimedOut(ms))
        });
        outcome.map_err(|cause| StoreError::new(operation, cause))
    }
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MySql").field(&self.inner.address.name()).finish()
    }
}

/// Pings until the database is dropped.
async fn keep_alive(database: Weak<Inner>) {
    let mut turns = tokio::time::interval(PING_EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let Some(inner) = database.upgrade() else {
            return;
        };
        let (readers, writers) = tokio::join!(inner.readers.ping(), inner.writers.ping());
        let answered = inner.answered.swap(false, Ordering::Relaxed);
        match readers.and_then(|of_readers| Ok(of_readers + writers?)) {
            // All are used, and wait.
            Ok(0) if !answered => {}
            Ok(_) => inner.dependency.up(),
            Err(error) if error.is_absence() => inner.is_away(&error),
            // A connection was lost: the next turn makes a new one, and then it is known.
            Err(_) => {}
        }
    }
}
