//! What a server answers.

use super::{
    conversation::Conv,
    escape::write_escaped,
    event::{Receipt, Status},
    message::Hist,
    priority::Priority,
};
use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// The answer to one command: one `+OK` or `-ERR` line, before it the `HIST` lines of a history
/// or the `CONV` lines of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK uid=<n>`, to `REGISTER`, `LOGIN` and `WHOAMI`. To the first two it means that the
    /// session is logged in from here on.
    Uid(i64),
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
    Conversations(Vec<Conv<'static>>),
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
    /// `-ERR <text>`: one of [`failure`], or what a service said. Escaped on its way out.
    Err(Cow<'static, str>),
}

impl Reply {
    /// A refusal.
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Err(text.into())
    }

    /// Writes the whole answer, each line with its LF.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(out, "+OK uid={uid}")?,
            Self::LoggedOut => out.write_str("+OK logout success")?,
            Self::MsgId(msg_id) => write!(out, "+OK msg_id={msg_id}")?,
            Self::GroupMsgId(msg_id) => write!(out, "+OK group_msg_id={msg_id}")?,
            Self::MsgIdSeq(msg_id, seq) => write!(out, "+OK msg_id={msg_id} seq={seq}")?,
            Self::GroupMsgIdSeq(msg_id, seq) => write!(out, "+OK group_msg_id={msg_id} seq={seq}")?,
            Self::PullDone => out.write_str("+OK pull_done")?,
            Self::Acked => out.write_str("+OK acked")?,
            Self::History(messages) => {
                for message in messages {
                    message.write(out)?;
                }
                out.write_str("+OK history_done")?;
            }
            Self::Read => out.write_str("+OK read")?,
            Self::Conversations(conversations) => {
                for conversation in conversations {
                    conversation.write(out)?;
                }
                out.write_str("+OK conversations_done")?;
            }
            Self::Events(true) => out.write_str("+OK events on")?,
            Self::Events(false) => out.write_str("+OK events off")?,
            Self::Typing => out.write_str("+OK typing")?,
            Self::Whispered => out.write_str("+OK whispered")?,
            Self::Receipts(true) => out.write_str("+OK receipts on")?,
            Self::Receipts(false) => out.write_str("+OK receipts off")?,
            Self::ReceiptsOf(receipts) => {
                for receipt in receipts {
                    receipt.write(out)?;
                }
                out.write_str("+OK receipts_done")?;
            }
            Self::Priority(priority) => write!(out, "+OK priority {}", priority.as_str())?,
            Self::Status(status) => write!(out, "+OK status {}", status.as_str())?,
            Self::Presence(uid, status) => {
                write!(out, "+OK presence uid={uid} status={}", status.as_str())?;
            }
            Self::FriendAdded => out.write_str("+OK friend added")?,
            Self::FriendRemoved => out.write_str("+OK friend removed")?,
            Self::Friends(uids) => write_list(out, "friends", uids)?,
            Self::UserBlocked => out.write_str("+OK user blocked")?,
            Self::UserUnblocked => out.write_str("+OK user unblocked")?,
            Self::Blocked(uids) => write_list(out, "blocked", uids)?,
            Self::GroupId(group_id) => write!(out, "+OK group_id={group_id}")?,
            Self::JoinedGroup => out.write_str("+OK joined group")?,
            Self::LeftGroup => out.write_str("+OK left group")?,
            Self::Members(uids) => write_list(out, "members", uids)?,
            Self::Groups(group_ids) => write_list(out, "groups", group_ids)?,
            Self::Device(name) => {
                out.write_str("+OK device ")?;
                write_escaped(out, name)?;
            }
            Self::Devices(devices) => write_devices(out, devices)?,
            Self::Revoked => out.write_str("+OK revoked")?,
            Self::Help => out.write_str(HELP)?,
            Self::Pong => out.write_str("+OK pong")?,
            Self::Err(text) => {
                out.write_str("-ERR ")?;
                write_escaped(out, text)?;
            }
        }
        out.write_char('\n')
    }
}

fn write_list(out: &mut impl Write, name: &str, ids: &[i64]) -> fmt::Result {
    write!(out, "+OK {name}: ")?;
    for (at, id) in ids.iter().enumerate() {
        write!(out, "{}{id}", if at == 0 { "" } else { "," })?;
    }
    Ok(())
}

fn write_devices(out: &mut impl Write, devices: &[(String, bool)]) -> fmt::Result {
    out.write_str("+OK devices: ")?;
    for (at, (name, online)) in devices.iter().enumerate() {
        out.write_str(if at == 0 { "" } else { ", " })?;
        write_escaped(out, name)?;
        out.write_str(if *online { " online" } else { " offline" })?;
    }
    Ok(())
}

const HELP: &str = "+OK commands: REGISTER LOGIN LOGOUT SEND SENDID PULL ACK HISTORY RECENT READ \
    CONVERSATIONS ADDFRIEND REMOVEFRIEND GETFRIENDS BLOCK UNBLOCK BLOCKED CREATEGROUP \
    JOINGROUP LEAVEGROUP MEMBERS GROUPS SENDGROUP SENDGROUPID DEVICE DEVICES REVOKE EVENTS TYPING \
    WHISPER RECEIPTS PRIORITY STATUS PRESENCE WHOAMI PING HELP";

