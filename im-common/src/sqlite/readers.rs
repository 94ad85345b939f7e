//! A few read-only connections, each used by one query at a time on a blocking thread.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BUSY_TIMEOUT, ReadError, STATEMENTS_CACHED_MAX};

/// The pool. As many queries run at once as there are connections; others wait their turn in order.
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> rusqlite::Result<Self> {
        let idle = (0..count).map(|_| open(path)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self { turns: Arc::new(Semaphore::new(count)), idle: Arc::new(Mutex::new(idle)) })
    }

    /// Runs `query` in one read transaction: all of its statements see the same snapshot.
    pub(super) async fn read<R: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, ReadError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let mut lease = Lease::take(self.idle.clone(), turn).ok_or(ReadError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let connection = lease.connection.as_mut().ok_or(ReadError::Closed)?;
            let snapshot = connection
                .transaction_with_behavior(TransactionBehavior::Deferred)
                .map_err(ReadError::Begin)?;
            // Dropping the snapshot rolls back: there is nothing to keep.
            query(&snapshot).map_err(ReadError::Job)
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(ReadError::Panicked),
            // It was never begun: the runtime ends, and with it whoever waits here. That is nothing to
            // report, least of all behind the reason for which a process ends.
            Err(_) => std::future::pending().await,
        }
    }
}

/// A connection that is out of the pool. It returns when this is dropped, also when the query
/// panicked or its caller went away; the turn is given back after it, so that a turn always finds one.
struct Lease {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    _turn: OwnedSemaphorePermit,
}

impl Lease {
    fn take(idle: Arc<Mutex<Vec<Connection>>>, turn: OwnedSemaphorePermit) -> Option<Self> {
        let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self { connection: Some(connection), idle, _turn: turn })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // Not SQLITE_OPEN_READ_ONLY: a reader of a WAL file may have to write its shared-memory index.
    // `query_only` refuses every change of the data instead.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(connection)
}
