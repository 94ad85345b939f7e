//! The calls of a connection that stream, as its client sees them.
//!
//! Such a call keeps its slot until the last of those who hold it has let go
//! ([`Calls::close`]): what came before its end is still to be read, and each of them is told how it
//! ended.

use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use super::client::{Calls, OUTPUT_BYTES_MAX, Opened, Request};
use super::compression::Body;
use super::frame::{self, Header, Kind};
use super::slots::CallId;
use super::stream::{Directions, Next, Outgoing, wait};
use crate::Status;

impl Calls {
    /// Opens a call that streams. Its message is nothing where the client sends a stream.
    pub(crate) fn open_stream(
        &mut self,
        request: &Request<'_>,
        message: &impl Outgoing,
        directions: Directions,
        now: Instant,
        waker: &Waker,
    ) -> Result<Opened, Status> {
        let flags = if directions.sends { 0 } else { frame::END };
        let opened = self.begin(request, message, flags, now, waker)?;
        if let Opened::Call(id) = opened {
            self.slots.attach(id, self.link.begin(directions));
        }
        Ok(opened)
    }

    pub(super) fn receive_data(
        &mut self,
        header: Header,
        payload: Bytes,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        if header.flags & frame::END != 0 {
            return Err("DATA with END from a server".to_owned());
        }
        let body = Body::read(header.flags, payload, self.compression)?;
        let before = self.output.len();
        let stream = self.slots.waiting_stream(header.call)?;
        self.link.receive(stream, header.call, body, &mut self.output, woken)?;
        self.queued += (self.output.len() - before) as u64;
        Ok(())
    }

    pub(super) fn receive_credit(
        &mut self,
        call: u32,
        payload: Bytes,
        woken: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let stream = self.slots.waiting_stream(call).unwrap_or_default();
        self.link.credit(stream, payload, woken)
    }

    /// Puts a message out once there is credit and room for it.
    pub(crate) fn poll_send(
        &mut self,
        id: CallId,
        message: &dyn Outgoing,
        waker: &Waker,
    ) -> Poll<Result<(), Status>> {
        let (outcome, stream) = match self.slots.stream(id) {
            Some(held) => held,
            None => return Poll::Ready(Err(no_stream())),
        };
        match outcome {
            None if stream.sends() => {}
            None => return Poll::Ready(Err(Status::internal("a message behind the last one"))),
            Some(Err(status)) => return Poll::Ready(Err(status.clone())),
            Some(Ok(_)) => {
                let text = "the server has answered and takes no more messages";
                return Poll::Ready(Err(Status::cancelled(text)));
            }
        }
        if self.output.len() >= OUTPUT_BYTES_MAX {
            stream.wait_to_write(waker);
            wait(&mut self.waiting, waker);
            return Poll::Pending;
        }
        let before = self.output.len();
        let sent = self.link.poll_send(stream, id.number(), message, &mut self.output, waker);
        self.queued += (self.output.len() - before) as u64;
        sent
    }

    /// The next message, or how the call has ended once all were taken.
    pub(crate) fn poll_next(
        &mut self,
        id: CallId,
        waker: &Waker,
    ) -> Poll<Result<Option<Body>, Status>> {
        let Some((outcome, stream)) = self.slots.stream(id) else {
            return Poll::Ready(Err(no_stream()));
        };
        let before = self.output.len();
        let next = self.link.next(stream, id.number(), outcome.is_some(), &mut self.output);
        self.queued += (self.output.len() - before) as u64;
        match (next, outcome) {
            (Next::Message(message), _) => Poll::Ready(Ok(Some(message))),
            (_, Some(Ok(_))) => Poll::Ready(Ok(None)),
            (_, Some(Err(status))) => Poll::Ready(Err(status.clone())),
            (_, None) => {
                stream.wait_to_read(waker);
                Poll::Pending
            }
        }
    }

    /// The one answer to a stream of requests.
    pub(crate) fn poll_answer(&mut self, id: CallId, waker: &Waker) -> Poll<Result<Body, Status>> {
        match self.slots.stream(id) {
            None => Poll::Ready(Err(no_stream())),
            Some((Some(outcome), _)) => Poll::Ready(outcome.clone().map(Body::from)),
            Some((None, stream)) => {
                stream.wait_to_read(waker);
                Poll::Pending
            }
        }
    }

    /// Tells the server that no more messages come.
    pub(crate) fn finish(&mut self, id: CallId) {
        if let Some((None, stream)) = self.slots.stream(id)
            && stream.sends()
        {
            stream.stop_sending();
            let flags = frame::END;
            self.write(Header { kind: Kind::Data, flags, method: 0, call: id.number() }, &[]);
        }
    }

    /// Gives a call up of which others hold the other end; they are told.
    pub(crate) fn give_up(&mut self, id: CallId, woken: &mut Vec<Waker>) {
        let status = Status::cancelled("the caller gave the call up");
        if self.slots.give_up(id, status, woken) {
            self.write_cancel(id);
            self.discard(id);
        }
    }

    /// Lets go of what waits for a reader that has gone.
    pub(crate) fn discard(&mut self, id: CallId) {
        if let Some((outcome, stream)) = self.slots.stream(id) {
            let before = self.output.len();
            self.link.discard(stream, id.number(), outcome.is_some(), &mut self.output);
            self.queued += (self.output.len() - before) as u64;
        }
    }

    /// Frees the slot of a call that nobody holds any more.
    pub(crate) fn close(&mut self, id: CallId) {
        let (waited, stream) = self.slots.close(id);
        if waited {
            self.write_cancel(id);
        }
        if let Some(mut stream) = stream {
            let before = self.output.len();
            self.link.discard(&mut stream, id.number(), true, &mut self.output);
            self.queued += (self.output.len() - before) as u64;
        }
    }
}

fn no_stream() -> Status {
    Status::internal("a call that does not stream was used as one that does")
}
