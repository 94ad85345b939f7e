//! The task of a client's connection: it moves the bytes, looks whether the peer is alive, and ends
//! the calls whose time is over.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};
use tokio_util::io::poll_read_buf;

use super::counted::Counted;
use super::v2_client::Shared;
use super::{Peer, READ_BYTES, broken, release};
use crate::Status;
use crate::wire::v2::frame::{Decoder, FRAME_BYTES_MAX};

/// How many reads are made in a row, so that deadlines and writing have their turns.
const READS_IN_A_ROW_MAX: usize = 16;

/// See the module. It ends when the connection does.
pub(super) struct Driver<T> {
    io: T,
    peer: Peer,
    shared: Arc<Shared>,
    decoder: Decoder,
    input: BytesMut,
    writing: BytesMut,
    /// Whether the ready tasks had their turn since there is something to write.
    gathered: bool,
    /// Callers to wake once the lock is released; kept for its capacity.
    woken: Vec<Waker>,
    deadline: Pin<Box<Sleep>>,
    deadline_at: Option<Instant>,
    keepalive: Interval,
    heard: Heard,
    /// Whether the socket took no more when it was last written to.
    blocked: bool,
    _counted: Counted,
}

/// What was heard of the peer since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
    /// Nothing, although it was asked.
    NoReply,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    pub(super) fn new(io: T, peer: Peer, shared: Arc<Shared>, keepalive: Duration) -> Self {
        let mut keepalive = tokio::time::interval(keepalive);
        keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            io,
            peer,
            shared,
            decoder: Decoder::new(FRAME_BYTES_MAX),
            input: BytesMut::new(),
            writing: BytesMut::new(),
            gathered: false,
            woken: Vec::new(),
            deadline: Box::pin(tokio::time::sleep(Duration::ZERO)),
            deadline_at: None,
            keepalive,
            heard: Heard::Something,
            blocked: false,
            _counted: Counted::connection("v2"),
        }
    }

    /// Moves bytes both ways; ready when the connection is over, with the reason.
    fn drive(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Status>> {
        let has_more = self.read(cx)?;
        self.expire(cx, has_more);
        self.look(cx)?;
        self.write(cx)?;
        let over = !self.shared.calls().is_in_use() && self.writing.is_empty();
        if over { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Answers whether the peer may have sent more than was read.
    fn read(&mut self, cx: &mut TaskContext<'_>) -> Result<bool, Status> {
        for _ in 0..READS_IN_A_ROW_MAX {
            self.input.reserve(READ_BYTES);
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
                Poll::Pending => {
                    release(&mut self.input);
                    return Ok(false);
                }
                Poll::Ready(Ok(0)) => {
                    return Err(Status::unavailable("the server closed the connection"));
                }
                Poll::Ready(Ok(_)) => self.heard = Heard::Something,
                Poll::Ready(Err(error)) => return Err(broken(&error)),
            }
            let mut calls = self.shared.calls();
            while let Some(incoming) = self.decoder.decode(&mut self.input) {
                calls.receive(incoming, &mut self.woken).map_err(|error| {
                    Status::internal(format!("the server broke the protocol: {error}"))
                })?;
            }
            if !calls.is_open() {
                self.shared.close();
            }
            drop(calls);
            self.wake_callers();
        }
        cx.waker().wake_by_ref();
        Ok(true)
    }

    /// Ends the calls whose time is over, and arms the timer for the next. A peer that sends without
    /// end keeps this task ready, and a busy runtime comes to its timers late: then the clock is asked.
    fn expire(&mut self, cx: &mut TaskContext<'_>, is_flooded: bool) {
        loop {
            let next = self.shared.calls().next_deadline();
            if next != self.deadline_at {
                self.deadline_at = next;
                if let Some(at) = next {
                    self.deadline.as_mut().reset(at);
                }
            }
            let Some(at) = self.deadline_at else { return };
            let is_over =
                self.deadline.as_mut().poll(cx).is_ready() || (is_flooded && at <= Instant::now());
            if !is_over {
                return;
            }
            self.deadline_at = None;
            self.shared.calls().expire(Instant::now(), &mut self.woken);
            self.wake_callers();
        }
    }

    /// Looks whether the peer is alive.
    fn look(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Status> {
        while self.keepalive.poll_tick(cx).is_ready() {
            match self.heard {
                Heard::Something => self.heard = Heard::Nothing,
                Heard::Nothing => {
                    self.shared.calls().ping();
                    self.heard = Heard::NoReply;
                }
                Heard::NoReply => {
                    metrics::counter!("mprpc_pings_lost_total").increment(1);
                    return Err(Status::unavailable("the server does not answer pings"));
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Status> {
        loop {
            if self.writing.is_empty() {
                if !self.shared.calls().has_output() {
                    return Ok(());
                }
                if !std::mem::replace(&mut self.gathered, true) {
                    // Comes back behind the tasks that are ready now.
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
                self.gathered = false;
                let mut calls = self.shared.calls();
                calls.take_output(&mut self.writing, &mut self.woken);
                if calls.is_timed() {
                    calls.time_taken(Instant::now());
                }
                drop(calls);
                self.wake_callers();
            }
            match Pin::new(&mut self.io).poll_write(cx, &self.writing) {
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(());
                }
                Poll::Ready(Ok(0)) => return Err(broken(&io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(bytes)) => {
                    // A full socket takes more only when the peer has taken something: it may
                    // have nothing to say before it has the whole of a large request.
                    if std::mem::take(&mut self.blocked) {
                        self.heard = Heard::Something;
                    }
                    self.writing.advance(bytes);
                    let mut calls = self.shared.calls();
                    calls.written(bytes);
                    if calls.is_timed() {
                        calls.time_written(Instant::now());
                    }
                }
                Poll::Ready(Err(error)) => return Err(broken(&error)),
            }
        }
    }
}

impl<T> Driver<T> {
    fn wake_callers(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }

    /// Ends every call, and tells those that come that there is no connection any more.
    fn fail(&mut self, status: &Status) {
        self.shared.close();
        self.shared.calls().fail(status, &mut self.woken);
        self.wake_callers();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Before the output is looked at: a caller that adds to it afterwards wakes this task.
        this.shared.driver.register(cx.waker());
        let ended = ready!(this.drive(cx));
        if let Err(status) = &ended {
            this.peer.ended("v2", status);
            this.fail(status);
        }
        Poll::Ready(())
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        // Also when the runtime shuts down: nobody may wait for ever.
        self.fail(&Status::unavailable("the connection's task was stopped"));
    }
}
