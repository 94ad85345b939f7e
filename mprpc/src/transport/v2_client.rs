//! A multiplexed connection: callers put frames into a buffer, one task moves the bytes.
//!
//! A caller takes the lock, opens its call (its frame is encoded straight into the output) and
//! wakes the driver if it sleeps. The driver, before it writes, lets every task that is ready run once: those
//! that are about to call add their frames, and all go out in one system call. A lone call pays
//! one pass through an empty run queue for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Peer;
use super::v2_client_driver::Driver;
use crate::Status;
use crate::wire::v2::arrived::Answer;
use crate::wire::v2::client::{Calls, Opened, Request};
use crate::wire::v2::compression::{Compression, Deflated};
use crate::wire::v2::offer::Offer;
use crate::wire::v2::slots::CallId;
use crate::wire::v2::stream::Outgoing;

/// A connection to one instance. Dropping it closes the connection once its calls have ended.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    /// What was configured; the server may not take it.
    compression: Compression,
}

/// What a connection is made with.
pub(crate) struct Terms {
    pub(crate) peer: Peer,
    pub(crate) offer: Offer,
    /// What is shown to the server.
    pub(crate) token: Option<Bytes>,
    /// How often it looks whether its peer is alive. A peer that sends nothing is asked after one
    /// such time and given up after another, so a dead one is found within three.
    pub(crate) keepalive: Duration,
    /// Rung when it takes no more calls.
    pub(crate) ended: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Whether calls can be opened, to be read without the lock.
    open: AtomicBool,
    ended: Arc<Notify>,
}

/// What is behind the lock. Nobody holds it for longer than it takes to note what happened: frames
/// that came are read before, and callers are woken after.
#[derive(Debug)]
pub(super) struct State {
    pub(super) calls: Calls,
    /// The driver, while it sleeps. Awake, it looks at the calls before it sleeps again, so that
    /// who gives it something to do takes it from here and wakes it, and all others need not.
    pub(super) asleep: Option<Asleep>,
}

/// A driver that has found nothing to do, and leaves this under the same lock.
#[derive(Debug)]
pub(super) struct Asleep {
    pub(super) waker: Waker,
    /// Whether it waits for the socket: what is to be written makes no difference then.
    pub(super) is_blocked: bool,
    /// When it wakes by itself to end calls.
    pub(super) deadline: Option<Instant>,
}

impl State {
    /// The driver, if it sleeps and there is something to do for it.
    fn driver_to_wake(&mut self) -> Option<Waker> {
        let Asleep { is_blocked, deadline, .. } = self.asleep.as_ref()?;
        let to_write = self.calls.has_output() && !is_blocked;
        // Of a connection that is to end, the last call may have ended.
        let to_end = !self.calls.is_open() || self.calls.is_due_before(*deadline);
        if to_write || to_end { Some(self.asleep.take()?.waker) } else { None }
    }
}

impl Shared {
    /// Does something with the calls, and wakes the driver if that has given it something to do.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Calls) -> R) -> R {
        let mut state = self.lock();
        let done = work(&mut state.calls);
        let driver = state.driver_to_wake();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        done
    }

    /// Takes no more calls.
    pub(super) fn close(&self) {
        if self.open.swap(false, Ordering::Relaxed) {
            self.ended.notify_one();
        }
    }

    /// For the driver itself.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under this lock would be a bug in `Calls`; the others' calls still end by their
        // deadlines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A connection over `io`; its driver runs on the current runtime.
    pub(crate) fn new(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        terms: Terms,
    ) -> Self {
        let Terms { peer, offer, token, keepalive, ended } = terms;
        let mut calls = Calls::new(offer);
        if let Some(token) = token {
            calls.authenticate(token);
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(State { calls, asleep: None }),
            open: AtomicBool::new(true),
            ended,
        });
        tokio::spawn(Driver::new(io, peer, Arc::clone(&shared), keepalive));
        Self { shared, compression: offer.compression }
    }

    /// Waits until the server has spoken.
    ///
    /// # Errors
    /// The connection ended before that.
    pub(crate) async fn ready(&self) -> Result<(), Status> {
        std::future::poll_fn(|cx| self.shared.with(|calls| calls.poll_ready(cx.waker()))).await
    }

    /// Whether calls can be opened on it.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Makes a call and waits for its answer. `now` is what the clock says, if it was just read.
    ///
    /// Cancel safe: dropping the future gives the call up, and the server is told.
    pub(crate) async fn call(
        &self,
        request: Request<'_>,
        message: &impl Message,
        now: Option<Instant>,
    ) -> Result<Answer, Status> {
        let deflated = self.deflate(message);
        let open = |calls: &mut Calls, now, waker: &_| match &deflated {
            Some(deflated) => calls.open(&request, deflated, now, waker),
            None => calls.open(&request, message, now, waker),
        };
        let id = self.open(request.deadline, now, open).await?;
        let mut call = InFlight { shared: &self.shared, id: Some(id) };
        let mut is_new = true;
        std::future::poll_fn(|cx| {
            if std::mem::take(&mut is_new) {
                // It was opened with this very waker.
                return Poll::Pending;
            }
            let outcome = ready!(self.shared.with(|calls| calls.poll_outcome(id, cx.waker())));
            call.id = None;
            Poll::Ready(outcome)
        })
        .await
    }

    /// The message compressed, if it is to be. Takes time, and so is not done under the lock.
    pub(super) fn deflate(&self, message: &(impl Outgoing + ?Sized)) -> Option<Deflated> {
        if !self.compression.is_for(message) {
            return None;
        }
        let compression = self.shared.lock().calls.compression();
        compression.deflate(message)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens a call as `attempt` does, once there is room for it. It is ready in the poll whose waker
    /// `attempt` was given.
    pub(super) async fn open(
        &self,
        deadline: Instant,
        mut now: Option<Instant>,
        attempt: impl Fn(&mut Calls, Instant, &Waker) -> Result<Opened, Status>,
    ) -> Result<CallId, Status> {
        let open = std::future::poll_fn(|cx| {
            let now = now.take().unwrap_or_else(Instant::now);
            if deadline <= now {
                return Poll::Ready(Err(super::too_late()));
            }
            match self.shared.with(|calls| attempt(calls, now, cx.waker())) {
                Ok(Opened::Call(id)) => Poll::Ready(Ok(id)),
                Ok(Opened::Full) => Poll::Pending,
                Err(status) => Poll::Ready(Err(status)),
            }
        });
        let mut open = std::pin::pin!(open);
        // Nearly always there is room, and no timer is needed.
        if let Poll::Ready(outcome) = futures_util::poll!(open.as_mut()) {
            return outcome;
        }
        // Boxed, so that calls which need none of it stay small.
        Box::pin(tokio::time::timeout_at(deadline, open)).await.map_err(|_| super::too_late())?
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.with(|calls| calls.refuse(Status::unavailable("the channel was closed")));
    }
}

/// A call that waits for its answer; dropped before that, it is given up.
struct InFlight<'a> {
    shared: &'a Shared,
    id: Option<CallId>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.with(|calls| calls.abandon(id));
        }
    }
}

#[cfg(test)]
#[path = "v2_client_tests.rs"]
mod tests;
