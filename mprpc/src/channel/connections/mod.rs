//! The connections that all calls to an instance share: made when they are needed, made anew when
//! they have ended, more of them where one is too few.
//!
//! Invariants:
//!
//! 1. At most [`Bounds::connections_max`] connections take calls. Those that were taken off the list
//!    end with their last call.
//! 2. No two attempts to connect are made at once ([`Shared::attempts`] is held during one).
//! 3. A call is put on a connection of the list that takes calls. A connection that leaves the list
//!    is not closed before the calls that found it there have ended: each holds it.
//! 4. Dropping this closes all of them, once their calls have ended.
//!
//! A call looks at the list without a lock, and takes the connection with the fewest calls.

mod backoff;
mod list;
#[cfg(test)]
mod shuttled;
mod sizing;
mod swap {
    pub(super) use arc_swap::ArcSwap;
}
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use prost::Message;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub(super) use backoff::Backoff;
pub(super) use sizing::Bounds;

use super::instance::Callee;
use list::{IsOpen, List};

use crate::stream::Directions;
use crate::transport::v2_client::{Connection, Terms};
use crate::transport::v2_client_streams::ClientStream;
use crate::transport::{CountedStream, Dialer, Peer};
use crate::wire::v2::arrived::Answer;
use crate::wire::v2::client::Request;
use crate::wire::v2::offer::Offer;
use crate::{Context, Stage, Status};

/// After which part of the time for it an attempt to connect takes long.
const SLOW_PART: u32 = 10;

/// How connections are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) bounds: Bounds,
    pub(super) backoff: Backoff,
    /// How often a connection looks whether its peer is alive.
    pub(super) keepalive: Duration,
    /// What each says of itself.
    pub(super) offer: Offer,
}

impl Options {
    /// The same, with nothing that makes no sense.
    pub(super) fn bounded(self) -> Self {
        Self { offer: self.offer.bounded(), ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            backoff: Backoff::default(),
            keepalive: Duration::from_secs(1),
            offer: Offer::default(),
        }
    }
}

/// The connections to one address.
#[derive(Debug)]
pub(super) struct Connections {
    shared: Arc<Shared>,
    _upkeep: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    dialer: Dialer,
    peer: Peer,
    keepalive: Duration,
    offer: Offer,
    list: List<Connection>,
    /// How the last attempt to connect failed, unless there is a connection.
    failure: ArcSwapOption<Failure>,
    /// Held during an attempt: one serves all who wait.
    attempts: Arc<Mutex<Backoff>>,
    /// Whether the attempt that is being made takes long; rung when it begins to.
    is_slow: AtomicBool,
    slow: Notify,
    /// Whether a call was made since that was last looked at.
    used: AtomicBool,
    /// Rung when a connection has come or ended, and when an attempt has failed.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Failure {
    status: Status,
    /// Calls get the status until then, rather than to make one more attempt each.
    until: Instant,
}

impl Connections {
    /// Nothing is connected before the first call, unless that is to be done ahead.
    ///
    /// Must be called within a tokio runtime.
    pub(super) fn new(dialer: Dialer, options: Options) -> Self {
        let shared = Arc::new(Shared {
            peer: Peer::new(dialer.address.clone()),
            dialer,
            keepalive: options.keepalive,
            offer: options.offer,
            list: List::default(),
            failure: ArcSwapOption::empty(),
            attempts: Arc::new(Mutex::new(options.backoff)),
            is_slow: AtomicBool::new(false),
            slow: Notify::new(),
            used: AtomicBool::new(false),
            changed: Arc::default(),
        });
        let upkeep = upkeep::run(Arc::clone(&shared), options.bounds);
        Self { shared, _upkeep: AbortOnDropHandle::new(tokio::spawn(upkeep)) }
    }

