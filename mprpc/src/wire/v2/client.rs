//! The calls of one connection, as its client sees them.
//!
//! Invariants:
//!
//! 1. A slot belongs to one caller from [`Calls::open`] until that caller takes its outcome
//!    ([`Calls::poll_outcome`]) or gives it up ([`Calls::abandon`]); only the caller frees it.
//! 2. A call id is the slot's index and the slot's generation, and a slot changes generation when
//!    it is freed. The server handles frames in order, so an answer to a call that was given up
//!    comes before any answer to a later call in the slot: it carries the old id and is dropped.
//!    A reply cannot reach another caller.
//! 3. Each waiting call gets exactly one outcome: its answer, its deadline, or the connection's end.
//! 4. Whether a call may have been executed is known at the connection's end: it was not if no
//!    byte of its frame had been handed to the socket.

use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::time::Instant;

use super::frame::{self, FRAME_BYTES_MAX, Header, Incoming, Kind};
use super::head::{self, GoAway, RequestHead, ResponseHead, Settings};
use crate::{Metadata, ServiceDescriptor, Status};

/// How many calls a connection carries at once unless the server allows fewer.
pub(crate) const CALLS_MAX: u32 = 32_768;

/// How much waits for the socket before callers wait for room, in bytes.
const OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A call on the wire: the slot's generation and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(u32);

impl CallId {
    fn new(generation: u16, index: u16) -> Self {
        Self(u32::from(generation) << 16 | u32::from(index))
    }

    fn index(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    fn generation(self) -> u16 {
        self.0.to_le_bytes()[2..]
            .first_chunk()
            .map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }
}

/// What a call is addressed with and carries besides its message.
pub(crate) struct Request<'a> {
    pub(crate) service: &'static ServiceDescriptor,
    /// The method's index in the service.
    pub(crate) index: usize,
    /// The number that the method has on every connection of its channel.
    pub(crate) method: u16,
    pub(crate) deadline: Instant,
    pub(crate) metadata: Option<&'a Metadata>,
}

/// What opening a call came to.
pub(crate) enum Opened {
    /// Its frame stands in the output.
    Call(CallId),
    /// Too much waits for the socket; the waker given is woken when there is room.
    Full,
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
    Done(Result<Bytes, Status>),
}

#[derive(Debug)]
struct Slot {
    generation: u16,
    state: State,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Calls {
    slots: Vec<Slot>,
    free: Vec<u16>,
    output: BytesMut,
    /// How many bytes were ever put into `output`, and how many of them the socket has taken.
    queued: u64,
    written: u64,
    /// Which method numbers the server knows the names of.
    introduced: Vec<bool>,
    waiting_for_room: Vec<Waker>,
    /// No later than the earliest deadline of a waiting call.
    next_deadline: Option<Instant>,
    peer_frame_bytes_max: u32,
    peer_calls_max: u32,
    /// Why no more calls can be opened.
    refusal: Option<Status>,
}

impl Calls {
    /// The calls of a new connection; its preface stands in the output.
    pub(crate) fn new() -> Self {
        let mut output = BytesMut::new();
        output.extend_from_slice(&super::PREFACE);
        let settings = Settings {
            frame_bytes_max: FRAME_BYTES_MAX,
            calls_max: 0,
        };
        frame::write(
            &mut output,
            Header::connection(Kind::Settings),
            &settings.encode_to_vec(),
        );
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            queued: output.len() as u64,
            written: 0,
            output,
            introduced: Vec::new(),
            waiting_for_room: Vec::new(),
            next_deadline: None,
            peer_frame_bytes_max: FRAME_BYTES_MAX,
            peer_calls_max: CALLS_MAX,
            refusal: None,
        }
    }

    /// Opens a call: gives it a slot and puts its frame out.
    pub(crate) fn open(
        &mut self,
        request: &Request<'_>,
        message: &impl Message,
        now: Instant,
        waker: &Waker,
    ) -> Result<Opened, Status> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let head = self.request_head(request, now);
        let size = head::written_len(&head) + message.encoded_len();
        if size > self.peer_frame_bytes_max as usize {
            return Err(Status::resource_exhausted(format!(
                "a request of {size} bytes, and the server accepts {}",
                self.peer_frame_bytes_max
            ))
            .not_executed());
        }
        if self.in_flight() >= self.peer_calls_max as usize {
            return Err(Status::resource_exhausted(format!(
                "{} calls are in flight on the connection, and it carries no more",
                self.in_flight()
            ))
            .not_executed());
        }
        if self.output.len() >= OUTPUT_BYTES_MAX {
            self.waiting_for_room.push(waker.clone());
            return Ok(Opened::Full);
        }

