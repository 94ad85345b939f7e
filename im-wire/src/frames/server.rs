//! The server's side of one connection.

use super::header::{Frame, Frames, put_frame};
use crate::closing::BAD_LENGTH;
use crate::json::{self, Dialogue, Due, Wrapped, kinds};
use crate::output::Output;
use crate::{Command, Refusal, Reply, Shown, Slot, failure};
use bytes::{Bytes, BytesMut};

/// The device of a connection that does not say which.
pub const DEVICE: &str = "desktop";

/// What one connection may make the server keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// The longest frame, with its header.
    pub frame_bytes_max: usize,
    /// Requests received and not answered. At the limit no further one is handed out, and the caller
    /// stops reading.
    pub in_flight_max: usize,
    /// Output that the client has not taken. Above it no further request is handed out. Pushes are the
    /// caller's to bound.
    pub output_bytes_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { frame_bytes_max: 64 * 1024, in_flight_max: 64, output_bytes_max: 64 * 1024 }
    }
}

/// The server's side of one connection, without its socket. The caller's loop is that of
/// [text lines](crate::text::ServerConnection); besides, it ends the connection once
/// [`ended`](Self::ended) says why.
///
/// An idle connection holds no buffers.
#[derive(Debug)]
pub struct ServerConnection {
    limits: FrameLimits,
    frames: Frames,
    dialogue: Dialogue,
    closed: bool,
    output: Output,
}

impl ServerConnection {
    /// A connection on which nothing was said yet.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            frames: Frames::new(limits.frame_bytes_max),
            dialogue: Dialogue::new(limits.in_flight_max, DEVICE),
            closed: false,
            output: Output::default(),
        }
    }

    /// Takes what was read from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.frames.receive(bytes);
        }
    }

    /// Whether to read on. False while there is something to do first, and once it is over.
    pub fn wants_input(&self) -> bool {
        let over = self.closed || self.dialogue.is_over();
        !over && (self.frames.buffered() == 0 || !self.is_blocked())
    }

    /// The next command to work on, if one may be handed out now. Frames that are no request are
    /// answered here, each in its place.
    pub fn next_command(&mut self) -> Option<(Slot, Command)> {
        if self.closed {
            return None;
        }
        if let Some(command) = self.dialogue.released() {
            return Some(command);
        }
        while self.may_look() {
            match self.frames.next_frame()? {
                Frame::Whole { kind, body } => {
                    if let Some(command) = self.dialogue.request(kind, body, Wrapped::Frame) {
                        return Some(command);
                    }
                }
                Frame::OtherVersion { kind } => {
                    let refusal = Refusal::of(failure::BAD_VERSION);
                    self.dialogue.refuse_unread(kind, Wrapped::Frame, refusal);
                }
                Frame::BadLength => self.dialogue.end(BAD_LENGTH),
                Frame::TooBig => self.dialogue.end(failure::TOO_BIG),
            }
            self.write_answers();
        }
        None
    }

    /// Whether the next frame may be looked at: a heartbeat waits for no request before it.
    fn may_look(&self) -> bool {
        !self.is_blocked()
            || (self.frames.next_kind() == Some(kinds::HEARTBEAT)
                && !self.dialogue.is_over()
                && !self.is_full())
    }

    /// Answers a command. The answer goes out once all commands before it are answered.
    pub fn reply(&mut self, slot: Slot, reply: Reply) {
        if !self.closed {
            self.dialogue.answer(slot, reply);
            self.write_answers();
        }
    }

    /// Shows something, between answers. Answers where in the output, counted from the connection's
    /// first byte, it ends.
    pub fn show(&mut self, shown: &Shown) -> u64 {
        let (kind, body) = shown.json();
        self.write(kind, body);
        self.output.end()
    }

    /// Why the connection is over by what was said on it, once everything is answered.
    pub fn ended(&self) -> Option<&'static str> {
        self.dialogue.ended()
    }

    /// Says why the connection ends, as its last frame. What is unanswered stays so.
    pub fn close(&mut self, reason: &str) {
        self.write(kinds::ERROR, &json::closing(reason));
        self.closed = true;
        self.dialogue.clear();
        self.frames = Frames::new(self.limits.frame_bytes_max);
    }

    /// What is to be written to the client.
    pub fn output(&self) -> &[u8] {
        self.output.bytes()
    }

    /// The first `taken` bytes of the output were written.
    pub fn consume_output(&mut self, taken: usize) {
        self.output.consume(taken);
    }

    /// Bytes put into the output since the connection began.
    pub fn output_end(&self) -> u64 {
        self.output.end()
    }

    /// Commands that were begun and are not answered.
    pub fn in_flight(&self) -> usize {
        self.dialogue.in_flight()
    }

    /// Bytes of memory held, for tests and metrics.
    pub fn buffer_bytes(&self) -> usize {
        self.frames.capacity() + self.output.capacity() + self.dialogue.buffer_bytes()
    }

    fn is_blocked(&self) -> bool {
        self.dialogue.is_blocked() || self.is_full()
    }

    /// Whether the client does not take its answers.
    fn is_full(&self) -> bool {
        self.output.bytes().len() > self.limits.output_bytes_max
    }

    fn write_answers(&mut self) {
        while let Some(Due { kind, body, .. }) = self.dialogue.next_answer() {
            self.write(kind, &body);
        }
    }

    fn write(&mut self, kind: u16, body: &[u8]) {
        if !self.closed {
            self.output.write(|out| put_frame(out, kind, body));
        }
    }
}

/// The only frame of a connection that is refused.
pub fn closing_frame(reason: &str) -> Bytes {
    let mut frame = BytesMut::new();
    put_frame(&mut frame, kinds::ERROR, &json::closing(reason));
    frame.freeze()
}
