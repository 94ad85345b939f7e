//! The calls of a connection that stream, as its server sees them.
//!
//! What handlers send goes to an output of its own, which the connection's task moves to the
//! socket's: handlers may be anywhere. A call id may be used again, so those who hold a stream name
//! it by a serial number too: one whose call is over is known to be.

use std::collections::HashMap;
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::OUTPUT_BYTES_KEPT;
use super::compression::{Body, Compression};
use super::frame::{self, Header, Kind};
use super::head::Settings;
use super::offer::Offer;
use super::stream::{Directions, Link, Next, Outgoing, Stream, wait};
use crate::Status;

/// How much waits for the connection's task before handlers wait for room, in bytes.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// The stream of a call, for those who hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    call: u32,
    serial: u64,
}

#[derive(Debug)]
struct Open {
    serial: u64,
    stream: Stream,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Streams {
    link: Link,
    compression: Compression,
    open: HashMap<u32, Open>,
    next_serial: u64,
    output: BytesMut,
    /// Handlers that wait for room in the output.
    waiting: Vec<Waker>,
}

impl Streams {
    /// None yet; the client said `settings` of itself.
    pub(crate) fn new(offer: impl Into<Offer>, settings: &Settings) -> Self {
        let offer = offer.into();
        let mut link = Link::new(offer.windows);
        link.settle(settings);
        Self {
            link,
            compression: offer.compression,
            open: HashMap::new(),
            next_serial: 0,
            output: BytesMut::new(),
            waiting: Vec::new(),
        }
    }

    /// The client said `settings` of itself later.
    pub(crate) fn settle(&mut self, settings: &Settings) {
        self.link.settle(settings);
    }

    /// A call whose id is not in use streams from now on.
    pub(crate) fn open(&mut self, call: u32, directions: Directions) -> Key {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.open.insert(call, Open { serial, stream: self.link.begin(directions) });
        Key { call, serial }
    }

    /// Takes a DATA or CREDIT frame. `in_use` says whether the call is at work.
    ///
    /// # Errors
    /// The client broke the protocol.
    pub(crate) fn receive(
        &mut self,
        header: Header,
        payload: Bytes,
        in_use: bool,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let call = header.call;
        let stream = self.open.get_mut(&call).map(|open| &mut open.stream);
        if header.kind == Kind::Credit {
            return self.link.credit(stream, payload, woken);
        }
        if stream.is_none() && in_use {
            return Err(format!("DATA for call {call}, which does not stream"));
        }
        if header.flags & frame::END == 0 {
            let body = Body::read(header.flags, payload, self.compression)?;
            return self.link.receive(stream, call, body, &mut self.output, woken);
        }
        if !payload.is_empty() {
            return Err(format!("DATA with END and a message for call {call}"));
        }
        stream.map_or(Ok(()), |stream| stream.end_received(woken))
    }

    /// Puts a message out once there is credit and room for it.
    pub(crate) fn poll_send(
        &mut self,
        key: Key,
        message: &dyn Outgoing,
        waker: &Waker,
    ) -> Poll<Result<(), Status>> {
        let Some(stream) = find(&mut self.open, key) else {
            return Poll::Ready(Err(over()));
        };
        if self.output.len() >= OUTPUT_BYTES_MAX {
            stream.wait_to_write(waker);
            wait(&mut self.waiting, waker);
            return Poll::Pending;
        }
        self.link.poll_send(stream, key.call, message, &mut self.output, waker)
    }

    /// The client's next message; `None` behind its last.
    pub(crate) fn poll_next(
        &mut self,
        key: Key,
        waker: &Waker,
    ) -> Poll<Result<Option<Body>, Status>> {
        let Some(stream) = find(&mut self.open, key) else {
            return Poll::Ready(Err(over()));
        };
        match self.link.next(stream, key.call, false, &mut self.output) {
            Next::Message(message) => Poll::Ready(Ok(Some(message))),
            Next::End => Poll::Ready(Ok(None)),
            Next::Nothing => {
                stream.wait_to_read(waker);
                Poll::Pending
            }
        }
    }

    /// The handler reads no more.
    pub(crate) fn discard(&mut self, key: Key) {
        if let Some(stream) = find(&mut self.open, key) {
            self.link.discard(stream, key.call, false, &mut self.output);
        }
    }

    /// A call is over; what is kept of its stream, if it had one, is let go.
    pub(crate) fn end(&mut self, call: u32, woken: &mut Vec<Waker>) {
        if let Some(mut open) = self.open.remove(&call) {
            self.link.discard(&mut open.stream, call, true, &mut self.output);
            open.stream.wake(woken);
        }
    }

    /// The connection is over, and with it all calls.
    pub(crate) fn end_all(&mut self, woken: &mut Vec<Waker>) {
        for (_, mut open) in self.open.drain() {
            open.stream.wake(woken);
        }
        self.output.clear();
        self.link.wake(woken);
        woken.append(&mut self.waiting);
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Moves what is to be written to the end of `output`.
    pub(crate) fn take_output(&mut self, output: &mut BytesMut, woken: &mut Vec<Waker>) {
        if output.is_empty() {
            std::mem::swap(&mut self.output, output);
        } else {
            output.extend_from_slice(&self.output);
            if self.output.len() > OUTPUT_BYTES_KEPT {
                self.output = BytesMut::new();
            } else {
                self.output.clear();
            }
        }
        woken.append(&mut self.waiting);
    }
}

/// The stream that `key` names, unless its call is over.
fn find(open: &mut HashMap<u32, Open>, key: Key) -> Option<&mut Stream> {
    let open = open.get_mut(&key.call)?;
    (open.serial == key.serial).then_some(&mut open.stream)
}

/// What a handler's task is told that goes on when its call does not.
fn over() -> Status {
    Status::cancelled("the call is over")
}
