//! What is pushed to clients.

use super::{Event, Peer, json, text::PushLine};
use bytes::Bytes;
use std::sync::OnceLock;

/// A message or an event on its way to clients, in whatever protocol each speaks. It is encoded at most
/// once for each protocol, however many clients get it.
#[derive(Debug)]
pub struct Shown {
    what: What,
    line: OnceLock<PushLine>,
    json: OnceLock<Bytes>,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Something that is kept.
    Message(Message),
    /// Something that is not.
    Event(Event),
}

/// A message on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message's id; 0 if it has none.
    pub msg_id: i64,
    /// Its number in its conversation; 0 for one that stands in no timeline.
    pub seq: i64,
    /// The sender's uid.
    pub from: i64,
    /// Whom it was sent to.
    pub to: Peer,
    /// It goes to another device of its sender.
    pub is_copy: bool,
    /// When it was stored, in milliseconds since 1970.
    pub ts_ms: i64,
    /// As it was sent; each protocol makes it harmless in its own way.
    pub text: String,
}

impl Shown {
    /// Shows a message.
    pub fn message(message: Message) -> Self {
        Self::of(What::Message(message))
    }

    /// Shows an event.
    pub fn event(event: Event) -> Self {
        Self::of(What::Event(event))
    }

    fn of(what: What) -> Self {
        Self { what, line: OnceLock::new(), json: OnceLock::new() }
    }

    /// What it is.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// Its line in text lines.
    pub fn line(&self) -> &PushLine {
        self.line.get_or_init(|| match &self.what {
            What::Message(message) => message.line(),
            What::Event(event) => event.encode(),
        })
    }

    /// Its type and its body in frames and in JSON.
    pub fn json(&self) -> (u16, &[u8]) {
        let body = self.json.get_or_init(|| json::body(&self.what).into());
        (json::kind(&self.what), body)
    }
}
