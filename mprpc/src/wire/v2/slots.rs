//! The calls that a client waits for: who, for which answer, until when.
//!
//! Invariants:
//!
//! 1. A slot belongs to one caller from [`Slots::occupy`] until that caller takes its outcome
//!    ([`Slots::poll_outcome`]) or gives it up ([`Slots::abandon`]); only the caller frees it.
//! 2. A call id is the slot's index and the slot's generation, and a slot changes generation when
//!    it is freed. The server handles frames in order, so an answer to a call that was given up
//!    comes before any answer to a later call in the slot: it carries the old id and is dropped.
//!    A reply cannot reach another caller.
//! 3. Each waiting call gets exactly one outcome: its answer, its deadline, or the connection's end.

use std::task::{Poll, Waker};

use tokio::time::Instant;

use super::arrived::Answer;
use super::stream::Stream;
use crate::{Stage, Status};

/// A call on the wire: the slot's generation and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(u32);

impl CallId {
    fn new(generation: u16, index: u16) -> Self {
        Self(u32::from(generation) << 16 | u32::from(index))
    }

    /// As it stands in frames.
    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn index(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    fn generation(self) -> u16 {
        self.0.to_le_bytes()[2..].first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }
}

#[derive(Debug)]
enum State {
    Free,
    Waiting {
        deadline: Instant,
        waker: Waker,
        /// Where the call's frame begins in all that was ever put out.
        begins_at: u64,
    },
    Done(Result<Answer, Status>),
}

#[derive(Debug)]
struct Slot {
    generation: u16,
    state: State,
    /// Of a call that streams.
    stream: Option<Box<Stream>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u16>,
    /// No later than the earliest deadline of a waiting call.
    next_deadline: Option<Instant>,
}

impl Slots {
    /// How many are in use.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether somebody waits for the wire. Who holds a call that streamed and is over does not.
    pub(super) fn busy(&self) -> bool {
        let is_over = |slot: &Slot| slot.stream.is_some() && matches!(slot.state, State::Done(_));
        self.slots.iter().any(|slot| !matches!(slot.state, State::Free) && !is_over(slot))
    }

    /// Gives a slot to a call whose frame begins at `begins_at` in all that was ever put out.
    pub(super) fn occupy(&mut self, deadline: Instant, waker: Waker, begins_at: u64) -> CallId {
        if self.next_deadline.is_none_or(|next| deadline < next) {
            self.next_deadline = Some(deadline);
        }
        let state = State::Waiting { deadline, waker, begins_at };
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[usize::from(index)];
            slot.state = state;
            return CallId::new(slot.generation, index);
        }
        // The limit of calls on a connection keeps the slots far below 2^16.
        let index = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        self.slots.push(Slot { generation: 0, state, stream: None });
        CallId::new(0, index)
    }