    /// Makes a call; `now` is what the clock says, if it was just read. Cancel safe: dropping the
    /// future gives the call up, but not an attempt to connect that it began.
    pub(super) async fn call(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
        now: Option<Instant>,
    ) -> Result<Answer, Status> {
        let (connection, now) = match self.found() {
            Some(connection) => (connection, now),
            // Boxed, so that the calls that find one stay small. It takes its time.
            None => {
                let connected = self.shared.connected(cx.deadline(), callee.may_move);
                (Box::pin(connected).await?, None)
            }
        };
        connection.call(request(callee, cx), message, now).await
    }

    /// Opens a call that streams, in the same way.
    pub(super) async fn open_stream(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
        directions: Directions,
    ) -> Result<ClientStream, Status> {
        let connection = self.connection(cx.deadline(), callee.may_move).await?;
        connection.open_stream(&request(callee, cx), message, directions).await
    }

    /// Whether the last connection or the last attempt to make one has ended, or an attempt takes
    /// long, and none is there yet. Before the first attempt, and after the last connection was
    /// closed for being idle, nobody knows.
    pub(super) fn is_down(&self) -> bool {
        let shared = &self.shared;
        // First what nearly always settles it.
        !shared.list.any_open()
            && (shared.is_slow.load(Ordering::Relaxed)
                || shared.failure.load().is_some()
                || !shared.list.is_empty())
    }

    /// Whether calls need not wait for a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.shared.list.any_open()
    }

    /// Begins an attempt to connect, if one is due and none is being made.
    pub(super) fn try_again(&self) {
        self.shared.begin_attempt(1);
    }

    /// A connection for a call: one that is there, or one that is made within the call's time. A
    /// call that may move is let go once connecting takes long.
    async fn connection(
        &self,
        deadline: Instant,
        may_move: bool,
    ) -> Result<Arc<Connection>, Status> {
        match self.found() {
            Some(connection) => Ok(connection),
            None => self.shared.connected(deadline, may_move).await,
        }
    }

    /// A connection for a call, if one is there.
    fn found(&self) -> Option<Arc<Connection>> {
        let shared = &self.shared;
        // Mostly it is set already, and a line of memory that nobody writes to is cheap to read.
        if !shared.used.load(Ordering::Relaxed) {
            shared.used.store(true, Ordering::Relaxed);
        }
        shared.list.pick()
    }
}

impl Shared {
    /// Waits for a connection, and for an attempt to make one, if none is being made.
    async fn connected(
        self: &Arc<Self>,
        deadline: Instant,
        may_move: bool,
    ) -> Result<Arc<Connection>, Status> {
        // Before the attempt begins, so as not to miss it.
        let slow = self.slow.notified();
        let takes_long = || Err(not_connected(Status::unavailable("connecting takes long")));
        // It has rung already then.
        if may_move && self.is_slow.load(Ordering::Relaxed) {
            return takes_long();
        }
        let connect = async {
            let backoff = Arc::clone(&self.attempts).lock_owned().await;
            // Someone else may have been at it meanwhile.
            if let Some(connection) = self.list.pick() {
                return Ok(connection);
            }
            if let Some(failure) = &*self.failure.load()
                && Instant::now() < failure.until
            {
                return Err(failure.status.clone());
            }
            // In a task of its own: callers often have less time than an attempt may take. Ended
            // with the caller, it would neither succeed for the others nor be known to have failed.
            let attempt = tokio::spawn(Arc::clone(self).connect(backoff));
            attempt.await.unwrap_or_else(|_| {
                Err(not_connected(Status::unavailable("the runtime is shutting down")))
            })
        };
        let connect = async {
            tokio::select! {
                connected = connect => connected,
                () = slow, if may_move => takes_long(),
            }
        };
        tokio::time::timeout_at(deadline, connect).await.unwrap_or_else(|_| {
            let text = "no connection within the time for the call";
            Err(not_connected(Status::deadline_exceeded(text)))
        })
    }

