//! The server's side of one connection.

use super::{
    escape::Escaped,
    line::{Line, LineDecoder},
    message::PushLine,
    parse::parse,
};
use crate::{Command, Reply, Slot, failure, output::Output, pipeline::Pipeline};
use bytes::{BufMut, BytesMut};
use std::fmt::Write;

/// The first line that a client sees.
pub const WELCOME: &str = "+OK welcome. Commands: REGISTER/LOGIN/SEND/PULL";

/// What one connection may make the server keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// The longest line, without its end. A longer one is answered `line too long` and skipped.
    pub line_bytes_max: usize,
    /// Commands received and not answered. At the limit no further one is handed out, and the
    /// caller stops reading.
    pub in_flight_max: usize,
    /// Output that the client has not taken. Above it no further command is handed out, so a
    /// client that asks and does not read gets no more answers. Pushes are the caller's to bound.
    pub output_bytes_max: usize,
}

impl Default for TextLimits {
    fn default() -> Self {
        Self { line_bytes_max: 8 * 1024, in_flight_max: 64, output_bytes_max: 64 * 1024 }
    }
}

/// The server's side of one connection, without its socket.
///
/// The caller's loop: read while [`wants_input`](Self::wants_input) and hand over with
/// [`receive`](Self::receive); take commands with [`next_command`](Self::next_command) until there
/// is none, after `receive`, after each [`reply`](Self::reply) and after output went out; write
/// [`output`](Self::output) and tell with [`consume_output`](Self::consume_output) how much of it
/// was taken.
///
/// An idle connection holds no buffers. At most it holds the line limit and one read of input,
/// `in_flight_max` replies, and its output.
#[derive(Debug)]
pub struct ServerConnection {
    limits: TextLimits,
    decoder: LineDecoder,
    pipeline: Pipeline<()>,
    logged_in: bool,
    closed: bool,
    output: Output,
}

impl ServerConnection {
    /// A connection on which nothing was said yet.
    pub fn new(limits: TextLimits) -> Self {
        Self {
            limits,
            decoder: LineDecoder::new(limits.line_bytes_max),
            pipeline: Pipeline::new(limits.in_flight_max),
            logged_in: false,
            closed: false,
            output: Output::default(),
        }
    }

    /// Greets the client. Once, before anything else, unless the connection is refused.
    pub fn welcome(&mut self) {
        self.write(|out| {
            out.put_slice(WELCOME.as_bytes());
            out.put_u8(b'\n');
        });
    }

    /// Takes what was read from the client.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.decoder.receive(bytes);
        }
    }

    /// Whether to read on. False while there is something to do first: commands that wait for
    /// replies, or a client that does not read.
    pub fn wants_input(&self) -> bool {
        !self.closed && (self.decoder.buffered() == 0 || !self.is_blocked())
    }

    /// The next command to work on, if one may be handed out now.
    ///
    /// Lines that are no command are answered here, each in its place.
    pub fn next_command(&mut self) -> Option<(Slot, Command)> {
        if self.closed {
            return None;
        }
        if self.pipeline.holds() {
            return self.pipeline.released();
        }
        while !self.is_blocked() {
            let parsed = match self.decoder.next_line()? {
                // A person who presses Enter has asked nothing.
                Line::Whole(b"") => continue,
                // Parsed no earlier than this: what a line may do depends on the log-in before it.
                Line::Whole(line) => parse(line, self.logged_in),
                Line::TooLong => Err(failure::LINE_TOO_LONG),
            };
            match parsed {
                Ok(command) => return self.pipeline.admit((), command),
                Err(words) => {
                    self.pipeline.refuse((), Reply::err(words));
                    self.write_replies();
                }
            }
        }
        None
    }

    /// Answers a command. The reply goes out once all commands before it are answered. After
    /// [`close`](Self::close) it goes nowhere.
    pub fn reply(&mut self, slot: Slot, reply: Reply) {
        if self.closed {
            return;
        }
        self.pipeline.answer(slot, reply);
        self.write_replies();
    }

    /// Pushes a message, between replies. Answers where in the output, counted from the
    /// connection's first byte, it ends: once the peer has that many bytes it has the message.
    pub fn push(&mut self, line: &PushLine) -> u64 {
        self.write(|out| out.put_slice(line.as_bytes()));
        self.output.end()
    }

    /// Says why the connection ends, as its last line. What is unanswered stays so.
    pub fn close(&mut self, reason: &str) {
        self.write(|out| {
            // Writing to memory does not fail.
            let _ = writeln!(out, "-ERR closing {}", Escaped(reason));
        });
        self.closed = true;
        self.pipeline.clear();
        self.decoder = LineDecoder::new(self.limits.line_bytes_max);
    }

    /// What is to be written to the client.
    pub fn output(&self) -> &[u8] {
        self.output.bytes()
    }

    /// The first `taken` bytes of the output were written.
    pub fn consume_output(&mut self, taken: usize) {
        self.output.consume(taken);
    }

    /// Bytes put into the output since the connection began. With what the socket says it still
    /// holds, this tells how far the client is.
    pub fn output_end(&self) -> u64 {
        self.output.end()
    }

    /// Whether the last log-in, register or log-out reply logged the session in.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// Commands that were begun and are not answered. One that waits for them is not among them.
    pub fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    /// Bytes of memory held, for tests and metrics.
    pub fn buffer_bytes(&self) -> usize {
        self.decoder.capacity() + self.output.capacity() + self.pipeline.buffer_bytes()
    }

    fn is_blocked(&self) -> bool {
        self.pipeline.is_blocked() || self.output.bytes().len() > self.limits.output_bytes_max
    }

    /// Writes those replies whose turn it is.
    fn write_replies(&mut self) {
        while let Some(((), reply)) = self.pipeline.next() {
            match reply {
                Reply::Uid(_) | Reply::LoggedIn(_) => self.logged_in = true,
                Reply::LoggedOut => self.logged_in = false,
                _ => {}
            }
            self.write(|out| {
                // Writing to memory does not fail.
                let _ = reply.write(out);
            });
        }
    }

    /// Every byte to the client passes here, and every call writes whole lines: that is why
    /// nothing ever stands inside anything else.
    fn write(&mut self, lines: impl FnOnce(&mut BytesMut)) {
        if !self.closed {
            self.output.write(lines);
        }
    }
}
