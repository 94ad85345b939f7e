//! The one thread that writes: it commits in batches of whatever gathered during the last commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::WriteError;
use super::checkpoint::Checkpoints;
use super::metrics::Metrics;

/// One caller's write, on its way to the writer thread and back.
pub(super) trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    /// Runs the caller's closure, perhaps for the second time, and keeps its result; whether its
    /// changes are to stay.
    fn run(&mut self, connection: &Connection) -> bool;
    /// The changes were undone for a reason outside the closure.
    fn fail(&mut self, reason: &Arc<rusqlite::Error>);
    /// Hands the kept result to the caller.
    fn reply(self: Box<Self>);
}

/// A [`Job`] with its types.
pub(super) struct Write<F, R> {
    work: F,
    result: Result<R, WriteError>,
    caller: oneshot::Sender<Result<R, WriteError>>,
}

impl<F, R> Write<F, R>
where
    F: FnMut(&Connection) -> rusqlite::Result<R> + Send + 'static,
    R: Send + 'static,
{
    pub(super) fn new(work: F, caller: oneshot::Sender<Result<R, WriteError>>) -> Self {
        Self { work, result: Err(WriteError::Closed), caller }
    }
}

impl<F, R> Job for Write<F, R>
where
    F: FnMut(&Connection) -> rusqlite::Result<R> + Send + 'static,
    R: Send + 'static,
{
    fn is_wanted(&self) -> bool {
        !self.caller.is_closed()
    }

    fn run(&mut self, connection: &Connection) -> bool {
        // What a panic left half done in the database is rolled back, and its closure's captures are
        // seen by nothing but the same closure.
        self.result = match catch_unwind(AssertUnwindSafe(|| (self.work)(connection))) {
            Ok(result) => result.map_err(WriteError::Job),
            Err(_panic) => Err(WriteError::Panicked),
        };
        self.result.is_ok()
    }

    fn fail(&mut self, reason: &Arc<rusqlite::Error>) {
        self.result = Err(WriteError::Transaction(reason.clone()));
    }

    fn reply(self: Box<Self>) {
        // An error means that the caller stopped waiting, which is its right.
        let _ = self.caller.send(self.result);
    }
}

/// The thread's body: ends when the last sender is gone and the queue is empty.
pub(super) fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    batch_max: usize,
    mut checkpoints: Checkpoints,
    metrics: &Metrics,
) {
    let mut batch = Vec::with_capacity(batch_max);
    while queue.blocking_recv_many(&mut batch, batch_max) > 0 {
        metrics.waiting(queue.len());
        // Work whose caller gave up before it began is not done at all.
        batch.retain(|job| job.is_wanted());
        let begun = Instant::now();
        commit(&mut connection, &mut batch);
        metrics.committed(batch.len(), begun.elapsed());
        // Only now: nothing is answered before COMMIT returned.
        batch.drain(..).for_each(Job::reply);
        checkpoints.after_commit(&connection);
    }
}

/// Runs a batch in one transaction. Only if a job fails, each is run again in a savepoint of its
/// own: with one, SQLite copies every page that a job touches, to be able to undo that job alone.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Job>]) {
    if commit_all(connection, batch) {
        return;
    }
    let mut rest = batch;
    while !rest.is_empty() {
        let done = commit_once(connection, rest);
        rest = &mut rest[done..];
    }
}

/// One transaction over all of `jobs`. `false`: one of them failed, nothing is changed, and none has its
/// final result.
fn commit_all(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> bool {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        fail(jobs, error);
        return true;
    }
    if !jobs.iter_mut().all(|job| job.run(connection) && !connection.is_autocommit()) {
        rollback(connection);
        return false;
    }
    if let Err(error) = execute(connection, "COMMIT") {
        rollback(connection);
        fail(jobs, error);
    }
    true
}

/// One transaction over the front of `jobs`, each in a savepoint; how many of them now have their final result (at least one).
fn commit_once(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> usize {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        fail(jobs, error);
        return jobs.len();
    }
    // Those whose changes the transaction holds and that share its fate.
    let mut held = Vec::with_capacity(jobs.len());
    for index in 0..jobs.len() {
        let outcome = in_savepoint(connection, &mut jobs[index]);
        // A full disk or an I/O error makes SQLite roll the whole transaction back by itself: what
        // earlier jobs did is gone with it, and they must not be told otherwise.
        let ended = connection.is_autocommit();
        match outcome {
            Ok(true) if !ended => held.push(index),
            Ok(false) if !ended => {}
            outcome => {
                // A job that failed itself knows what happened (a full disk); the others only learn
                // that it took them along.
                let knows_why = matches!(outcome, Ok(false));
                let error = outcome.err().unwrap_or_else(ended_early);
                rollback(connection);
                let reason = Arc::new(error);
                held.into_iter().for_each(|held| jobs[held].fail(&reason));
                if !knows_why {
                    jobs[index].fail(&reason);
                }
                return index + 1;
            }
        }
    }
    if let Err(error) = execute(connection, "COMMIT") {
        rollback(connection);
        let reason = Arc::new(error);
        held.into_iter().for_each(|held| jobs[held].fail(&reason));
    }
    jobs.len()
}

/// Whether the job's changes stay; an error when the savepoint itself failed.
fn in_savepoint(connection: &Connection, job: &mut Box<dyn Job>) -> rusqlite::Result<bool> {
    execute(connection, "SAVEPOINT job")?;
    let stays = job.run(connection);
    if !stays && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO job")?;
    }
    if !connection.is_autocommit() {
        execute(connection, "RELEASE job")?;
    }
    Ok(stays)
}

fn fail(jobs: &mut [Box<dyn Job>], error: rusqlite::Error) {
    let reason = Arc::new(error);
    jobs.iter_mut().for_each(|job| job.fail(&reason));
}

fn rollback(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn ended_early() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
        Some("the transaction ended before its commit".to_owned()),
    )
}
