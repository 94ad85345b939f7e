//! What a log-in says, and what it is answered with.

use super::{Role, Secret};
use bytes::Bytes;

/// A log-in, with what the session is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIn {
    /// Who they are.
    pub credential: Credential,
    /// The device that the session is; `None`: the one that the connection is.
    pub device: Option<String>,
    /// What the session is told.
    pub wants: Wants,
}

/// How somebody proves who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// By their password.
    Password {
        /// Any bytes; what a name may look like is im-user's to decide.
        username: Bytes,
        /// Any bytes.
        password: Secret,
    },
    /// Not yet: the account is made.
    New {
        /// As in `Password`.
        username: Bytes,
        /// As in `Password`.
        password: Secret,
    },
    /// By a token of an earlier log-in.
    Token(Secret),
}

impl From<Credential> for LogIn {
    /// A log-in that says nothing else.
    fn from(credential: Credential) -> Self {
        Self { credential, device: None, wants: Wants::default() }
    }
}

/// What a session is told without asking, who says what has arrived, and how it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Typing, whispers, the presence of friends.
    pub events: bool,
    /// How far others are with what it sends.
    pub receipts: bool,
    /// Only what the client acknowledges has arrived, from the first message on.
    pub acks: bool,
    /// A token of a short life, and one that refreshes it.
    pub refresh: bool,
}

/// What a log-in is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Who it is.
    pub user_id: i64,
    /// Empty if nobody has said it.
    pub username: String,
    /// What they may do.
    pub role: Role,
    /// The device that the session is.
    pub device: String,
    /// The session's token.
    pub token: Secret,
    /// Until when that is good, in milliseconds since 1970; 0 if nobody has said it.
    pub expires_at_ms: i64,
    /// How the log-in goes on after that.
    pub refreshes: Option<Refreshes>,
}

/// The token that a log-in goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshes {
    /// Good once.
    pub token: Secret,
    /// Until when, in milliseconds since 1970.
    pub expires_at_ms: i64,
}
