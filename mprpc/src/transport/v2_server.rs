//! The server's end of a multiplexed connection: one task reads, runs handlers and writes.
//!
//! A handler is polled once, in place, when its request is read: one that answers at once costs
//! no task and no wake-up, and the answers to all requests of a read go out in one write. One that
//! is not ready joins the connection's own set, so that it holds up no other.
//!
//! Bounds: calls at once ([`CALLS_MAX`]); cancelled ones that are still to be swept up
//! ([`SWEEP_MAX`]); answers that wait for a slow reader ([`OUTPUT_BYTES_MAX`]), past which no more
//! requests are taken. Handlers that are at work go on (one that is not polled would keep what it
//! holds, and handlers of other connections may wait for that), until their answers, too, are more
//! than [`HELD_BYTES_MAX`].

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

use super::READ_BYTES;
use super::v2_leaving::{Leaving, Step, forced};
use crate::context::Origin;
use crate::server::{Connections, Method, Services};
use crate::service::Call;
use crate::wire::v2::frame::{Decoder, FRAME_BYTES_MAX, Incoming};
use crate::wire::v2::server::{Event, Frames};
use crate::{Address, Context, Status};

/// How many calls a connection may have at work.
const CALLS_MAX: u32 = 16_384;

/// How much may wait for the socket before no more requests are taken, in bytes.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// How much may wait for the socket before handlers wait with their answers, in bytes.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many handlers of the set that have become ready are taken in a row, so that reading and
/// writing have their turns.
const READY_IN_A_ROW_MAX: usize = 256;

/// How many frames are handled between two looks at the clock: handlers that run in place take
/// time, and what waits behind them must not begin when its own is over.
const FRAMES_PER_LOOK: usize = 16;

/// How many stopped handlers may be in the set before no more requests are taken: a client that
/// opens calls only to cancel them must not be faster than those are dropped.
const SWEEP_MAX: usize = 1024;

/// One connection, as a future that ends when it does.
pub(crate) struct Connection<T> {
    io: T,
    origin: Arc<Origin>,
    services: Arc<Services>,
    /// The time for a call whose caller gave none.
    default_timeout: Duration,
    decoder: Decoder,
    frames: Frames<Method>,
    input: BytesMut,
    /// When the newest bytes of `input` came: the time of a request runs from then on, also while
    /// it waits there.
    read_at: Instant,
    output: BytesMut,
    /// Handlers that were not ready at once.
    running: FuturesUnordered<Abortable<Running>>,
    /// What is known of them by call id. A call that is not here any more gets no answer.
    pending: HashMap<u32, Pending>,
    deadline: Pin<Box<Sleep>>,
    deadline_at: Option<Instant>,
    leaving: Leaving,
}

#[derive(Debug)]
struct Pending {
    abort: AbortHandle,
    deadline: Instant,
}

/// A handler of the set, with a buffer of its own for its answer.
struct Running {
    call: u32,
    handler: Call,
    answer: BytesMut,
}

impl Future for Running {
    type Output = (u32, Result<BytesMut, Status>);

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = this.handler.poll_reply(cx, &mut this.answer);
        polled.map(|done| (this.call, done.map(|()| std::mem::take(&mut this.answer))))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// A connection whose first bytes, `input`, begin with the preface.
    pub(crate) fn new(io: T, peer: Address, mut input: BytesMut, server: &Connections) -> Self {
        input.advance(crate::wire::v2::PREFACE.len());
        let mut output = BytesMut::new();
        Self {
            io,
            origin: server.origin(peer),
            services: Arc::clone(&server.services),
            default_timeout: server.default_timeout,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            frames: Frames::new(CALLS_MAX, &mut output),
            input,
            read_at: Instant::now(),
            output,
            running: FuturesUnordered::new(),
            pending: HashMap::new(),
            deadline: Box::pin(tokio::time::sleep(Duration::ZERO)),
            deadline_at: None,
            leaving: Leaving::new(server),
        }
    }