        let id = self.occupy(request.deadline, waker.clone());
        self.write_request(id, request.method, &head, message);
        if self
            .next_deadline
            .is_none_or(|next| request.deadline < next)
        {
            self.next_deadline = Some(request.deadline);
        }
        Ok(Opened::Call(id))
    }

    fn occupy(&mut self, deadline: Instant, waker: Waker) -> CallId {
        let state = State::Waiting {
            deadline,
            waker,
            begins_at: self.queued,
        };
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[usize::from(index)];
            slot.state = state;
            return CallId::new(slot.generation, index);
        }
        // CALLS_MAX bounds the slots far below 2^16.
        let index = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        self.slots.push(Slot {
            generation: 0,
            state,
        });
        CallId::new(0, index)
    }

    fn request_head(&self, request: &Request<'_>, now: Instant) -> RequestHead {
        let introduced = self.introduced.get(usize::from(request.method)) == Some(&true);
        let left = request.deadline.saturating_duration_since(now);
        RequestHead {
            path: if introduced {
                String::new()
            } else {
                request.service.path(request.index)
            },
            // Zero would say that there is no deadline.
            timeout_us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX).max(1),
            metadata: request.metadata.map(head::entries).unwrap_or_default(),
        }
    }

    fn write_request(
        &mut self,
        id: CallId,
        method: u16,
        head: &RequestHead,
        message: &impl Message,
    ) {
        let number = usize::from(method);
        if self.introduced.len() <= number {
            self.introduced.resize(number + 1, false);
        }
        self.introduced[number] = true;
        let before = self.output.len();
        let start = frame::begin(&mut self.output);
        head::write(head, &mut self.output);
        self.output.reserve(message.encoded_len());
        message.encode_raw(&mut self.output);
        let header = Header {
            kind: Kind::Request,
            flags: frame::END,
            method,
            call: id.0,
        };
        frame::end(&mut self.output, start, header);
        self.queued += (self.output.len() - before) as u64;
    }

    /// The outcome of a call, once; then its slot is free.
    pub(crate) fn poll_outcome(
        &mut self,
        id: CallId,
        waker: &Waker,
    ) -> Poll<Result<Bytes, Status>> {
        let slot = &mut self.slots[id.index()];
        debug_assert_eq!(
            slot.generation,
            id.generation(),
            "only its caller frees a slot"
        );
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

    /// Gives a call up: its slot is free, and the server is told unless the answer had come.
    pub(crate) fn abandon(&mut self, id: CallId) {
        if matches!(self.release(id), State::Waiting { .. }) {
            self.write_cancel(id);
        }
    }

    fn release(&mut self, id: CallId) -> State {
        let slot = &mut self.slots[id.index()];
        slot.generation = slot.generation.wrapping_add(1);
        if let Ok(index) = u16::try_from(id.index()) {
            self.free.push(index);
        }
        std::mem::replace(&mut slot.state, State::Free)
    }

    fn write_cancel(&mut self, id: CallId) {
        self.write(
            Header {
                kind: Kind::Cancel,
                flags: frame::END,
                method: 0,
                call: id.0,
            },
            &[],
        );
    }

    fn write(&mut self, header: Header, payload: &[u8]) {
        let before = self.output.len();
        frame::write(&mut self.output, header, payload);
        self.queued += (self.output.len() - before) as u64;
    }

    /// Puts out a ping.
    pub(crate) fn ping(&mut self) {
        self.write(Header::connection(Kind::Ping), &[]);
    }

    /// Takes what came off the wire. Callers to wake are added to `woken`, to be woken without
    /// the lock held.
    ///
    /// # Errors
    /// The server broke the protocol; the connection cannot go on.
    pub(crate) fn receive(
        &mut self,
        incoming: Incoming,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let (header, mut payload) = match incoming {
            Incoming::Frame(header, payload) => (header, payload),
            Incoming::TooLarge(header, bytes) if header.kind == Kind::Response => {
                let status = Status::resource_exhausted(format!(
                    "an answer of {bytes} bytes, and {FRAME_BYTES_MAX} are accepted"
                ));
                self.complete(header.call, Err(status), woken);
                return Ok(());
            }
            Incoming::TooLarge(header, bytes) => {
                return Err(format!("a {:?} frame of {bytes} bytes", header.kind));
            }
        };
        match header.kind {
            Kind::Response => {
                let outcome = match head::read::<ResponseHead>(&mut payload) {
                    Ok(head) => head.into_status().map_or(Ok(payload), Err),
                    Err(error) => Err(Status::internal(format!("the answer's head: {error}"))),
                };
                self.complete(header.call, outcome, woken);
            }
            Kind::Settings => {
                let settings = Settings::decode(payload).map_err(|error| error.to_string())?;
                if settings.frame_bytes_max > 0 {
                    self.peer_frame_bytes_max = settings.frame_bytes_max;
                }
                if settings.calls_max > 0 {
                    self.peer_calls_max = settings.calls_max.min(CALLS_MAX);
                }
            }
            Kind::Ping => self.write(Header::connection(Kind::Pong), &payload),
            Kind::Pong => {}
            Kind::GoAway => {
                let reason = GoAway::decode(payload).map_err(|error| error.to_string())?;
                self.refuse(Status::unavailable(reason.message).not_executed());
            }
            Kind::Request | Kind::Cancel => {
                return Err(format!("a {:?} frame from a server", header.kind));
            }
        }
        Ok(())
    }

    /// Opens no more calls; those in flight go on.
    pub(crate) fn refuse(&mut self, status: Status) {
        self.refusal.get_or_insert(status);
    }

    /// Whether calls can be opened.
    pub(crate) fn is_open(&self) -> bool {
        self.refusal.is_none()
    }

    fn complete(&mut self, call: u32, outcome: Result<Bytes, Status>, woken: &mut Vec<Waker>) {
        let id = CallId(call);
        // A slot of another generation, or one that does not wait: the call was given up.
        let Some(slot) = self.slots.get_mut(id.index()) else {
            return;
        };
        if slot.generation != id.generation() || !matches!(slot.state, State::Waiting { .. }) {
            return;
        }
        if let State::Waiting { waker, .. } =
            std::mem::replace(&mut slot.state, State::Done(outcome))
        {
            woken.push(waker);
        }
    }

    /// The time at which [`expire`](Self::expire) wants to be called, if any call waits.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Ends the calls whose time is over.
    ///
    /// One timer serves all calls of the connection: it is armed for the earliest deadline seen,
    /// and the calls are looked through only when it fires. With deadlines that lie a timeout
    /// ahead this happens about once a timeout, however many calls there are.
    pub(crate) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let mut next = None;
        let mut expired = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let State::Waiting { deadline, .. } = slot.state else {
                continue;
            };
            if deadline > now {
                next = Some(next.map_or(deadline, |next: Instant| next.min(deadline)));
                continue;
            }
            let status = Status::deadline_exceeded("no answer within the time for the call");
            let done = State::Done(Err(status));
            if let State::Waiting { waker, .. } = std::mem::replace(&mut slot.state, done) {
                woken.push(waker);
                expired.push(CallId::new(
                    slot.generation,
                    u16::try_from(index).unwrap_or(u16::MAX),
                ));
            }
        }
        self.next_deadline = next;
        for id in expired {
            self.write_cancel(id);
        }
    }

    /// Ends every waiting call because the connection is over.
    pub(crate) fn fail(&mut self, status: &Status, woken: &mut Vec<Waker>) {
        self.refuse(status.clone().not_executed());
        for slot in &mut self.slots {
            let State::Waiting { begins_at, .. } = slot.state else {
                continue;
            };
            let status = status.clone();
            let status = if begins_at >= self.written {
                status.not_executed()
            } else {
                status
            };
            let done = State::Done(Err(status));
            if let State::Waiting { waker, .. } = std::mem::replace(&mut slot.state, done) {
                woken.push(waker);
            }
        }
        self.output.clear();
        woken.append(&mut self.waiting_for_room);
    }

    /// Moves what is to be written into `writing`, which is empty, and says whether there is any.
    pub(crate) fn take_output(&mut self, writing: &mut BytesMut, woken: &mut Vec<Waker>) -> bool {
        std::mem::swap(&mut self.output, writing);
        woken.append(&mut self.waiting_for_room);
        !writing.is_empty()
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// The socket took `bytes` more.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// How many slots are in use.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
