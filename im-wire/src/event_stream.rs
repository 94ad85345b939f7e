//! Server-sent events: what is pushed, for clients that can only read (HTML, "Server-sent events").
//!
//! `docs/CLIENTS.md` specifies them. Bodies are those of frames and WebSocket.

use super::{Command, Credential, LogIn, Message, Peer, Reply, Secret, Shown, Slot, Wants, What};
use crate::json;
use crate::pipeline::Pipeline;
use bytes::{Buf, BufMut, BytesMut};
use std::collections::VecDeque;
use std::fmt;

/// Conversations that the id of an event tells the position in.
const POSITIONS_MAX: usize = 16;

/// How far a client is in one conversation: a part of the id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The other side.
    pub peer: Peer,
    /// The last message that came.
    pub seq: i64,
    /// The same by its id.
    pub msg_id: i64,
}

/// The positions that the id of an event tells; `None` if it is none of a stream of `me`.
pub fn positions(me: i64, id: &str) -> Option<Vec<Position>> {
    let position = |part: &str| {
        let (conversation, numbers) = part.split_once(':')?;
        let (seq, msg_id) = numbers.split_once(':')?;
        let peer = json::peer_of(me, conversation)?;
        let (seq, msg_id) = (crate::command::positive(seq)?, crate::command::positive(msg_id)?);
        Some(Position { peer, seq, msg_id })
    };
    let parts: Vec<&str> = id.split(',').take(POSITIONS_MAX + 1).collect();
    if parts.len() > POSITIONS_MAX { None } else { parts.into_iter().map(position).collect() }
}

/// The server's side of one stream, from its first byte. There is one command in it, the log-in that the
/// request for the stream stands for; everything else is pushed.
#[derive(Debug)]
pub struct ServerConnection {
    pipeline: Pipeline<()>,
    log_in: Option<Secret>,
    me: i64,
    /// The last message of each conversation that was shown, the newest first.
    shown: VecDeque<Position>,
    ended: Option<&'static str>,
    closed: bool,
    output: BytesMut,
    /// Bytes that were ever put into `output`.
    output_end: u64,
}

impl ServerConnection {
    /// A stream for whoever has this token.
    pub fn new(token: Secret) -> Self {
        Self {
            pipeline: Pipeline::new(1),
            log_in: Some(token),
            me: 0,
            shown: VecDeque::new(),
            ended: None,
            closed: false,
            output: BytesMut::new(),
            output_end: 0,
        }
    }

    /// The log-in, once.
    pub fn next_command(&mut self) -> Option<(Slot, Command)> {
        let credential = Credential::Token(self.log_in.take()?);
        let wants = Wants { events: true, receipts: true, acks: true, refresh: false };
        let log_in = LogIn { credential, device: None, wants };
        self.pipeline.admit((), Command::LogIn(Box::new(log_in)))
    }

    /// Answers the log-in.
    pub fn reply(&mut self, slot: Slot, reply: Reply) {
        self.pipeline.answer(slot, reply);
        match self.pipeline.next() {
            Some(((), Reply::LoggedIn(logged_in))) => {
                self.me = logged_in.user_id;
                self.beat();
            }
            Some(((), Reply::Err(refusal))) => {
                self.write(format_args!("event: 9001\ndata: "), &json::refusal(&refusal));
                (self.closed, self.ended) = (true, Some("not logged in"));
            }
            _ => {}
        }
    }

    /// Shows something. Answers where in the output, counted from the first byte, it ends.
    pub fn show(&mut self, shown: &Shown) -> u64 {
        let (kind, body) = shown.json();
        match shown.what() {
            What::Message(message) if message.seq > 0 => {
                self.note(message);
                let id = Id(self.me, &self.shown).to_string();
                self.write(format_args!("id: {id}\nevent: {kind}\ndata: "), body);
            }
            _ => self.write(format_args!("event: {kind}\ndata: "), body),
        }
        self.output_end
    }

    /// A sign of life, a comment.
    pub fn beat(&mut self) {
        self.write(format_args!(":"), b"");
    }

    /// Why it is over by what was said on it.
    pub fn ended(&self) -> Option<&'static str> {
        self.ended
    }

    /// Says why it ends, as its last event.
    pub fn close(&mut self, reason: &str) {
        self.write(format_args!("event: 9001\ndata: "), &json::closing(reason));
        self.closed = true;
        self.pipeline.clear();
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

    /// Bytes put into the output since it began.
    pub fn output_end(&self) -> u64 {
        self.output_end
    }

    /// Commands that were begun and are not answered.
    pub fn in_flight(&self) -> usize {
        self.pipeline.in_flight()
    }

    /// A message is about to be shown.
    fn note(&mut self, message: &Message) {
        let peer = match message.to {
            Peer::User(to) if to == self.me => Peer::User(message.from),
            to => to,
        };
        let position = Position { peer, seq: message.seq, msg_id: message.msg_id };
        self.shown.retain(|shown| shown.peer != peer);
        self.shown.push_front(position);
        self.shown.truncate(POSITIONS_MAX);
    }

    /// An event, or a comment; neither has a line break in it, for JSON has none that is not escaped.
    fn write(&mut self, head: fmt::Arguments<'_>, body: &[u8]) {
        if self.closed {
            return;
        }
        let before = self.output.len();
        // Writing to memory does not fail.
        let _ = fmt::Write::write_fmt(&mut self.output, head);
        self.output.put_slice(body);
        self.output.put_slice(b"\n\n");
        self.output_end += (self.output.len() - before) as u64;
    }
}

/// The id of an event: how far this user is, in the conversations in which something was shown last.
struct Id<'a>(i64, &'a VecDeque<Position>);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Position { peer, seq, msg_id }) in self.1.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let conversation = json::session_id(self.0, *peer);
            write!(f, "{separator}{conversation}:{seq}:{msg_id}")?;
        }
        Ok(())
    }
}
