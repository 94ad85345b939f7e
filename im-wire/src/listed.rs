//! What histories and lists are made of.

use super::Peer;
use std::borrow::Cow;

/// Messages, or conversations, of an answer where nobody says how many.
pub const LISTED: u32 = 50;

/// A message of a conversation's history: `HIST seq=… id=… from=… ts=… text=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hist<'a> {
    /// Its number in the conversation.
    pub seq: i64,
    /// The message's id.
    pub msg_id: i64,
    /// The sender's uid.
    pub from: i64,
    /// When it was stored, in milliseconds since 1970.
    pub ts_ms: i64,
    /// As it was sent; each protocol makes it harmless in its own way.
    pub text: Cow<'a, str>,
}

/// A conversation of the caller's:
/// `CONV peer=… head=… read=… unread=… last_id=… from=… ts=… text=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conv<'a> {
    /// The other side.
    pub peer: Peer,
    /// The number of its newest entry.
    pub head: i64,
    /// Everything up to this number was read.
    pub read: i64,
    /// Unread messages; 100 is shown as `99+`.
    pub unread: u32,
    /// The newest entry's id; 0, as its sender and its time, if it was deleted.
    pub last_msg_id: i64,
    /// Its sender's uid.
    pub from: i64,
    /// When it was stored, in milliseconds since 1970.
    pub ts_ms: i64,
    /// Cut to a preview; empty for an entry that is no message.
    pub text: Cow<'a, str>,
}

/// A user, as others know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub user_id: i64,
    /// Their name.
    pub username: String,
}

/// A group, as anybody may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub group_id: i64,
    /// Not empty.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Who made it.
    pub creator_id: i64,
    /// When, in milliseconds since 1970.
    pub created_at_ms: i64,
}
