//! A multiplexed connection: callers put frames into a buffer, one task moves the bytes.
//!
//! A caller takes the lock, opens its call (its frame is encoded straight into the output) and
//! wakes the driver. The driver, before it writes, lets every task that is ready run once: those
//! that are about to call add their frames, and all go out in one system call. A lone call pays
//! one pass through an empty run queue for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Peer;
use super::v2_client_driver::Driver;
use crate::Status;
use crate::wire::v2::client::{Calls, Opened, Request};
use crate::wire::v2::compression::{Body, Compression, Deflated};
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
    /// How often it looks whether its peer is alive. A peer that sends nothing is asked after one
    /// such time and given up after another, so a dead one is found within three.
    pub(crate) keepalive: Duration,
    /// Rung when it takes no more calls.
    pub(crate) ended: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Shared {
    calls: Mutex<Calls>,
    pub(super) driver: AtomicWaker,
    /// Whether calls can be opened, to be read without the lock.
    open: AtomicBool,
    ended: Arc<Notify>,
}

impl Shared {
    pub(super) fn wake_driver(&self) {
        self.driver.wake();
    }

    /// Takes no more calls.
    pub(super) fn close(&self) {
        if self.open.swap(false, Ordering::Relaxed) {
            self.ended.notify_one();
        }
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        // A panic under this lock would be a bug in `Calls`; the others' calls still end by their
        // deadlines.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A connection over `io`; its driver runs on the current runtime.
    pub(crate) fn new(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        terms: Terms,
    ) -> Self {
        let Terms { peer, offer, keepalive, ended } = terms;
        let shared = Arc::new(Shared {
            calls: Mutex::new(Calls::new(offer)),
            driver: AtomicWaker::new(),
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
        std::future::poll_fn(|cx| self.shared.calls().poll_ready(cx.waker())).await
    }

    /// Whether calls can be opened on it.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Makes a call and waits for its answer.
    ///
    /// Cancel safe: dropping the future gives the call up, and the server is told.
    pub(crate) async fn call(
        &self,
        request: Request<'_>,
        message: &impl Message,
    ) -> Result<Bytes, Status> {
        let deflated = self.deflate(message);
        let open = |calls: &mut Calls, now, waker: &_| match &deflated {
            Some(deflated) => calls.open(&request, deflated, now, waker),
            None => calls.open(&request, message, now, waker),
        };
        let id = self.open(request.deadline, open).await?;
        let mut call = InFlight { shared: &self.shared, id: Some(id) };
        self.shared.driver.wake();
        let answer = std::future::poll_fn(|cx| {
            let outcome = ready!(self.shared.calls().poll_outcome(id, cx.waker()));
            call.id = None;
            if !self.is_open() {
                // It may have been the last, and the driver waits for that.
                self.shared.driver.wake();
            }
            Poll::Ready(outcome)
        })
        .await?;
        inflate(answer)
    }

    /// The message compressed, if it is to be. Takes time, and so is not done under the lock.
    pub(super) fn deflate(&self, message: &(impl Outgoing + ?Sized)) -> Option<Deflated> {
        if !self.compression.is_for(message) {
            return None;
        }
        let compression = self.shared.calls().compression();
        compression.deflate(message)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens a call as `attempt` does, once there is room for it.
    pub(super) async fn open(
        &self,
        deadline: Instant,
        attempt: impl Fn(&mut Calls, Instant, &Waker) -> Result<Opened, Status>,
    ) -> Result<CallId, Status> {
        let open = std::future::poll_fn(|cx| {
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(Err(super::too_late()));
            }
            match attempt(&mut self.shared.calls(), now, cx.waker()) {
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
        tokio::time::timeout_at(deadline, open).await.map_err(|_| super::too_late())?
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.calls().refuse(Status::unavailable("the channel was closed"));
        self.shared.driver.wake();
    }
}

/// What the server sent, which is damaged if it does not inflate.
pub(super) fn inflate(body: Body) -> Result<Bytes, Status> {
    body.inflate().map_err(|error| Status::internal(format!("the server sent {error}")))
}

/// A call that waits for its answer; dropped before that, it is given up.
struct InFlight<'a> {
    shared: &'a Shared,
    id: Option<CallId>,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.calls().abandon(id);
            self.shared.driver.wake();
        }
    }
}

#[cfg(test)]
#[path = "v2_client_tests.rs"]
mod tests;
