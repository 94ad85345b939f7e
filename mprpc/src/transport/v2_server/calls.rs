//! The calls of a server's connection: how they begin, and how they end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::Stream;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::v2_leaving::forced;
use super::super::v2_server_streams::ServerStreams;
use super::handlers::Pending;
use super::{Connection, HELD_BYTES_MAX, OUTPUT_BYTES_MAX};
use crate::server::{Arrival, Method};
use crate::service::{Call, Kind};
use crate::wire::v2::compression::Body;
use crate::wire::v2::frame::{FRAME_BYTES_MAX, Incoming};
use crate::wire::v2::server::Event;
use crate::{Caller, Context, Status};

/// How many handlers of the set that have become ready are taken in a row, so that reading and
/// writing have their turns.
const READY_IN_A_ROW_MAX: usize = 256;

/// What a call came with, as its connection needs it.
struct Terms {
    call: u32,
    deadline: Instant,
    /// How long its message and its metadata are.
    bytes: usize,
}

/// A handler of the set, with a buffer of its own for its answer.
pub(super) struct Running {
    call: u32,
    handler: Call,
    answer: BytesMut,
}

/// A handler's answer, and how long it took if its caller wants to know.
pub(super) struct Answer {
    message: BytesMut,
    served: Duration,
}

impl Future for Running {
    type Output = (u32, Result<Answer, Status>);

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = this.handler.poll_reply(cx, &mut this.answer);
        polled.map(|done| {
            let message = std::mem::take(&mut this.answer);
            let answer = done.map(|()| Answer { message, served: this.handler.served() });
            (this.call, answer)
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    pub(super) fn handle(&mut self, incoming: Incoming, now: Instant) -> Result<(), String> {
        let services = &self.services;
        let event = self.frames.receive(incoming, |path| services.find(path), &mut self.output)?;
        let Some(event) = self.let_in(event)? else { return Ok(()) };
        match event {
            Event::Call { call, method, timeout_us, metadata, timed, message, ended } => {
                self.check_free(call)?;
                if self.leaving.is_forced() {
                    self.frames.refuse(call, &forced().not_executed(), &mut self.output);
                    return Ok(());
                }
                let bytes = message.len() + metadata.bytes();
                if let Err(status) = self.handlers.admit(bytes) {
                    self.refuse(call, &status.not_executed());
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
                    self.frames.refuse(call, &status.not_executed(), &mut self.output);
                    return Ok(());
                }
                if !method.is_always_taken() && !self.places.has_one_beside(self.handlers.len()) {
                    self.frames.refuse(call, &self.places.refusal(), &mut self.output);
                    return Ok(());
                }
                let cx = Context::received(deadline, Arc::clone(&self.origin), metadata);
                let terms = Terms { call, deadline, bytes };
                if !ended || method.kind() != Kind::Unary {
                    self.open_stream(terms, &method, cx, message, ended);
                    return Ok(());
                }
                let arrival = Arrival { read_at: self.read_at, timed };
                match method.call(cx, message, None, arrival) {
                    Ok(handler) if timed => self.start_timed(terms, handler),
                    Ok(handler) => self.start(terms, handler),
                    Err(status) => self.refuse(call, &status),
                }
            }
            Event::Refuse { call, status } => {
                self.check_free(call)?;
                self.refuse(call, &status);
            }
            Event::Cancel { call } => self.stop(call),
            Event::Settings(settings) => {
                if let Some(streams) = &self.streams {
                    streams.settle(&settings);
                }
            }
            Event::Stream(header, payload) => {
                let in_use = self.handlers.has(header.call);
                self.streams().receive(header, payload, in_use)?;
            }
            // Nobody is asked, or the caller was let in.
            Event::Auth(_) | Event::Strange { .. } | Event::None => {}
        }
        Ok(())
    }

    /// Nothing is done for a caller that has still to show who it is, whatever it asks for: what is
    /// served here is not its business either.
    fn let_in(&mut self, event: Event<Method>) -> Result<Option<Event<Method>>, String> {
        let Some(asking) = &mut self.asking else { return Ok(Some(event)) };
        match event {
            Event::Auth(token) if asking.is_satisfied_by(token.expose()) => {
                self.asking = None;
                self.decoder.accept(FRAME_BYTES_MAX);
                self.frames.open();
                self.know(Caller::with_token());
                return Ok(None);
            }
            Event::Auth(_) => {}
            Event::Strange { call } => {
                self.frames.refuse(call, asking.refusal(), &mut self.output);
                self.origin.refused(asking.refusal());
            }
            event => return Ok(Some(event)),
        }
        if asking.refused() {
            self.origin.kept_out(asking.refusal().message());
        }
        Ok(None)
    }

    /// An id that is in use breaks the protocol.
    fn check_free(&self, call: u32) -> Result<(), String> {
        if self.handlers.has(call) { Err(format!("call id {call} is in use")) } else { Ok(()) }
    }

    /// Ends a call before its handler does; who does so for another than its caller answers it.
    pub(super) fn stop(&mut self, call: u32) {
        if let Some(pending) = self.handlers.stop(call) {
            end_stream(self.streams.as_ref(), call, &pending, &mut self.output);
        }
    }

    /// Polls a new handler once; its answer is put out, or it joins the set.
    fn start(&mut self, terms: Terms, mut handler: Call) {
        let call = terms.call;
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
            self.join(terms, handler, false);
        }
    }

    /// The same for a call whose caller wants to know how long it takes: that stands before the
    /// answer, which therefore cannot be written in place.
    fn start_timed(&mut self, terms: Terms, handler: Call) {
        let call = terms.call;
        let mut running = Running { call, handler, answer: BytesMut::new() };
        let mut nobody = TaskContext::from_waker(Waker::noop());
        match Pin::new(&mut running).poll(&mut nobody) {
            Poll::Ready((call, answer)) => self.answer(call, answer),
            Poll::Pending => self.join(terms, running.handler, false),
        }
    }

    fn answer(&mut self, call: u32, answer: Result<Answer, Status>) {
        let answered = answer.and_then(|Answer { message, served }| {
            self.frames.respond_served(call, served, &mut self.output, |output| {
                output.extend_from_slice(&message);
                Ok(())
            })
        });
        if let Err(status) = answered {
            self.frames.refuse(call, &status, &mut self.output);
        }
    }

    /// Begins a call that streams. Its handler is not polled in place: what it sends has to stand
    /// before its answer.
    fn open_stream(
        &mut self,
        terms: Terms,
        method: &Method,
        cx: Context,
        message: Body,
        ended: bool,
    ) {
        let call = terms.call;
        let begun = match method.kind().directions() {
            Some(directions) if directions.receives != ended => {
                let opened = self.streams().open(call, directions);
                let arrival = Arrival { read_at: self.read_at, timed: false };
                method.clone().call(cx, message, Some(opened), arrival)
            }
            _ => Err(method.is_of_another_kind()),
        };
        match begun {
            Ok(handler) => self.join(terms, handler, true),
            Err(status) => {
                if let Some(streams) = &self.streams {
                    streams.end(call, &mut self.output);
                }
                self.refuse(call, &status);
            }
        }
    }

    /// Answers a request that makes no sense here.
    fn refuse(&mut self, call: u32, status: &Status) {
        self.origin.refused(status);
        self.frames.refuse(call, status, &mut self.output);
    }

    fn streams(&mut self) -> &ServerStreams {
        let (offer, frames) = (self.offer, &self.frames);
        let new = || ServerStreams::new(offer, frames);
        self.streams.get_or_insert_with(new)
    }

    fn join(&mut self, terms: Terms, handler: Call, streams: bool) {
        let Terms { call, deadline, bytes } = terms;
        let (abort, registration) = AbortHandle::new_pair();
        self.handlers.begin(call, Pending { abort, deadline, streams, bytes });
        let running = Running { call, handler, answer: BytesMut::new() };
        self.running.push(Abortable::new(running, registration));
        if self.deadline_at.is_none_or(|at| deadline < at) {
            self.deadline_at = Some(deadline);
            self.deadline.as_mut().reset(deadline);
        }
    }

    /// Puts out the answers of handlers that have become ready.
    pub(super) fn finish(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut moved = false;
        for _ in 0..READY_IN_A_ROW_MAX {
            if self.output.len() >= HELD_BYTES_MAX {
                break;
            }
            let Poll::Ready(Some(ended)) = Pin::new(&mut self.running).poll_next(cx) else {
                break;
            };
            moved = true;
            // An aborted one was taken off by whoever aborted it.
            let Ok((call, answer)) = ended else { continue };
            let Some(pending) = self.handlers.end(call) else { continue };
            end_stream(self.streams.as_ref(), call, &pending, &mut self.output);
            self.answer(call, answer);
        }
        if let Some(streams) = &self.streams {
            let has_output = streams.poll_output(cx);
            moved |= has_output && self.output.len() < OUTPUT_BYTES_MAX;
        }
        moved
    }

    /// Stops the handlers whose time is over. As at the client, one timer serves all calls.
    pub(super) fn expire(&mut self, cx: &mut TaskContext<'_>) {
        while self.deadline_at.is_some() && self.deadline.as_mut().poll(cx).is_ready() {
            let (expired, next) = self.handlers.expired(Instant::now());
            for call in expired {
                self.stop(call);
                let status = Status::deadline_exceeded("the handler was stopped at the deadline");
                self.frames.refuse(call, &status, &mut self.output);
            }
            self.deadline_at = next;
            if let Some(at) = next {
                self.deadline.as_mut().reset(at);
            }
        }
    }
}

/// Lets go of the stream of a call that is over, if it had one; what its handler has sent goes out.
fn end_stream(
    streams: Option<&ServerStreams>,
    call: u32,
    pending: &Pending,
    output: &mut BytesMut,
) {
    if pending.streams
        && let Some(streams) = streams
    {
        streams.end(call, output);
    }
}
