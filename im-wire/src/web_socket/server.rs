//! The server's side of one connection.

use super::messages::{Incoming, Messages};
use crate::closing::{BAD_LENGTH, LOGGED_OUT, close_code};
use crate::frames::{Frame, Frames, HEADER_BYTES, kind_of, put_frame};
use crate::json::{Dialogue, Due, Wrapped, envelope, kinds};
use crate::{Command, Refusal, Reply, Shown, Slot, failure};
use bytes::Bytes;

/// The device of a connection that does not say which.
pub const DEVICE: &str = "web";

/// What one connection may make the server keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketLimits {
    /// The longest message.
    pub message_bytes_max: usize,
    /// Requests received and not answered. At the limit no further one is handed out, and the caller
    /// stops reading.
    pub in_flight_max: usize,
    /// Output that the client has not taken. Above it no further request is handed out. Pushes are the
    /// caller's to bound.
    pub output_bytes_max: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self { message_bytes_max: 64 * 1024, in_flight_max: 64, output_bytes_max: 64 * 1024 }
    }
}

/// The server's side of one connection after its handshake, without its socket. The caller's loop is
/// that of [frames](crate::frames::ServerConnection); besides, it ends the connection once
/// [`is_over`](Self::is_over) and the output is written, and may [`ping`](Self::ping).
///
/// An idle connection holds no buffers.
#[derive(Debug)]
pub struct ServerConnection {
    limits: SocketLimits,
    messages: Messages,
    /// One that is no heartbeat, and waits until requests may be looked at again.
    next: Option<Box<Incoming>>,
    dialogue: Dialogue,
    /// By us.
    closed: bool,
}

impl ServerConnection {
    /// A connection on which nothing was said yet.
    pub fn new(limits: SocketLimits) -> Self {
        Self {
            limits,
            messages: Messages::new(limits.message_bytes_max),
            next: None,
            dialogue: Dialogue::new(limits.in_flight_max, DEVICE),
            closed: false,
        }
    }

