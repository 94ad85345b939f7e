//! A bounded set of connections that are all of one kind.
//!
//! A connection comes back only after an operation that ended well. One whose operation failed in
//! the middle, was too slow, or lost its caller is closed: nobody can be given what was meant for
//! another, and no lock outlives the operation that took it.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
    Timeouts,
};
use futures_util::future::join_all;
use metrics::{Gauge, Histogram, gauge, histogram};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts};
use tokio::time::Instant;

use super::config::PING_EVERY;
use super::error::OperationError;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Maker(Opts);

impl Manager for Maker {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn, Error> {
        Conn::new(self.0.clone()).await
    }

    async fn recycle(&self, conn: &mut Conn, _metrics: &Metrics) -> RecycleResult<Error> {
        match conn.is_disconnected() {
            false => Ok(()),
            true => Err(RecycleError::message("the connection is closed")),
        }
    }
}

/// The connections, used and idle.
#[derive(Debug)]
pub(super) struct Connections {
    pool: Pool<Maker>,
    timeouts: Timeouts,
    used: Gauge,
    idle: Gauge,
    waits: Histogram,
}

impl Connections {
    /// At most `count` of them; none is made before it is needed.
    pub(super) fn new(
        purpose: &'static str,
        opts: Opts,
        count: usize,
        acquire: Duration,
        connect: Duration,
    ) -> Self {
        let timeouts = Timeouts { wait: Some(acquire), create: Some(connect), recycle: None };
        let pool = Pool::builder(Maker(opts))
            .max_size(count)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            // Those used last know the statements, and the others can be noticed to be idle.
            .queue_mode(QueueMode::Lifo)
            .build();
        #[expect(clippy::expect_used, reason = "its one error is a time-out without a runtime")]
        let pool = pool.expect("a runtime is given");
        let connections = |state: &'static str| gauge!("mpim_database_connections", "purpose" => purpose, "state" => state);
        Self {
            pool,
            timeouts,
            used: connections("used"),
            idle: connections("idle"),
            waits: histogram!("mpim_database_wait_seconds", "purpose" => purpose),
        }
    }

    /// A connection of one's own. Cancel safe.
    pub(super) async fn acquire(&self) -> Result<Lease, OperationError> {
        let since = Instant::now();
        let object = self.pool.get().await;
        self.waits.record(since.elapsed());
        let ms = |limit: Option<Duration>| {
            u64::try_from(limit.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
        };
        match object {
            Ok(object) => Ok(Lease(Some(object))),
            Err(PoolError::Backend(error)) => Err(OperationError::Connect(error)),
            Err(PoolError::Timeout(TimeoutType::Create)) => {
                Err(OperationError::ConnectTimeout(ms(self.timeouts.create)))
            }
            Err(_) => Err(OperationError::Busy(ms(self.timeouts.wait))),
        }
    }

    /// Closes the idle ones: one of them was found dead, and they share their fate.
    pub(super) fn clear(&self) {
        drop(self.pool.retain(|_, _| false));
    }

    /// Keeps idle connections alive and finds out about those that are not. Makes one if there is
    /// none, so that it is known whether the server is there when nobody asks. How many answered:
    /// none while all are used, which says nothing about the server.
    pub(super) async fn ping(&self) -> Result<usize, OperationError> {
        let status = self.pool.status();
        self.idle.set(count(status.available));
        self.used.set(count(status.size.saturating_sub(status.available)));
        if status.size == 0 {
            return ping_one(self.acquire().await?).await.map(|()| 1);
        }
        let at_once = Timeouts { wait: Some(Duration::ZERO), ..self.timeouts };
        let mut leases = Vec::with_capacity(status.available);
        for _ in 0..status.available {
            match self.pool.timeout_get(&at_once).await {
                Ok(object) => leases.push(Lease(Some(object))),
                // Somebody else has it meanwhile, and will see for themselves.
                Err(_) => break,
            }
        }
        let answered = leases.len();
        let pings = leases.into_iter().map(ping_one);
        join_all(pings).await.into_iter().collect::<Result<(), _>>()?;
        Ok(answered)
    }
}

/// Gives the connection back if it answers.
async fn ping_one(mut lease: Lease) -> Result<(), OperationError> {
    match tokio::time::timeout(PING_EVERY, lease.conn().ping()).await {
        Ok(Ok(())) => {
            lease.give_back();
            Ok(())
        }
        Ok(Err(error)) => Err(OperationError::Statement(error)),
        Err(_elapsed) => {
            let ms = u64::try_from(PING_EVERY.as_millis()).unwrap_or(u64::MAX);
            Err(OperationError::TimedOut(ms))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of connections")]
fn count(connections: usize) -> f64 {
    connections as f64
}

/// A connection in use. Dropping it closes it; [`Lease::give_back`] lets others have it.
#[derive(Debug)]
pub(super) struct Lease(Option<Object<Maker>>);

impl Lease {
    #[expect(clippy::expect_used, reason = "it is only taken by what consumes the lease")]
    pub(super) fn conn(&mut self) -> &mut Conn {
        self.0.as_mut().expect("a lease has its connection until it ends")
    }

    /// For a connection on which nothing is left undone.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
