//! What a server answers.

use super::{Conv, Group, Hist, LoggedIn, Priority, Receipt, Refusal, Status, User, failure};
use std::borrow::Cow;
use std::time::Duration;

/// The answer to one command, whatever protocol it was asked in. The comments give the lines of text
/// lines: one `+OK` or `-ERR` line, before it the `HIST` lines of a history or the `CONV` lines of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK uid=<n>`, to `REGISTER`, `LOGIN` and `WHOAMI`. To the first two it means that the
    /// session is logged in from here on.
    Uid(i64),
    /// `+OK uid=<n>` likewise, with what other protocols tell of the session.
    LoggedIn(Box<LoggedIn>),
    /// `+OK uid=<n>` likewise, in a session that goes on with other tokens.
    Granted(Box<LoggedIn>),
    /// `+OK logout success`. The session is logged out from here on.
    LoggedOut,
    /// `+OK msg_id=<id>`.
    MsgId(i64),
    /// `+OK group_msg_id=<id>`.
    GroupMsgId(i64),
    /// `+OK msg_id=<id> seq=<n>`, in a session that said `RECEIPTS on`.
    MsgIdSeq(i64, i64),
    /// `+OK group_msg_id=<id> seq=<n>`, in a session that said `RECEIPTS on`.
    GroupMsgIdSeq(i64, i64),
    /// `+OK pull_done`. What was waiting goes before it, as pushes.
    PullDone,
    /// `+OK acked`.
    Acked,
    /// The lines, then `+OK history_done`; nothing comes between them.
    History(Vec<Hist<'static>>),
    /// `+OK read`.
    Read,
    /// The lines, then `+OK conversations_done`; nothing comes between them.
    Conversations {
        /// The one in which something happened last first.
        listed: Vec<Conv<'static>>,
        /// Where the next answer goes on; `None`: there are no more.
        next_page: Option<String>,
    },
    /// `+OK events on`, or `off`.
    Events(bool),
    /// `+OK typing`. Whether anybody was told is not said.
    Typing,
    /// `+OK whispered`. Whether anybody was told is not said.
    Whispered,
    /// `+OK receipts on`, or `off`.
    Receipts(bool),
    /// The lines, then `+OK receipts_done`; nothing comes between them.
    ReceiptsOf(Vec<Receipt>),
    /// `+OK priority high`.
    Priority(Priority),
    /// `+OK status busy`.
    Status(Status),
    /// `+OK presence uid=<uid> status=<status>`.
    Presence(i64, Status),
    /// `+OK presence: 7=online,8=offline`.
    PresenceOf(Vec<(i64, Status)>),
    /// `+OK users: 7,8`: those who exist.
    Users(Vec<User>),
    /// `+OK friend added`.
    FriendAdded,
    /// `+OK friend removed`.
    FriendRemoved,
    /// `+OK friends: 1,2,3`.
    Friends(Vec<i64>),
    /// `+OK user blocked`.
    UserBlocked,
    /// `+OK user unblocked`.
    UserUnblocked,
    /// `+OK blocked: 1,2,3`.
    Blocked(Vec<i64>),
    /// `+OK group_id=<n>`.
    GroupId(i64),
    /// `+OK joined group`.
    JoinedGroup,
    /// `+OK left group`.
    LeftGroup,
    /// `+OK members: 1,2,3`.
    Members(Vec<i64>),
    /// `+OK groups: 1,2,3`.
    Groups(Vec<i64>),
    /// `+OK group_id=<n>` likewise, with what other protocols tell of it.
    Group(Box<Group>),
    /// `+OK device <name>`.
    Device(String),
    /// `+OK devices: mobile:a offline, text online`: by name, each with whether it is connected.
    Devices(Vec<(String, bool)>),
    /// `+OK revoked`.
    Revoked,
    /// `+OK commands: …`.
    Help,
    /// `+OK pong`.
    Pong,
    /// `-ERR <text>`: one of [`failure`], or what a service said.
    Err(Refusal),
}

impl Reply {
    /// A refusal.
    pub fn err(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Err(Refusal::of(words))
    }

    /// The refusal of one thing too many; after this time there may be another.
    pub fn slow_down(wait: Duration) -> Self {
        Self::Err(Refusal::of(failure::SLOW_DOWN).retry_after(wait))
    }
}