    /// Takes what was read from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.messages.receive(bytes);
    }

    /// Whether to read on. False while there is something to do first, and once it is over.
    pub fn wants_input(&self) -> bool {
        let over = self.messages.is_over() || self.dialogue.is_over();
        let drained = self.messages.is_drained() && self.next.is_none();
        !over && (drained || !self.is_blocked())
    }

    /// The next command to work on, if one may be handed out now. Messages that are no request are
    /// answered here, each in its place.
    pub fn next_command(&mut self) -> Option<(Slot, Command)> {
        // What was asked before the connection was closed is done all the same.
        if let Some(command) = self.dialogue.released() {
            return Some(command);
        }
        if self.messages.is_over() {
            return None;
        }
        while let Some(message) = self.next_message() {
            let asked = match message {
                Incoming::Text(text) => self.text(&text),
                Incoming::Binary(bytes) => self.binary(&bytes),
                Incoming::Closed => return None,
            };
            if asked.is_some() {
                return asked;
            }
            self.write_answers();
        }
        None
    }

    /// The next message that may be looked at: a heartbeat waits for no request before it, and whoever
    /// closes the connection waits for nothing.
    fn next_message(&mut self) -> Option<Incoming> {
        let waits = self.is_blocked();
        if waits && (self.next.is_some() || self.is_full() || self.dialogue.is_over()) {
            return None;
        }
        let next = self.next.take().map(|next| *next);
        let message = next.or_else(|| self.messages.next_message())?;
        let exempt = |message: &Incoming| match message {
            Incoming::Text(text) => {
                envelope::open(text).is_ok_and(|opened| opened.kind == kinds::HEARTBEAT)
            }
            Incoming::Binary(bytes) => kind_of(bytes) == Some(kinds::HEARTBEAT),
            Incoming::Closed => true,
        };
        if waits && !exempt(&message) {
            self.next = Some(Box::new(message));
            return None;
        }
        Some(message)
    }

    fn text(&mut self, text: &[u8]) -> Option<(Slot, Command)> {
        match envelope::open(text) {
            Ok(envelope::Opened { kind, id, body }) => {
                let body = body.as_ref().map_or("", |body| body.get());
                self.dialogue.request(kind, body.as_bytes(), Wrapped::Envelope(id))
            }
            Err((id, refusal)) => {
                self.dialogue.refuse_unread(0, Wrapped::Envelope(id), refusal);
                None
            }
        }
    }

    /// Exactly one frame.
    fn binary(&mut self, bytes: &[u8]) -> Option<(Slot, Command)> {
        let mut frames = Frames::new(self.limits.message_bytes_max.max(HEADER_BYTES));
        frames.receive(bytes);
        let found = frames.next_frame();
        match found {
            Some(Frame::Whole { kind, body }) if HEADER_BYTES + body.len() == bytes.len() => {
                self.dialogue.request(kind, body, Wrapped::Frame)
            }
            Some(Frame::OtherVersion { kind }) => {
                let refusal = Refusal::of(failure::BAD_VERSION);
                self.dialogue.refuse_unread(kind, Wrapped::Frame, refusal);
                None
            }
            _ => {
                self.dialogue.end(BAD_LENGTH);
                None
            }
        }
    }

    /// Answers a command. The answer goes out once all commands before it are answered; nowhere, once
    /// the connection is closed.
    pub fn reply(&mut self, slot: Slot, reply: Reply) {
        if !self.closed {
            self.dialogue.answer(slot, reply);
            self.write_answers();
        }
    }

    /// Shows something, between answers, in the form in which the session was logged in. Answers where
    /// in the output, counted from the connection's first byte, it ends.
    pub fn show(&mut self, shown: &Shown) -> u64 {
        let (kind, body) = shown.json();
        match self.dialogue.is_framed() {
            true => self.send_frame(kind, body),
            false => self.send_envelope(&envelope::head(kind, None), body),
        }
        self.output_end()
    }

    /// Why the connection is over by what was said on it, once everything is answered.
    pub fn ended(&self) -> Option<&'static str> {
        self.dialogue.ended()
    }

    /// Whether one of both has closed it: nothing is said after what the output has.
    pub fn is_over(&self) -> bool {
        self.messages.is_over()
    }

    /// Asks whether the client is there.
    pub fn ping(&mut self) {
        self.messages.ping();
    }

    /// Says why the connection ends, as its last word. What is unanswered stays so.
    pub fn close(&mut self, reason: &str) {
        // Whoever has said goodbye is no client whose session was ended.
        let code = match self.dialogue.ended() {
            Some(LOGGED_OUT) => NORMAL,
            _ => close_code(reason),
        };
        self.messages.close(code, reason);
        (self.closed, self.next) = (true, None);
        self.dialogue.clear();
    }

    /// What is to be written to the client.
    pub fn output(&self) -> &[u8] {
        self.messages.output()
    }

    /// The first `taken` bytes of the output were written.
    pub fn consume_output(&mut self, taken: usize) {
        self.messages.consume_output(taken);
    }

    /// Bytes put into the output since the connection began.
    pub fn output_end(&self) -> u64 {
        self.messages.output_end()
    }

    /// Commands that were begun and are not answered.
    pub fn in_flight(&self) -> usize {
        self.dialogue.in_flight()
    }

    /// Bytes of memory held, about, for tests and metrics.
    pub fn buffer_bytes(&self) -> usize {
        self.messages.buffer_bytes() + self.dialogue.buffer_bytes()
    }

    fn is_blocked(&self) -> bool {
        self.dialogue.is_blocked() || self.is_full()
    }

    /// Whether the client does not take its answers.
    fn is_full(&self) -> bool {
        self.output().len() > self.limits.output_bytes_max
    }

    fn write_answers(&mut self) {
        while let Some(Due { kind, body, wrapped }) = self.dialogue.next_answer() {
            match wrapped {
                Wrapped::Frame => self.send_frame(kind, &body),
                Wrapped::Envelope(id) => {
                    self.send_envelope(&envelope::head(kind, id.as_ref()), &body);
                }
            }
        }
    }

    fn send_frame(&mut self, kind: u16, body: &[u8]) {
        self.messages.send_binary(HEADER_BYTES + body.len(), |out| put_frame(out, kind, body));
    }

    fn send_envelope(&mut self, head: &[u8], body: &[u8]) {
        let bytes = head.len() + body.len() + 1;
        self.messages.send_text(bytes, |out| envelope::put(out, head, body));
    }
}

/// The code of a connection that ends as both want.
const NORMAL: u16 = 1000;

/// The only frame of a connection that is refused after its handshake.
pub fn closing_frame(reason: &str) -> Bytes {
    let mut messages = Messages::new(0);
    messages.close(close_code(reason), reason);
    Bytes::copy_from_slice(messages.output())
}
