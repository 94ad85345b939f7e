//! The embedded store's engine: one SQLite file with one writer and a few readers.
//!
//! [`Database`] has two operations. [`write`](Database::write) sends a closure to the writer thread,
//! which runs everything that gathered while it was committing in **one** transaction (and, if one
//! fails, again with each in a savepoint of its own), and answers after `COMMIT` returned. So a lone write pays for one
//! `fdatasync` and no timer, many writes share one, and a closure that fails or panics takes nothing
//! but its own changes with it. [`read`](Database::read) runs a closure on one of a few read-only
//! connections; it sees everything that was committed before it began.
//!
//! ```
//! # use im_common::sqlite::Database;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let db = Database::open(dir.path().join("notes.db"), &["CREATE TABLE note (text TEXT)"])?;
//! let id = db
//!     .write("take a note", |tx| {
//!         tx.prepare_cached("INSERT INTO note (text) VALUES (?)")?.insert(["hello"])
//!     })
//!     .await?; // durable from here on
//! let text: String = db
//!     .read("read a note", move |conn| {
//!         conn.prepare_cached("SELECT text FROM note WHERE rowid = ?")?
//!             .query_row([id], |row| row.get(0))
//!     })
//!     .await?;
//! assert_eq!(text, "hello");
//! # Ok(()) }
//! ```

mod checkpoint;
mod error;
mod metrics;
mod migrate;
mod readers;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::checkpoint::Checkpoints;
pub use self::error::{DatabaseError, ReadError, WriteError};
use self::metrics::Metrics;
use self::migrate::migrate;
use self::readers::Readers;
use self::writer::{Job, Write};
use crate::StoreError;

/// Writes that may wait for the writer; the next caller waits for room.
const QUEUE_MAX: usize = 4096;
/// Writes in one transaction. Beyond a few hundred the shared `fdatasync` is already cheap and the
/// first caller of a batch would wait for the last.
const BATCH_MAX: usize = 256;
/// Queries at once. Reads are served from memory for the most part: more than the cores gain nothing.
const READERS: usize = 4;
/// Prepared statements that each connection keeps.
const STATEMENTS_CACHED_MAX: usize = 128;
/// The pages that the writer keeps in memory: the hot ends of the indexes that it inserts into.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// For how long a statement waits for a lock. Only a checkpoint or a person with `sqlite3` on the
/// same file can hold one against us.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open SQLite file; clones share it. Dropping the last clone ends the writer thread and waits for it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    readers: Readers,
    writer: Writer,
    metrics: Metrics,
}

/// The queue and the thread behind it.
struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Database {
    /// Opens the file, or creates it for its owner alone, and brings its schema up to date.
    ///
    /// Migration `n` of the list makes version `n + 1` of the schema; a published one is never
    /// changed, only followed by others. Blocks while it works: call it at start.
    ///
    /// # Errors
    /// When the file cannot be opened, a migration fails, or the file is newer than the program.
    pub fn open(path: impl AsRef<Path>, migrations: &[&str]) -> Result<Self, DatabaseError> {
        let path = path.as_ref();
        let failed = |source| DatabaseError::Open { path: path.to_owned(), source };
        make_private(path)
            .map_err(|source| DatabaseError::Create { path: path.to_owned(), source })?;
        let mut connection = open_writer(path).map_err(failed)?;
        migrate(&mut connection, path, migrations)?;
        let readers = Readers::open(path, READERS).map_err(failed)?;
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let metrics = Metrics::of(path);
        let of_writer = metrics.clone();
        let no_thread = |source| DatabaseError::Thread { path: path.to_owned(), source };
        let checkpoints = Checkpoints::start(path).map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name(format!("sqlite-{}", name(path)))
            .spawn(move || writer::run(connection, jobs, BATCH_MAX, checkpoints, &of_writer))
            .map_err(no_thread)?;
        let writer = Writer { queue: Some(queue), thread: Some(thread) };
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), readers, writer, metrics }) })
    }

    /// Runs `job` inside a transaction on the writer thread and answers once it is on disk.
    ///
    /// The job must be quick and must not begin or end transactions itself: others share the one it
    /// runs in. `Err` undoes the job's own changes and nothing else; the job may be run again after
    /// its changes were undone, because another one failed. Use `prepare_cached`.
    ///
    /// Cancel safety: when the future is dropped, a job that has not begun is skipped; one that has
    /// begun completes, so a caller that gives up does not know which.
    ///
    /// # Errors
    /// That it could not `operation` (`add a friend`), with a [`WriteError`] for the cause.
    pub async fn write<R: Send + 'static>(
        &self,
        operation: &'static str,
        job: impl FnMut(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.inner.writer.write(job).await.map_err(|cause| StoreError::new(operation, cause))
    }

    /// Runs `query` on a read-only connection, on a blocking thread, in one snapshot that holds
    /// everything committed before the call.
    ///
    /// Cancel safety: dropping the future loses the answer only; a query that has begun completes.
    ///
    /// # Errors
    /// That it could not `operation` (`list friends`), with a [`ReadError`] for the cause.
    pub async fn read<R: Send + 'static>(
        &self,
        operation: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        let _reading = self.inner.metrics.reading();
        self.inner.readers.read(query).await.map_err(|cause| StoreError::new(operation, cause))
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Writer {
    async fn write<R: Send + 'static>(
        &self,
        job: impl FnMut(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, WriteError> {
        let queue = self.queue.as_ref().ok_or(WriteError::Closed)?;
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Write::new(job, caller));
        queue.send(job).await.map_err(|_| WriteError::Closed)?;
        answer.await.unwrap_or(Err(WriteError::Closed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when the queue is closed and empty, so the order matters: a join first
        // would wait for ever.
        drop(self.queue.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A job that owned the last clone is dropped on the thread itself, which cannot wait for
        // its own end; it will come to it right after.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the database's writer thread panicked");
        }
    }
}

/// A database's name for people: that of its file, `message` for `message.db`.
fn name(path: &Path) -> String {
    path.file_stem().map_or("db".into(), |stem| stem.to_string_lossy()).into_owned()
}

/// Makes sure that there is a file, for its owner alone: SQLite would make one that everybody can
/// read, and gives the files beside it the mode of this one.
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// For each connection that writes. FULL: COMMIT returns after fdatasync, which is what an
/// acknowledgement promises; WAL's usual NORMAL may forget it on power loss.
fn flush_commits(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "full")
}

fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Readers and the writer do not wait for each other.
    connection.pragma_update(None, "journal_mode", "wal")?;
    flush_commits(&connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Savepoints keep the pages to go back to; in memory instead of a temporary file.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // `Checkpoints` sees to that.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", checkpoint::KEPT_BYTES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_that_writes_flushes_what_it_commits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        let connections = [open_writer(&path).unwrap(), checkpoint::open(&path).unwrap()];
        for connection in &connections {
            let flushes: i64 =
                connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
            assert_eq!(flushes, 2, "FULL");
        }
    }
}
