//! Running jobs on connections, and running them again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::time::Instant;

use super::{Connections, Inner, Kind, Lease, OperationError, kind};
use crate::in_one_line;

/// The longest pause before the first rerun; it doubles with each further one up to
/// [`PAUSE_MAX`]. Those who lost to each other must not meet again in step.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Why one run gave no answer.
enum Failure {
    /// Nothing of it happened, and it may succeed the next time.
    Again(Error),
    Final(OperationError),
}

/// How often one operation was run again, and how long it waits before the next time. A value and not
/// a function that is given a closure: the compiler cannot see that such a future is `Send`.
struct Reruns<'a> {
    inner: &'a Inner,
    count: u32,
    pause: Duration,
}

impl<'a> Reruns<'a> {
    fn new(inner: &'a Inner) -> Self {
        Self { inner, count: 0, pause: PAUSE_MIN }
    }

    /// Waits until it may be run again, if it may.
    async fn after(&mut self, failure: Failure) -> Result<(), OperationError> {
        let error = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Again(error) => error,
        };
        if self.count == self.inner.reruns_max {
            return Err(OperationError::Reruns(self.count, error));
        }
        self.count += 1;
        self.inner.reruns.increment(1);
        tokio::time::sleep(self.pause.mul_f64(fastrand::f64())).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

impl Inner {
    pub(super) async fn read<R>(
        &self,
        query: &impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, OperationError> {
        let mut reruns = Reruns::new(self);
        loop {
            match self.read_once(query).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => reruns.after(failure).await?,
            }
        }
    }

    pub(super) async fn write<R>(
        &self,
        job: &impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, OperationError> {
        let mut reruns = Reruns::new(self);
        loop {
            match self.write_once(job).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => reruns.after(failure).await?,
            }
        }
    }

    async fn read_once<R>(
        &self,
        query: &impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        let mut lease = self.acquire(&self.readers).await?;
        match query(lease.conn()).await {
            Ok(answer) => {
                lease.give_back();
                self.answered.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) => Err(self.failed(&self.readers, lease, error).await),
        }
    }

    async fn write_once<R>(
        &self,
        job: &impl AsyncFn(&mut Conn) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        let mut lease = self.acquire(&self.writers).await?;
        let answer = match job(lease.conn()).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(&self.writers, lease, error).await),
        };
        let since = Instant::now();
        let committed = lease.conn().query_drop("COMMIT").await;
        self.commits.record(since.elapsed());
        match committed {
            Ok(()) => {
                lease.give_back();
                self.answered.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            // Galera and TiDB find conflicts only here; it is undone.
            Err(error) if kind(&error) == Kind::Conflict => {
                Err(self.failed(&self.writers, lease, error).await)
            }
            Err(error) => Err(Failure::Final(OperationError::CommitUnknown(error))),
        }
    }

    async fn acquire(&self, connections: &Connections) -> Result<Lease, Failure> {
        match connections.acquire().await {
            Ok(lease) => Ok(lease),
            Err(error) => {
                if error.is_absence() {
                    self.is_away(&error);
                }
                Err(Failure::Final(error))
            }
        }
    }

    pub(super) fn is_away(&self, why: &OperationError) {
        self.dependency.down(&in_one_line(why));
    }

    /// After a statement failed: undoes the rest, and lets the connection go if it is of no use.
    async fn failed(&self, connections: &Connections, mut lease: Lease, error: Error) -> Failure {
        match kind(&error) {
            Kind::Lost => {
                drop(lease);
                connections.clear();
                Failure::Again(error)
            }
            kind => {
                if lease.conn().query_drop("ROLLBACK").await.is_ok() {
                    lease.give_back();
                }
                match kind {
                    Kind::Conflict => Failure::Again(error),
                    _ => Failure::Final(OperationError::Statement(error)),
                }
            }
        }
    }
}