    /// Moves everything that can move; ready when the connection is over.
    ///
    /// Handlers come last: they share the task's budget with the socket, and one that uses it up
    /// each time would keep the socket from moving if it came first.
    fn drive(&mut self, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        loop {
            self.leave(cx);
            self.expire(cx);
            let mut moved = self.write(cx)?;
            match self.read(cx)? {
                Read::Ended => return Poll::Ready(Ok(())),
                Read::Some => moved = true,
                Read::Nothing => {}
            }
            moved |= self.finish(cx);
            if !moved {
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
                    for (call, pending) in self.pending.drain() {
                        pending.abort.abort();
                        self.frames.refuse(call, &forced(), &mut self.output);
                    }
                }
            }
        }
    }

    fn read(&mut self, cx: &mut TaskContext<'_>) -> io::Result<Read> {
        // What came with the preface, and what was left when there was no room for more.
        let left = self.receive()?;
        if !self.has_room() {
            return Ok(left);
        }
        self.input.reserve(READ_BYTES);
        match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
            Poll::Pending => return Ok(left),
            Poll::Ready(Ok(0)) => return Ok(Read::Ended),
            Poll::Ready(Ok(_)) => self.read_at = Instant::now(),
            Poll::Ready(Err(error)) => return Err(error),
        }
        self.receive()?;
        Ok(Read::Some)
    }

    /// Whether more frames may be taken. [`finish`](Self::finish) and [`write`](Self::write) make
    /// room.
    fn has_room(&self) -> bool {
        let to_sweep = self.running.len().saturating_sub(self.pending.len());
        self.output.len() < OUTPUT_BYTES_MAX && to_sweep < SWEEP_MAX
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

    fn handle(&mut self, incoming: Incoming, now: Instant) -> Result<(), String> {
        let services = &self.services;
        let event = self.frames.receive(incoming, |path| services.find(path), &mut self.output)?;
        match event {
            Event::Call { call, method, timeout_us, metadata, message } => {
                if self.pending.contains_key(&call) {
                    return Err(format!("call id {call} is in use"));
                }
                if self.leaving.is_forced() {
                    self.frames.refuse(call, &forced(), &mut self.output);
                    return Ok(());
                }
                if self.pending.len() >= CALLS_MAX as usize {
                    let status = Status::resource_exhausted("too many calls on the connection");
                    self.frames.refuse(call, &status, &mut self.output);
                    return Ok(());
                }
                let timeout = match timeout_us {
                    0 => self.default_timeout,
                    some => Duration::from_micros(some).min(Context::TIMEOUT_MAX),
                };
                let deadline = self.read_at + timeout;
                if deadline <= now {
                    let status = Status::deadline_exceeded(
                        "the time for the call was over before its handler could begin",
                    );
                    self.frames.refuse(call, &status, &mut self.output);
                    return Ok(());
                }
                let cx = Context::received(deadline, Arc::clone(&self.origin), metadata);
                match method.call(cx, message) {
                    Ok(handler) => self.start(call, handler, deadline),
                    Err(status) => self.frames.refuse(call, &status, &mut self.output),
                }
            }
            Event::Refuse { call, status } => self.frames.refuse(call, &status, &mut self.output),
            Event::Cancel { call } => {
                if let Some(pending) = self.pending.remove(&call) {
                    pending.abort.abort();
                }
            }
            Event::None => {}
        }
        Ok(())
    }

    /// Polls a new handler once; its answer is put out, or it joins the set.
    fn start(&mut self, call: u32, mut handler: Call, deadline: Instant) {
        let mut refused = None;
        let mut unfinished = false;
        let written = self.frames.respond(call, &mut self.output, |output| {
            // The set polls it again with a waker of its own; until then none is needed.
            let mut nobody = TaskContext::from_waker(Waker::noop());
            match handler.poll_reply(&mut nobody, output) {
                Poll::Ready(Ok(())) => Ok(()),
                Poll::Ready(Err(status)) => {
                    refused = Some(status);
                    Err(())
                }
                Poll::Pending => {
                    unfinished = true;
                    Err(())
                }
            }
        });
        if written.is_ok() {
            return;
        }
        if let Some(status) = refused {
            self.frames.refuse(call, &status, &mut self.output);
        } else if unfinished {
            self.join(call, handler, deadline);
        }
    }

    fn join(&mut self, call: u32, handler: Call, deadline: Instant) {
        let (abort, registration) = AbortHandle::new_pair();
        self.pending.insert(call, Pending { abort, deadline });
        let running = Running { call, handler, answer: BytesMut::new() };
        self.running.push(Abortable::new(running, registration));
        if self.deadline_at.is_none_or(|at| deadline < at) {
            self.deadline_at = Some(deadline);
            self.deadline.as_mut().reset(deadline);
        }
    }

    /// Puts out the answers of handlers that have become ready.
    fn finish(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        for _ in 0..READY_IN_A_ROW_MAX {
            if self.output.len() >= HELD_BYTES_MAX {
                break;
            }
            let Poll::Ready(Some(ended)) = Pin::new(&mut self.running).poll_next(cx) else {
                break;
            };
            moved = true;
            // An aborted one was taken off `pending` by whoever aborted it.
            let Ok((call, answer)) = ended else { continue };
            if self.pending.remove(&call).is_none() {
                continue;
            }
            let answered = answer.and_then(|answer| {
                self.frames.respond(call, &mut self.output, |output| {
                    output.extend_from_slice(&answer);
                    Ok(())
                })
            });
            if let Err(status) = answered {
                self.frames.refuse(call, &status, &mut self.output);
            }
        }
        moved
    }

    /// Stops the handlers whose time is over. As at the client, one timer serves all calls.
    fn expire(&mut self, cx: &mut TaskContext<'_>) {
        while self.deadline_at.is_some() && self.deadline.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let (frames, output) = (&self.frames, &mut self.output);
            let mut next: Option<Instant> = None;
            self.pending.retain(|call, pending| {
                if pending.deadline > now {
                    next = Some(next.map_or(pending.deadline, |next| next.min(pending.deadline)));
                    return true;
                }
                pending.abort.abort();
                let status = Status::deadline_exceeded("the handler was stopped at the deadline");
                frames.refuse(*call, &status, output);
                false
            });
            self.deadline_at = next;
            if let Some(at) = next {
                self.deadline.as_mut().reset(at);
            }
        }
    }

    fn write(&mut self, cx: &mut TaskContext<'_>) -> io::Result<bool> {
        let mut moved = false;
        while !self.output.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.output) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => self.output.advance(bytes),
                Poll::Ready(Err(error)) => return Err(error),
            }
            moved = true;
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
