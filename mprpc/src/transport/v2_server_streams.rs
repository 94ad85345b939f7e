//! The streams of a server's connection, between its task and the handlers, which may hand theirs to
//! tasks of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;

use crate::Status;
use crate::stream::{Directions, Opened, Outgoing, Port};
use crate::wire::v2::compression::{Body, Compression, Deflated};
use crate::wire::v2::frame::Header;
use crate::wire::v2::head::Settings;
use crate::wire::v2::offer::Offer;
use crate::wire::v2::server::Frames;
use crate::wire::v2::server_streams::{Key, Streams};

/// The connection's side. Dropped with the connection, it ends all streams.
pub(super) struct ServerStreams(Arc<Shared>);

struct Shared {
    streams: Mutex<Streams>,
    /// How messages to the client are compressed.
    compression: Compression,
    /// The connection's task.
    task: AtomicWaker,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Streams> {
        // A panic under this lock would be a bug in `Streams`; the calls still end in time.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work`, and wakes the connection's task if there is something to write since.
    fn working<R>(&self, work: impl FnOnce(&mut Streams) -> R) -> R {
        let mut streams = self.lock();
        let had_output = streams.has_output();
        let done = work(&mut streams);
        let has_output = streams.has_output();
        drop(streams);
        // With output that was there before, it was woken.
        if has_output && !had_output {
            self.task.wake();
        }
        done
    }

    /// Does `work`, and wakes whom it says is to be woken.
    fn waking<R>(&self, work: impl FnOnce(&mut Streams, &mut Vec<Waker>) -> R) -> R {
        let mut woken = Vec::new();
        let done = work(&mut self.lock(), &mut woken);
        woken.into_iter().for_each(Waker::wake);
        done
    }
}

impl ServerStreams {
    pub(super) fn new<M: Clone>(offer: Offer, frames: &Frames<M>) -> Self {
        let streams = Mutex::new(Streams::new(offer, frames.settings()));
        let compression = frames.compression();
        Self(Arc::new(Shared { streams, compression, task: AtomicWaker::new() }))
    }

    /// The client said `settings` of itself later.
    pub(super) fn settle(&self, settings: &Settings) {
        self.0.lock().settle(settings);
    }

    /// A call whose id is not in use streams from now on.
    pub(super) fn open(&self, call: u32, directions: Directions) -> Opened {
        let key = self.0.lock().open(call, directions);
        Opened::new(Arc::new(ServerStream { shared: Arc::clone(&self.0), key }))
    }

    /// Takes a DATA or CREDIT frame; an error if the client broke the protocol.
    pub(super) fn receive(
        &self,
        header: Header,
        payload: Bytes,
        in_use: bool,
    ) -> Result<(), String> {
        self.0.waking(|streams, woken| streams.receive(header, payload, in_use, woken))
    }

    /// A call is over: what its handler has sent goes to `output`, the rest is let go.
    pub(super) fn end(&self, call: u32, output: &mut BytesMut) {
        self.0.waking(|streams, woken| {
            streams.take_output(output, woken);
            streams.end(call, woken);
        });
    }

    /// Moves what is to be written to the end of `output`.
    pub(super) fn take_output(&self, output: &mut BytesMut) {
        self.0.waking(|streams, woken| {
            if streams.has_output() {
                streams.take_output(output, woken);
            }
        });
    }

    /// Whether something is to be written; if not, the task is woken when there is.
    pub(super) fn poll_output(&self, cx: &mut TaskContext<'_>) -> bool {
        self.0.task.register(cx.waker());
        self.0.lock().has_output()
    }
}

impl Drop for ServerStreams {
    fn drop(&mut self) {
        self.0.waking(Streams::end_all);
    }
}

/// What a handler holds.
struct ServerStream {
    shared: Arc<Shared>,
    key: Key,
}

impl Port for ServerStream {
    fn deflate(&self, message: &dyn Outgoing) -> Option<Deflated> {
        self.shared.compression.deflate(message)
    }

    fn poll_send(
        &self,
        cx: &mut TaskContext<'_>,
        message: &dyn Outgoing,
    ) -> Poll<Result<(), Status>> {
        self.shared.working(|streams| streams.poll_send(self.key, message, cx.waker()))
    }

    fn poll_next(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        let next = ready!(self.shared.working(|streams| streams.poll_next(self.key, cx.waker())))?;
        let inflated = next.map(Body::inflate).transpose();
        Poll::Ready(inflated.map_err(|error| {
            Status::invalid_argument(format!("a message of the stream is {error}"))
        }))
    }

    fn poll_answer(&self, _: &mut TaskContext<'_>) -> Poll<Result<Bytes, Status>> {
        Poll::Ready(Err(Status::internal("a handler gets no answer")))
    }

    /// The handler's return is the end.
    fn finish(&self) {}

    fn sender_gone(&self) {}

    fn reader_gone(&self) {
        self.shared.working(|streams| streams.discard(self.key));
    }
}
