//! The server's end of a multiplexed connection: one task reads, runs handlers and writes.
//!
//! A handler is polled once, in place, when its request is read: one that answers at once costs
//! no task and no wake-up, and the answers to all requests of a read go out in one write. One that
//! is not ready joins the connection's own set, so that it holds up no other.
//!
//! Bounds: calls at once, and how much their requests are together (`handlers` has these, and the server a
//! bound of its own); cancelled ones that are still to be swept up; answers that wait for a slow
//! reader ([`OUTPUT_BYTES_MAX`]), past which no more
//! requests are taken. Handlers that are at work go on (one that is not polled would keep what it
//! holds, and handlers of other connections may wait for that), until their answers, too, are more
//! than [`HELD_BYTES_MAX`].

mod calls;
mod handlers;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::future::Abortable;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

use calls::Running;
use handlers::{CALLS_MAX, Handlers};

pub(crate) use super::v2_asking::Asked;
pub(crate) use super::v2_asking::SHOW_MAX;
use super::v2_asking::{self, Asking};
use super::v2_leaving::{Leaving, Step, forced};
use super::v2_server_streams::ServerStreams;
use super::{READ_BYTES, release};
use crate::context::Origin;
use crate::server::{Connections, Method, Places, Services};
use crate::wire::Wire;
use crate::wire::v2::OUTPUT_BYTES_KEPT;
use crate::wire::v2::frame::{Decoder, FRAME_BYTES_MAX};
use crate::wire::v2::offer::Offer;
use crate::wire::v2::server::Frames;
use crate::{Address, Caller, Status};

/// How much may wait for the socket before no more requests are taken, in bytes.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// How much may wait for the socket before handlers wait with their answers, in bytes.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many frames are handled between two looks at the clock: handlers that run in place take
/// time, and what waits behind them must not begin when its own is over.
const FRAMES_PER_LOOK: usize = 16;

/// One connection, as a future that ends when it does.
pub(crate) struct Connection<T> {
    io: T,
    origin: Arc<Origin>,
    services: Arc<Services>,
    /// The time for a call whose caller gave none.
    default_timeout: Duration,
    decoder: Decoder,
    offer: Offer,
    frames: Frames<Method>,
    input: BytesMut,
    /// When the newest bytes of `input` came: the time of a request runs from then on, also while
    /// it waits there.
    read_at: Instant,
    output: BytesMut,
    /// Whether more than [`OUTPUT_BYTES_KEPT`] was in it since it was empty.
    swollen: bool,
    /// Handlers that were not ready at once.
    running: FuturesUnordered<Abortable<Running>>,
    handlers: Handlers,
    /// Of the calls that stream, once there was one.
    streams: Option<ServerStreams>,
    deadline: Pin<Box<Sleep>>,
    deadline_at: Option<Instant>,
    leaving: Leaving,
    /// As long as the caller has to show who it is. Nothing is done for it until then.
    asking: Option<Box<Asking>>,
    /// Of the server's bound on calls.
    places: Places,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// A connection whose first bytes, `input`, begin with the preface.
    pub(crate) fn new(io: T, peer: Address, mut input: BytesMut, server: &Connections) -> Self {
        input.advance(crate::wire::v2::PREFACE.len());
        let mut output = BytesMut::new();
        Self {
            io,
            origin: server.origin(peer, Wire::V2),
            services: Arc::clone(&server.services),
            default_timeout: server.default_timeout,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            offer: server.offer,
            frames: Frames::new(CALLS_MAX, server.offer, &mut output),
            input,
            read_at: Instant::now(),
            output,
            swollen: false,
            running: FuturesUnordered::new(),
            handlers: Handlers::new(server.request_bytes_max),
            streams: None,
            deadline: Box::pin(tokio::time::sleep(Duration::ZERO)),
            deadline_at: None,
            leaving: Leaving::new(server),
            asking: None,
            places: server.at_work.places(),
        }
    }

    /// The same, of whose caller this is known, if anything is.
    pub(crate) fn known(mut self, caller: Option<Caller>) -> Self {
        if let Some(caller) = caller {
            self.know(caller);
        }
        self
    }

    fn know(&mut self, caller: Caller) {
        self.origin = Arc::new(Origin { caller: Some(caller), ..Origin::clone(&self.origin) });
    }

    /// The same, whose caller has to show this, if anything, before anything else is looked at.
    pub(crate) fn asking(mut self, asked: Option<Asked>) -> Self {
        if let Some(asked) = asked {
            self.decoder.accept(v2_asking::FRAME_BYTES_MAX);
            self.frames.shut();
            self.asking = Some(Box::new(Asking::new(asked)));
        }
        self
    }

