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
use super::v2_client::{Asleep, Shared, State};
use super::{Peer, READ_BYTES, broken, release};
use crate::Status;
use crate::wire::v2::arrived::Arrived;
use crate::wire::v2::client::Calls;
use crate::wire::v2::client_output::give_back;
use crate::wire::v2::frame::{Decoder, FRAME_BYTES_MAX};

/// How many reads are made in a row, so that deadlines and writing have their turns.
const READS_IN_A_ROW_MAX: usize = 16;

/// How many frames are handed out under one lock.
const FRAMES_AT_ONCE_MAX: usize = 64;

/// Room for so many is kept while the connection is in use.
const FRAMES_KEPT_MIN: usize = 8;

/// See the module. It ends when the connection does.
pub(super) struct Driver<T> {
    io: T,
    peer: Peer,
    shared: Arc<Shared>,
    decoder: Decoder,
    input: BytesMut,
    /// Frames that were taken off it and are to be handed out.
    arrived: Vec<Arrived>,
    writing: BytesMut,
    /// How many bytes the socket has taken that the calls were not told of.
    written: usize,
    /// Whether the ready tasks had their turn since there is something to write.
    gathered: bool,
    /// Callers to wake once the lock is released; kept for its capacity.
    woken: Vec<Waker>,
    /// Once there was a call; none again when nothing has come for a while.
    deadline: Option<Pin<Box<Sleep>>>,
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
            arrived: Vec::new(),
            writing: BytesMut::new(),
            written: 0,
            gathered: false,
            woken: Vec::new(),
            deadline: None,
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
        self.look(cx)?;
        self.expire(cx, has_more);
        self.write(cx)?;
        self.rest(cx).map(Ok)
    }

    /// Answers whether the peer may have sent more than was read.
    fn read(&mut self, cx: &mut TaskContext<'_>) -> Result<bool, Status> {
        for _ in 0..READS_IN_A_ROW_MAX {
            self.input.reserve(READ_BYTES);
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input) {
                Poll::Pending => {
                    release(&mut self.input);
                    if self.arrived.capacity() < FRAMES_KEPT_MIN {
                        // A few, perhaps an answer to a ping: an idle connection has no room for more.
                        self.arrived = Vec::new();
                    }
                    return Ok(false);
                }
                Poll::Ready(Ok(0)) => {
                    return Err(Status::unavailable("the server closed the connection"));
                }
                Poll::Ready(Ok(_)) => self.heard = Heard::Something,
                Poll::Ready(Err(error)) => return Err(broken(&error)),
            }
            while self.take_frames() {
                self.hand_out()?;
            }
        }
        cx.waker().wake_by_ref();
        Ok(true)
    }

    /// Takes frames off what was read, as many as are handed out at once; whether there are any.
    fn take_frames(&mut self) -> bool {
        while self.arrived.len() < FRAMES_AT_ONCE_MAX
            && let Some(arrived) = Arrived::next(&mut self.decoder, &mut self.input)
        {
            self.arrived.push(arrived);
        }
        !self.arrived.is_empty()
    }

    /// Hands the frames that were taken to those who wait for them.
    fn hand_out(&mut self) -> Result<(), Status> {
        let mut state = self.shared.lock();
        // As in `expire`: some of those who are answered call again at once.
        state.asleep = None;
        let received = self
            .arrived
            .drain(..)
            .try_for_each(|arrived| state.calls.receive(arrived, &mut self.woken));
        if !state.calls.is_open() {
            self.shared.close();
        }
        drop(state);
        self.wake_callers();
        received
            .map_err(|error| Status::internal(format!("the server broke the protocol: {error}")))
    }

    /// Ends the calls whose time is over, and arms the timer for the next. A peer that sends without
    /// end keeps this task ready, and a busy runtime comes to its timers late: then the clock is asked.
    fn expire(&mut self, cx: &mut TaskContext<'_>, is_flooded: bool) {
        loop {
            let next = {
                let mut state = self.shared.lock();
                // The socket or the clock may have woken it. Whoever calls now need not: it looks
                // once more before it sleeps.
                state.asleep = None;
                state.calls.next_deadline()
            };
            if next != self.deadline_at {
                self.deadline_at = next;
                match (next, &mut self.deadline) {
                    (Some(at), Some(deadline)) => deadline.as_mut().reset(at),
                    (Some(at), none) => *none = Some(Box::pin(tokio::time::sleep_until(at))),
                    (None, _) => {}
                }
            }
            let (Some(at), Some(deadline)) = (self.deadline_at, &mut self.deadline) else { return };
            let is_over =
                deadline.as_mut().poll(cx).is_ready() || (is_flooded && at <= Instant::now());
            if !is_over {
                return;
            }
            self.deadline_at = None;
            self.shared.lock().calls.expire(Instant::now(), &mut self.woken);
            self.wake_callers();
        }
    }

    /// Looks whether the peer is alive.
    fn look(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Status> {
        while self.keepalive.poll_tick(cx).is_ready() {
            match self.heard {
                Heard::Something => self.heard = Heard::Nothing,
                Heard::Nothing => {
                    // Kept while frames come, so that it need not grow with each burst.
                    self.arrived = Vec::new();
                    if self.deadline_at.is_none() {
                        self.deadline = None;
                    }
                    self.shared.lock().calls.ping();
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

    /// Writes what there is, until the socket takes no more or those that are ready have their turn.
    fn write(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Status> {
        loop {
            self.flush(cx)?;
            if self.blocked {
                return Ok(());
            }
            let mut state = self.shared.lock();
            let calls = &mut state.calls;
            note_written(&mut self.written, calls);
            // They come first, and this task again behind them.
            if !calls.has_output() || !std::mem::replace(&mut self.gathered, true) {
                return Ok(());
            }
            self.gathered = false;
            calls.take_output(&mut self.writing, &mut self.woken);
            if calls.is_timed() {
                calls.time_taken(Instant::now());
            }
            drop(state);
            self.wake_callers();
        }
    }

    /// Hands what was taken to the socket, as far as it takes it.
    fn flush(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Status> {
        while !self.writing.is_empty() {
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
                    self.written += bytes;
                }
                Poll::Ready(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    /// Sleeps until there is something to do; ready if there never will be.
    fn rest(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let State { calls, asleep } = &mut *state;
        note_written(&mut self.written, calls);
        if self.writing.is_empty() && !calls.is_in_use() {
            return Poll::Ready(());
        }
        let (is_blocked, deadline) = (self.blocked, self.deadline_at);
        if (calls.has_output() && !is_blocked) || calls.is_due_before(deadline) {
            drop(state);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !is_blocked {
            calls.give_back();
            give_back(&mut self.writing);
        }
        *asleep = Some(Asleep { waker: cx.waker().clone(), is_blocked, deadline });
        Poll::Pending
    }
}

impl<T> Driver<T> {
    fn wake_callers(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }

    /// Ends every call, and tells those that come that there is no connection any more.
    fn fail(&mut self, status: &Status) {
        self.shared.close();
        let mut state = self.shared.lock();
        let State { calls, asleep } = &mut *state;
        note_written(&mut self.written, calls);
        calls.fail(status, &mut self.woken);
        *asleep = None;
        drop(state);
        self.wake_callers();
    }
}

/// Tells the calls that the socket has taken so many bytes since they were told last.
fn note_written(written: &mut usize, calls: &mut Calls) {
    let written = std::mem::take(written);
    if written > 0 {
        calls.written(written);
        if calls.is_timed() {
            calls.time_written(Instant::now());
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
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