/// The texts of refusals, as they stand after `-ERR `. Clients compare them: they are fixed.
///
/// Those of the services (`exists`, `already friends`, `group not found`, …) are passed on as they
/// come and are not repeated here.
pub mod failure {
    /// No command has this name.
    pub const UNKNOWN_COMMAND: &str = "unknown cmd";
    /// The line is longer than the limit; it was skipped to its end.
    pub const LINE_TOO_LONG: &str = "line too long";
    /// The command needs a log-in.
    pub const NOT_LOGIN: &str = "not login";
    /// A text or a name is not UTF-8.
    pub const NOT_UTF8: &str = "not valid UTF-8";

    /// An argument is missing or empty.
    pub const USAGE_REGISTER: &str = "REGISTER <user> <pwd>";
    /// An argument is missing or empty.
    pub const USAGE_LOGIN: &str = "LOGIN <user> <pwd>";
    /// An argument is missing or the text is empty.
    pub const USAGE_SEND: &str = "SEND <toUid> <text>";
    /// An argument is missing or the text is empty.
    pub const USAGE_SENDID: &str = "SENDID <client_msg_id> <toUid> <text>";
    /// An argument is missing or the text is empty.
    pub const USAGE_SENDGROUP: &str = "SENDGROUP <group_id> <text>";
    /// An argument is missing or the text is empty.
    pub const USAGE_SENDGROUPID: &str = "SENDGROUPID <client_msg_id> <group_id> <text>";
    /// The name is missing or empty.
    pub const USAGE_CREATEGROUP: &str = "CREATEGROUP <group_name> [description]";
    /// An argument is missing.
    pub const USAGE_HISTORY: &str = "HISTORY <uid or g<gid>> <after_seq> <limit>";
    /// An argument is missing.
    pub const USAGE_RECENT: &str = "RECENT <uid or g<gid>> <limit> [before_seq]";
    /// An argument is missing.
    pub const USAGE_READ: &str = "READ <uid or g<gid>> <seq>";

    /// The name is missing or empty.
    pub const USAGE_DEVICE: &str = "DEVICE <class>:<id>";
    /// The name is missing or empty.
    pub const USAGE_REVOKE: &str = "REVOKE <device>";
    /// The argument is neither `on` nor `off`.
    pub const USAGE_EVENTS: &str = "EVENTS on|off";
    /// The argument is missing.
    pub const USAGE_TYPING: &str = "TYPING <uid or g<gid>>";
    /// An argument is missing or the text is empty.
    pub const USAGE_WHISPER: &str = "WHISPER <uid or g<gid>> <text>";
    /// The argument is missing.
    pub const USAGE_RECEIPTS: &str = "RECEIPTS on|off|<uid or g<gid>>";
    /// The argument is none of them.
    pub const USAGE_PRIORITY: &str = "PRIORITY low|normal|high|urgent";
    /// The argument is none of them.
    pub const USAGE_STATUS: &str = "STATUS online|busy|away";

    /// The receiver of a `SEND` is no positive number.
    pub const BAD_TO_UID: &str = "bad toUid";
    /// The uid of another command is no positive number.
    pub const BAD_UID: &str = "bad uid";
    /// The friend is no positive number.
    pub const BAD_FRIEND_ID: &str = "bad friend_id";
    /// The group is no positive number.
    pub const BAD_GROUP_ID: &str = "bad group_id";
    /// The message id is no positive number.
    pub const BAD_MSG_ID: &str = "bad msg_id";
    /// The number of an entry is no positive number.
    pub const BAD_SEQ: &str = "bad seq";
    /// Empty, too long, or with characters that do not print.
    pub const BAD_CLIENT_MSG_ID: &str = "bad client_msg_id";
    /// The bounds of a history are no numbers, or out of bounds.
    pub const BAD_RANGE: &str = "bad range";

    /// A device is called `text`, `web`, `mobile`, `desktop` or `bot`, perhaps with `:` and an id of 1
    /// to 64 letters, digits, `.`, `_` and `-`.
    pub const BAD_DEVICE: &str = "bad device";
    /// Which device a session is, is settled by its log-in.
    pub const ALREADY_LOGGED_IN: &str = "already logged in";
    /// The user has as many sessions as one may have.
    pub const TOO_MANY_SESSIONS: &str = "too many sessions";

    /// Unknown name or wrong password: the same text, so that nobody learns which.
    pub const AUTH_BAD_CRED: &str = "auth bad cred";
    /// Too many log-ins failed, or are running.
    pub const AUTH_TOO_MANY_ATTEMPTS: &str = "auth too many attempts";
    /// The receiver does not exist.
    pub const NO_SUCH_USER: &str = "no such user";
    /// The receiver shuts the sender out.
    pub const BLOCKED: &str = "blocked";
    /// The sender is not in the group.
    pub const NOT_A_MEMBER: &str = "not a member";
    /// The text exceeds the configured length.
    pub const TEXT_TOO_LONG: &str = "text too long";
    /// The session sends faster than it may.
    pub const SLOW_DOWN: &str = "slow down";
    /// The client message id was used for another text.
    pub const CONFLICT: &str = "conflict";
    /// A service did not answer in time; whether the command took effect is unknown.
    pub const UNAVAILABLE: &str = "unavailable, try again";
}