    /// Moves everything that can move; ready when the connection is over.
    ///
    /// Handlers come last: they share the task's budget with the socket, and one that uses it up
    /// each time would keep the socket from moving if it came first.
    fn drive(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        loop {
            self.leave(cx);
            if self.ask(cx) {
                return Poll::Ready(Ok(()));
            }
            self.expire(cx);
            let mut moved = self.write(cx)?;
            match self.read(cx)? {
                Read::Ended => return Poll::Ready(Ok(())),
                Read::Some => moved = true,
                Read::Nothing => {}
            }
            moved |= self.finish(cx);
            if !moved {
                self.places.keep(self.handlers.len());
                return Poll::Pending;
            }
        }
    }

    /// Asks the client to leave, once the server is to stop; ends its calls, once it must.
    fn leave(&mut self, cx: &mut TaskContext<'_>) {
        while let Some(step) = self.leaving.poll(cx) {
            match step {
                Step::Ask => {
                    let reason = Status::unavailable("the server is stopping");
                    self.frames.go_away(&reason, &mut self.output);
                }
                Step::Force => {
                    for call in self.handlers.all() {
                        self.stop(call);
                        self.frames.refuse(call, &forced(), &mut self.output);
                    }
                }
            }
        }
    }

    /// Sees to it that a caller that does not show who it is does not stay; whether its time is over.
    fn ask(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        match asking.poll(cx) {
            None => false,
            Some(v2_asking::Step::AskToGo) => {
                if asking.refused() {
                    self.origin.kept_out(asking.refusal().message());
                }
                self.frames.go_away(asking.refusal(), &mut self.output);
                false
            }
            Some(v2_asking::Step::Close) => true,
        }
    }

    fn read(&mut self, cx: &mut TaskContext<'_>) -> io::Result<Read> {
        // What came with the preface, and what was left when there was no room for more.
        let left = self.receive()?;
        if !self.has_room() {
            // In TLS it is reading that sees to what the socket did not take at once.
            let _ = Pin::new(&mut self.io).poll_flush(cx)?;
            return Ok(left);
        }
        self.input.reserve(READ_BYTES);
        match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
            Poll::Pending => {
                release(&mut self.input);
                return Ok(left);
            }
            Poll::Ready(Ok(0)) if self.input.is_empty() && !self.decoder.is_skipping() => {
                return Ok(Read::Ended);
            }
            Poll::Ready(Ok(0)) => return Err(super::cut()),
            Poll::Ready(Ok(_)) => self.read_at = Instant::now(),
            Poll::Ready(Err(error)) => return Err(error),
        }
        self.receive()?;
        Ok(Read::Some)
    }

    /// Whether more frames may be taken. [`finish`](Self::finish) and [`write`](Self::write) make
    /// room.
    fn has_room(&mut self) -> bool {
        self.output.len() < OUTPUT_BYTES_MAX && self.handlers.has_room(self.running.len())
    }

    /// Handles the whole frames of the input while there is room for what comes of them.
    fn receive(&mut self) -> io::Result<Read> {
        let mut now = self.read_at;
        let mut frames = 0;
        while self.has_room()
            && let Some(incoming) = self.decoder.decode(&mut self.input)
        {
            if frames % FRAMES_PER_LOOK == 0 {
                now = Instant::now();
            }
            frames += 1;
            self.handle(incoming, now).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the client broke the protocol: {error}"),
                )
            })?;
        }
        Ok(if frames > 0 { Read::Some } else { Read::Nothing })
    }

    fn write(&mut self, cx: &mut TaskContext<'_>) -> io::Result<bool> {
        let mut moved = false;
        if let Some(streams) = &self.streams
            && self.output.len() < OUTPUT_BYTES_MAX
        {
            streams.take_output(&mut self.output);
        }
        self.swollen |= self.output.len() > OUTPUT_BYTES_KEPT;
        while !self.output.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.output) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => self.output.advance(bytes),
                Poll::Ready(Err(error)) => return Err(error),
            }
            moved = true;
        }
        if self.swollen && self.output.is_empty() {
            release(&mut self.output);
            self.swollen = false;
        }
        Ok(moved)
    }
}

/// What reading came to.
enum Read {
    Some,
    Nothing,
    Ended,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.get_mut().drive(cx)
    }
}

#[cfg(test)]
#[path = "v2_server_tests.rs"]
mod tests;
