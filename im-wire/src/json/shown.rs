//! What is pushed, as types and bodies. A push says the same to all who get it, so it is written once.

use super::{kinds, session_id};
use crate::{Event, Hist, Message, Peer, Receipt, Status, What};
use serde::{Serialize, Serializer};

/// The id of a message: decimal digits in a string, since it needs 64 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct MsgIdText(pub(super) i64);

impl Serialize for MsgIdText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A message, pushed or of a history.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    message_id: MsgIdText,
    session_id: String,
    from_user_id: i64,
    to_user_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<i64>,
    #[serde(rename = "type")]
    kind: u8,
    content: &'a str,
    timestamp: i64,
    extra: Extra,
    #[serde(skip_serializing_if = "is_zero")]
    seq: i64,
}

#[derive(Debug, Serialize)]
struct Extra {}

fn is_zero(seq: &i64) -> bool {
    *seq == 0
}

impl<'a> Entry<'a> {
    fn new(from: i64, to: Peer, content: &'a str) -> Self {
        let (to_user_id, group_id) = match to {
            Peer::User(user_id) => (user_id, None),
            Peer::Group(group_id) => (group_id, Some(group_id)),
        };
        Self {
            message_id: MsgIdText(0),
            session_id: session_id(from, to),
            from_user_id: from,
            to_user_id,
            group_id,
            kind: 0,
            content,
            timestamp: 0,
            extra: Extra {},
            seq: 0,
        }
    }

    /// One of the history of `me` with `peer`.
    pub(super) fn of_history(me: i64, peer: Peer, hist: &'a Hist<'static>) -> Self {
        let to = match peer {
            Peer::User(_) if hist.from != me => Peer::User(me),
            peer => peer,
        };
        Self {
            message_id: MsgIdText(hist.msg_id),
            timestamp: hist.ts_ms,
            seq: hist.seq,
            ..Self::new(hist.from, to, &hist.text)
        }
    }
}

#[derive(Debug, Serialize)]
struct Happening<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_seq: Option<i64>,
}

const NOTHING: Happening<'_> = Happening {
    kind: None,
    from_user_id: None,
    user_id: None,
    group_id: None,
    content: None,
    status: None,
    seq: None,
    delivered_seq: None,
};

/// The type of a push.
pub(crate) fn kind(what: &What) -> u16 {
    match what {
        What::Message(Message { to: Peer::User(_), .. }) => kinds::TO_USER,
        What::Message(Message { to: Peer::Group(_), .. }) => kinds::TO_GROUP,
        What::Event(Event::Typing { .. }) => kinds::TYPING,
        What::Event(Event::Whisper { .. }) => kinds::WHISPER,
        What::Event(Event::Presence { .. }) => kinds::PRESENCE,
        What::Event(Event::Receipt(_)) => kinds::CONFIRM,
    }
}

/// The body of a push.
pub(crate) fn body(what: &What) -> Vec<u8> {
    let written = match what {
        What::Message(message) => serde_json::to_vec(&Entry {
            message_id: MsgIdText(message.msg_id),
            timestamp: message.ts_ms,
            seq: message.seq,
            ..Entry::new(message.from, message.to, &message.text)
        }),
        What::Event(event) => serde_json::to_vec(&happening(event)),
    };
    // Writing to memory does not fail, and no key is anything but a string.
    written.unwrap_or_default()
}

fn happening(event: &Event) -> Happening<'_> {
    match event {
        Event::Typing { from, group_id } => {
            Happening { from_user_id: Some(*from), group_id: *group_id, ..NOTHING }
        }
        Event::Whisper { from, group_id, text } => {
            let content = Some(&**text);
            Happening { from_user_id: Some(*from), group_id: *group_id, content, ..NOTHING }
        }
        Event::Presence { uid, status } => {
            Happening { user_id: Some(*uid), status: Some(status_number(*status)), ..NOTHING }
        }
        Event::Receipt(Receipt { from, group_id, delivered, read }) => {
            let kind = Some(if read.is_some() { "read" } else { "delivered" });
            let delivered_seq = (*delivered).filter(|_| read.is_some());
            let (user_id, group_id, seq) = (Some(*from), *group_id, read.or(*delivered));
            Happening { kind, user_id, group_id, seq, delivered_seq, ..NOTHING }
        }
    }
}

/// The number of a status.
pub(super) fn status_number(status: Status) -> u8 {
    match status {
        Status::Offline => 0,
        Status::Online => 1,
        Status::Busy => 2,
        Status::Away => 3,
    }
}
