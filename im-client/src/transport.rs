//! What a protocol must offer to carry a [`Client`](crate::Client).

use crate::error::{ConnectError, ConnectionError};
use im_wire::text::{Command, Conv, EncodeError, Hist, Push};
use std::future::Future;

/// A way to reach one server.
pub trait Transport: Send + Sync + 'static {
    /// What it makes.
    type Connection: Connection;

    /// Where the server is, for people.
    fn address(&self) -> &str;

    /// Connects, and waits until the server has said that it is one. The caller bounds the time.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, ConnectError>> + Send;
}

/// One connection: requests out, answers in the same order, messages in between.
pub trait Connection: Send + 'static {
    /// Adds a request to what is to be written; [`next`](Self::next) writes it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when the protocol cannot say it; nothing is written then.
    fn start(&mut self, request: &Command) -> Result<(), EncodeError>;

    /// Writes what was started, and waits for the next answer or message.
    ///
    /// Cancel safe: dropping the future loses nothing, so it can stand in a `select!`.
    fn next(&mut self) -> impl Future<Output = Result<Incoming, ConnectionError>> + Send;
}

/// What a connection brings.
#[derive(Debug)]
pub enum Incoming {
    /// The answer to the oldest request without one.
    Answer(Result<Answer, Refusal>),
    /// A message.
    Message(Push<'static>),
}

/// The server said no: its words, for example `no such user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

/// The server did it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What it said: `uid=7`, `msg_id=61`, `friends: 1,2,3`, `joined group`.
    pub text: String,
    /// The messages that were asked for, if any were.
    pub history: Vec<Hist<'static>>,
    /// The conversations that were asked for, if any were.
    pub conversations: Vec<Conv<'static>>,
}

impl Answer {
    /// The number behind `name=`, where that is all that the answer says.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text.strip_prefix(name)?.strip_prefix('=')?.parse().ok()
    }

    /// The id of the message that was stored, for a user or for a group.
    pub fn msg_id(&self) -> Option<i64> {
        self.number("msg_id").or_else(|| self.number("group_msg_id"))
    }

    /// The ids behind `name: `, where the answer is a list.
    pub fn ids(&self) -> Option<Vec<i64>> {
        let (_, list) = self.text.split_once(": ")?;
        if list.is_empty() {
            return Some(Vec::new());
        }
        list.split(',').map(|id| id.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer { text: text.to_owned(), ..Answer::default() }
    }

    #[test]
    fn an_answer_gives_out_its_numbers() {
        assert_eq!(answer("uid=7").number("uid"), Some(7));
        assert_eq!(answer("msg_id=61").msg_id(), Some(61));
        assert_eq!(answer("group_msg_id=62").msg_id(), Some(62));
        assert_eq!(answer("friend added").msg_id(), None);
        assert_eq!(answer("friends: 1,2").ids(), Some(vec![1, 2]));
        assert_eq!(answer("friends: ").ids(), Some(vec![]));
        assert_eq!(answer("pong").ids(), None);
    }
}