    /// The outcome of a call, once; then its slot is free.
    pub(super) fn poll_outcome(
        &mut self,
        id: CallId,
        waker: &Waker,
    ) -> Poll<Result<Answer, Status>> {
        let slot = &mut self.slots[id.index()];
        debug_assert_eq!(slot.generation, id.generation(), "only its caller frees a slot");
        if let State::Waiting { waker: stored, .. } = &mut slot.state {
            stored.clone_from(waker);
            return Poll::Pending;
        }
        match self.release(id) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Waiting { .. } | State::Free => {
                Poll::Ready(Err(Status::internal("a call was polled after its end")))
            }
        }
    }

    /// Frees the slot of a call that is given up; whether it still waited.
    pub(super) fn abandon(&mut self, id: CallId) -> bool {
        matches!(self.release(id), State::Waiting { .. })
    }

    /// Makes the call in a slot one that streams.
    pub(super) fn attach(&mut self, id: CallId, stream: Stream) {
        self.slots[id.index()].stream = Some(Box::new(stream));
    }

    /// What a call that streams has come to, if it is over, and its stream, for whoever holds its
    /// slot.
    pub(super) fn stream(
        &mut self,
        id: CallId,
    ) -> Option<(Option<&Result<Answer, Status>>, &mut Stream)> {
        let slot = &mut self.slots[id.index()];
        debug_assert_eq!(slot.generation, id.generation(), "only its caller frees a slot");
        let outcome = match &slot.state {
            State::Done(outcome) => Some(outcome),
            State::Waiting { .. } | State::Free => None,
        };
        slot.stream.as_deref_mut().map(|stream| (outcome, stream))
    }

    /// The stream of the call with this number, as the wire names it, if the call waits. An error
    /// for a call that waits and has none.
    pub(super) fn waiting_stream(&mut self, number: u32) -> Result<Option<&mut Stream>, String> {
        let id = CallId(number);
        match self.slots.get_mut(id.index()) {
            Some(Slot { generation, state: State::Waiting { .. }, stream })
                if *generation == id.generation() =>
            {
                let missing = || format!("call {number} does not stream");
                stream.as_deref_mut().map(Some).ok_or_else(missing)
            }
            _ => Ok(None),
        }
    }

    /// Ends a call that streams and waits, because its caller gives it up; whether it did wait.
    /// Its slot stays the caller's.
    pub(super) fn give_up(&mut self, id: CallId, status: Status, woken: &mut Vec<Waker>) -> bool {
        let slot = &mut self.slots[id.index()];
        let waits = matches!(slot.state, State::Waiting { .. });
        slot.end(Err(status), woken);
        waits
    }

    /// Frees the slot of a call that streams; whether it still waited, and the stream.
    pub(super) fn close(&mut self, id: CallId) -> (bool, Option<Box<Stream>>) {
        let stream = self.slots[id.index()].stream.take();
        (self.abandon(id), stream)
    }

    fn release(&mut self, id: CallId) -> State {
        let slot = &mut self.slots[id.index()];
        slot.generation = slot.generation.wrapping_add(1);
        if let Ok(index) = u16::try_from(id.index()) {
            self.free.push(index);
        }
        std::mem::replace(&mut slot.state, State::Free)
    }

    /// Hands the outcome of the call with this number to its caller, if it still waits.
    pub(super) fn complete(
        &mut self,
        number: u32,
        outcome: Result<Answer, Status>,
        woken: &mut Vec<Waker>,
    ) {
        let id = CallId(number);
        // A slot of another generation, or one that does not wait: the call was given up.
        let Some(slot) = self.slots.get_mut(id.index()) else {
            return;
        };
        if slot.generation == id.generation() {
            slot.end(outcome, woken);
        }
    }

    /// The time at which [`expire`](Self::expire) wants to be called, if any call waits.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Ends the calls whose time is over, and says which they were. The socket has taken `written`
    /// bytes of all that was put out.
    ///
    /// One timer serves all calls of the connection: it is armed for the earliest deadline seen,
    /// and the calls are looked through only when it fires. With deadlines that lie a timeout
    /// ahead this happens about once a timeout, however many calls there are.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        written: u64,
        woken: &mut Vec<Waker>,
    ) -> Vec<CallId> {
        let mut expired = Vec::new();
        self.next_deadline = None;
        for (index, slot) in (0..).zip(&mut self.slots) {
            let State::Waiting { deadline, begins_at, .. } = slot.state else {
                continue;
            };
            if deadline > now {
                let next = self.next_deadline.map_or(deadline, |next| next.min(deadline));
                self.next_deadline = Some(next);
                continue;
            }
            let status = if begins_at < written {
                Status::deadline_exceeded("no answer within the time for the call").at(Stage::Wait)
            } else {
                // Its frame is still put out, with a CANCEL behind it.
                let text = "the socket did not take the request within the time for the call";
                Status::deadline_exceeded(text).at(Stage::Write)
            };
            slot.end(Err(status), woken);
            expired.push(CallId::new(slot.generation, index));
        }
        expired
    }

    /// Ends every waiting call because the connection is over, after the socket had taken
    /// `written` bytes of all that was put out.
    pub(super) fn fail(&mut self, status: &Status, written: u64, woken: &mut Vec<Waker>) {
        for slot in &mut self.slots {
            let State::Waiting { begins_at, .. } = slot.state else {
                continue;
            };
            let status = status.clone();
            let status = if begins_at < written {
                status.at(Stage::Wait)
            } else {
                status.not_executed().at(Stage::Write)
            };
            slot.end(Err(status), woken);
        }
    }
}

impl Slot {
    /// Ends the call in this slot, if it waits.
    fn end(&mut self, outcome: Result<Answer, Status>, woken: &mut Vec<Waker>) {
        if !matches!(self.state, State::Waiting { .. }) {
            return;
        }
        let done = State::Done(outcome);
        if let State::Waiting { waker, .. } = std::mem::replace(&mut self.state, done) {
            woken.push(waker);
        }
        if let Some(stream) = &mut self.stream {
            stream.wake(woken);
        }
    }
}