    /// Begins an attempt to get one more, unless there are `wanted` already, an attempt is being
    /// made, or none is due.
    fn begin_attempt(self: &Arc<Self>, wanted: usize) {
        let due = |failure: &Failure| Instant::now() >= failure.until;
        if self.failure.load().as_deref().is_none_or(due)
            && let Ok(backoff) = Arc::clone(&self.attempts).try_lock_owned()
            && self.list.open() < wanted
        {
            tokio::spawn(Arc::clone(self).connect(backoff));
        }
    }

    async fn connect(
        self: Arc<Self>,
        mut backoff: OwnedMutexGuard<Backoff>,
    ) -> Result<Arc<Connection>, Status> {
        let outcome = self.attempt_told_when_slow().await;
        match &outcome {
            Ok(connection) => {
                backoff.succeeded();
                self.list.add(connection);
                if self.failure.swap(None).is_some() {
                    tracing::info!(address = %self.dialer.address, "an instance is reached again");
                }
            }
            Err(status) => {
                metrics::counter!("mprpc_connect_failures_total", "wire" => "v2").increment(1);
                let until = Instant::now() + backoff.failed(fastrand::f64());
                let failure = Failure { status: status.clone(), until };
                // One more that cannot be had says nothing of those that are there.
                if self.list.open() == 0 && self.failure.swap(Some(Arc::new(failure))).is_none() {
                    let (address, error) = (&self.dialer.address, status.message());
                    tracing::warn!(%address, error, "an instance cannot be reached");
                }
            }
        }
        self.is_slow.store(false, Ordering::Relaxed);
        // Only now is the next attempt possible that somebody may begin who hears of it.
        drop(backoff);
        self.changed.notify_one();
        outcome
    }

    /// Makes an attempt. While it takes long and nobody is connected, calls go elsewhere: the address
    /// may be one from which nothing ever comes back.
    async fn attempt_told_when_slow(&self) -> Result<Arc<Connection>, Status> {
        let mut attempt = std::pin::pin!(self.attempt());
        let soon = self.dialer.timeout / SLOW_PART;
        if let Ok(outcome) = tokio::time::timeout(soon, attempt.as_mut()).await {
            return outcome;
        }
        self.is_slow.store(true, Ordering::Relaxed);
        self.slow.notify_waiters();
        attempt.await
    }

    /// A connection counts once the server has spoken on it: the kernel accepts them for processes
    /// that are stopped, that are about to end, or that have not begun to serve.
    async fn attempt(&self) -> Result<Arc<Connection>, Status> {
        let failed =
            |text: String| not_connected(Status::unavailable(format!("connecting failed: {text}")));
        let until = Instant::now() + self.dialer.timeout;
        let stream = self.dialer.connect_v2().await.map_err(|error| failed(error.to_string()))?;
        let terms = Terms {
            peer: self.peer.clone(),
            offer: self.offer,
            token: self.dialer.token().await,
            keepalive: self.keepalive,
            ended: Arc::clone(&self.changed),
        };
        let connection = Connection::new(CountedStream::of_client(stream), terms);
        match tokio::time::timeout_at(until, connection.ready()).await {
            Ok(Ok(())) => Ok(Arc::new(connection)),
            Ok(Err(status)) => Err(failed(status.message().to_owned())),
            Err(_) => Err(failed("the server does not speak".to_owned())),
        }
    }
}

impl IsOpen for Connection {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }
}

fn request<'a>(callee: Callee, cx: &'a Context) -> Request<'a> {
    Request {
        service: callee.service,
        index: callee.method,
        method: callee.number,
        deadline: cx.deadline(),
        metadata: cx.to_send(),
        timing: cx.timing(),
    }
}

/// Of a call that no connection could be had for.
fn not_connected(status: Status) -> Status {
    status.not_executed().at(Stage::Connect)
}

#[cfg(test)]
#[path = "slow_tests.rs"]
mod tests;
