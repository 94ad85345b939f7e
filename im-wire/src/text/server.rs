//! The server's side of one connection.

use super::{
    command::Command,
    escape::Escaped,
    line::{Line, LineDecoder},
    message::PushLine,
    parse::parse,
    reply::{Reply, failure},
};
use bytes::{Buf, BufMut, BytesMut};
use std::{collections::VecDeque, fmt::Write};

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

/// The place of a command's reply. It is used up by [`ServerConnection::reply`]; one that is
/// dropped leaves its command, and all behind it, unanswered.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the client waits for the reply of this command, and of all behind it"]
pub struct Slot(u64);

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
    /// A barrier that waits for the commands before it.
    held: Option<Command>,
    /// A barrier is handed out and not answered.
    barrier: bool,
    /// The commands that are not answered on the wire, oldest first.
    in_flight: VecDeque<InFlight>,
    /// The slot number of the first of them.
    first_slot: u64,
    logged_in: bool,
    closed: bool,
    output: BytesMut,
    /// Bytes that were ever put into `output`.
    output_end: u64,
}

#[derive(Debug)]
enum InFlight {
    Unanswered,
    /// Answered, but one before it is not.
    Answered(Reply),
}

impl ServerConnection {
    /// A connection on which nothing was said yet.
    pub fn new(limits: TextLimits) -> Self {
        Self {
            limits,
            decoder: LineDecoder::new(limits.line_bytes_max),
            held: None,
            barrier: false,
            in_flight: VecDeque::new(),
            first_slot: 0,
            logged_in: false,
            closed: false,
            output: BytesMut::new(),
            output_end: 0,
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
        if self.held.is_some() {
            return if self.in_flight.is_empty() { self.release_held() } else { None };
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
                Err(text) => {
                    let slot = self.open_slot();
                    self.reply(slot, Reply::err(text));
                }
                Ok(command) if command.is_concurrent() => return Some((self.open_slot(), command)),
                Ok(command) => {
                    self.held = Some(command);
                    if !self.in_flight.is_empty() {
                        return None;
                    }
                    return self.release_held();
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
        let place = usize::try_from(slot.0.wrapping_sub(self.first_slot)).ok();
        let Some(place) = place.and_then(|place| self.in_flight.get_mut(place)) else {
            debug_assert!(false, "a slot of another connection");
            return;
        };
        *place = InFlight::Answered(reply);
        while let Some(InFlight::Answered(_)) = self.in_flight.front() {
            if let Some(InFlight::Answered(reply)) = self.in_flight.pop_front() {
                self.first_slot += 1;
                self.write_reply(&reply);
            }
        }
        if self.in_flight.is_empty() {
            // A barrier is alone, so it was this one.
            self.barrier = false;
            self.in_flight.shrink_to(IN_FLIGHT_KEPT);
        }
    }

    /// Pushes a message, between replies. Answers where in the output, counted from the
    /// connection's first byte, it ends: once the peer has that many bytes it has the message.
    pub fn push(&mut self, line: &PushLine) -> u64 {
        self.write(|out| out.put_slice(line.as_bytes()));
        self.output_end
    }

    /// Says why the connection ends, as its last line. What is unanswered stays so.
    pub fn close(&mut self, reason: &str) {
        self.write(|out| {
            // Writing to memory does not fail.
            let _ = writeln!(out, "-ERR closing {}", Escaped(reason));
        });
        self.closed = true;
        self.held = None;
        self.in_flight = VecDeque::new();
        self.decoder = LineDecoder::new(self.limits.line_bytes_max);
    }

    /// What is to be written to the client.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The first `taken` bytes of the output were written.
    pub fn consume_output(&mut self, taken: usize) {
        self.output.advance(taken.min(self.output.len()));
        if self.output.is_empty() {
            self.output = BytesMut::new();
        }
    }

    /// Bytes put into the output since the connection began. With what the socket says it still
    /// holds, this tells how far the client is.
    pub fn output_end(&self) -> u64 {
        self.output_end
    }

    /// Whether the last log-in, register or log-out reply logged the session in.
    pub fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// Commands that were begun and are not answered. One that waits for them is not among them.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of memory held, for tests and metrics.
    pub fn buffer_bytes(&self) -> usize {
        self.decoder.capacity()
            + self.output.capacity()
            + self.in_flight.capacity() * size_of::<InFlight>()
    }

    fn is_blocked(&self) -> bool {
        self.barrier
            || self.held.is_some()
            || self.in_flight.len() >= self.limits.in_flight_max
            || self.output.len() > self.limits.output_bytes_max
    }

    fn release_held(&mut self) -> Option<(Slot, Command)> {
        let command = self.held.take()?;
        self.barrier = true;
        Some((self.open_slot(), command))
    }

    fn open_slot(&mut self) -> Slot {
        let slot = Slot(self.first_slot + self.in_flight.len() as u64);
        self.in_flight.push_back(InFlight::Unanswered);
        slot
    }

    fn write_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Uid(_) => self.logged_in = true,
            Reply::LoggedOut => self.logged_in = false,
            _ => {}
        }
        self.write(|out| {
            // Writing to memory does not fail.
            let _ = reply.write(out);
        });
    }

    /// Every byte to the client passes here, and every call writes whole lines: that is why
    /// nothing ever stands inside anything else.
    fn write(&mut self, lines: impl FnOnce(&mut BytesMut)) {
        if self.closed {
            return;
        }
        let before = self.output.len();
        lines(&mut self.output);
        self.output_end += (self.output.len() - before) as u64;
    }
}

/// Room for this many commands stays allocated; more is given back when all are answered.
const IN_FLIGHT_KEPT: usize = 4;
