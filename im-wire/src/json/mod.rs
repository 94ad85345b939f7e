//! The JSON bodies that frames and WebSocket share: `docs/CLIENTS.md` says what is in them.
//!
//! | file | holds |
//! |---|---|
//! | `fields.rs` | a body to its fields, with what is wrong about it |
//! | `requests.rs` | the fields of a request to a [`Command`](crate::Command) |
//! | `operations.rs` | the same for those that share one type, by their names |
//! | `answers.rs` | a [`Reply`](crate::Reply) to the body of an answer |
//! | `shown.rs` | what is pushed to its body |
//! | `envelope.rs` | type, id and body as one JSON text |
//! | `dialogue.rs` | a connection: who is logged in, and which answers are due |

mod answers;
mod dialogue;
pub(crate) mod envelope;
mod fields;
mod operations;
mod requests;
mod shown;

pub(crate) use self::{
    answers::{closing, refusal},
    dialogue::{Dialogue, Due, Wrapped},
    shown::{body, kind},
};

use self::fields::Id;
use super::{Peer, Role};

/// The numbers of the types.
pub(crate) mod kinds {
    pub(crate) const LOG_IN: u16 = 1001;
    pub(crate) const LOG_OUT: u16 = 1003;
    pub(crate) const REGISTER: u16 = 1005;
    pub(crate) const REFRESH: u16 = 1007;
    pub(crate) const PASSWORD: u16 = 1009;
    pub(crate) const TO_USER: u16 = 2001;
    pub(crate) const TO_GROUP: u16 = 2002;
    pub(crate) const CONFIRM: u16 = 2003;
    pub(crate) const TYPING: u16 = 2004;
    pub(crate) const WHISPER: u16 = 2005;
    pub(crate) const PRESENCE: u16 = 3001;
    pub(crate) const CONVERSATIONS: u16 = 3002;
    pub(crate) const HISTORY: u16 = 3004;
    pub(crate) const OPERATION: u16 = 4001;
    pub(crate) const ERROR: u16 = 9001;
    pub(crate) const HEARTBEAT: u16 = 9002;

    /// Whether a request has a type of answer that is used for nothing else: the next number.
    pub(crate) fn has_own_answer(kind: u16) -> bool {
        matches!(kind, LOG_IN | LOG_OUT | REGISTER | REFRESH | PASSWORD)
            || matches!(kind, CONVERSATIONS | HISTORY | OPERATION)
    }
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Me {
    user_id: i64,
    username: String,
    role: Role,
    device: String,
}

/// What the answer to a request has to know of it.
#[derive(Debug)]
pub(crate) struct Tag {
    kind: u16,
    id: Option<Id>,
    /// It came in an envelope, where its id stands, too.
    enveloped: bool,
    about: About,
}

#[derive(Debug)]
enum About {
    Nothing,
    /// A message.
    Message {
        to: Peer,
        client_msg_id: Option<Box<str>>,
    },
    /// A conversation.
    With(Peer),
    /// Which confirmation.
    Confirmed(&'static str),
    /// Which operation.
    Operation(&'static str),
    /// Nobody knows: it could not be read at all.
    Unread,
}

impl Tag {
    fn new(kind: u16) -> Self {
        Self { kind, id: None, enveloped: false, about: About::Nothing }
    }

    /// Says what the request came in.
    fn wrap(&mut self, wrapped: Wrapped) {
        if let Wrapped::Envelope(id) = wrapped {
            (self.id, self.enveloped) = (id, true);
        }
    }

    /// Its answer, in what it came in.
    fn due(self, kind: u16, body: Vec<u8>) -> Due {
        let wrapped = match self.enveloped {
            true => Wrapped::Envelope(self.id),
            false => Wrapped::Frame,
        };
        Due { kind, body, wrapped }
    }

    /// Whether its success is not told: nobody asked for an answer.
    fn is_quiet(&self) -> bool {
        self.id.is_none() && (kinds::CONFIRM..=kinds::WHISPER).contains(&self.kind)
    }
}

/// What a conversation is called, seen from one of its users.
pub(crate) fn session_id(me: i64, peer: Peer) -> String {
    match peer {
        Peer::User(other) => format!("c2c_{}_{}", me.min(other), me.max(other)),
        Peer::Group(group_id) => format!("grp_{group_id}"),
    }
}

/// Whom a conversation is with; `None` if it is none of the user's.
pub(crate) fn peer_of(me: i64, session_id: &str) -> Option<Peer> {
    let number = |digits: &str| crate::command::positive(digits);
    if let Some(group_id) = session_id.strip_prefix("grp_") {
        return number(group_id).map(Peer::Group);
    }
    let (low, high) = session_id.strip_prefix("c2c_")?.split_once('_')?;
    match (number(low)?, number(high)?) {
        (low, high) if low == me => Some(Peer::User(high)),
        (low, high) if high == me => Some(Peer::User(low)),
        _ => None,
    }
}
