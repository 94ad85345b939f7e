//! What a client can ask for.

use super::{event::Status, failure, log_in::LogIn, outgoing::Outgoing, priority::Priority};
use bytes::Bytes;
use std::{fmt, str::FromStr};

/// The longest client message id that a line may carry, in bytes. 128 random bits in hexadecimal
/// or as a UUID fit, with room for a prefix.
pub const CLIENT_MSG_ID_BYTES_MAX: usize = 64;

/// What a client can ask for, whatever protocol it speaks. The comments give the words of text lines.
/// Its fields are what the client wrote; whether the user exists or the group wants the message is for
/// others to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `REGISTER <user> <pwd>`: make an account and log in.
    Register {
        /// Any bytes but a space; what a name may look like is im-user's to decide.
        username: Bytes,
        /// The rest of the line, any bytes.
        password: Secret,
    },
    /// `LOGIN <user> <pwd>`.
    Login {
        /// As in `REGISTER`.
        username: Bytes,
        /// As in `REGISTER`.
        password: Secret,
    },
    /// `Login` or `Register` of a protocol that can say more of the session than text lines.
    LogIn(Box<LogIn>),
    /// `LOGOUT`.
    Logout,
    /// The same of all log-ins of the user. Text lines have no word for it.
    LogoutEverywhere,
    /// The next tokens of a log-in. Text lines have no word for it.
    Refresh {
        /// The one that was given with the last.
        token: Secret,
    },
    /// Another password; all other log-ins of the user end. Text lines have no word for it.
    ChangePassword {
        /// The present one.
        old: Secret,
        /// The next one.
        new: Secret,
    },
    /// `SEND <uid> <text>`, and `SENDID <client_msg_id> <uid> <text>`.
    Send {
        /// Makes a retry safe; `None` for `SEND`.
        client_msg_id: Option<String>,
        /// The receiver, above 0.
        to: i64,
        /// Not empty.
        text: String,
    },
    /// `SENDGROUP <gid> <text>`, and `SENDGROUPID <client_msg_id> <gid> <text>`.
    SendGroup {
        /// Makes a retry safe; `None` for `SENDGROUP`.
        client_msg_id: Option<String>,
        /// The group, above 0.
        group_id: i64,
        /// Not empty.
        text: String,
    },
    /// `Send` or `SendGroup` of a protocol that can say more of a message than text lines.
    Message(Box<Outgoing>),
    /// `PULL`: everything that waits, then `+OK pull_done`.
    Pull,
    /// `ACK <msg_id>`: this message and those before it in its conversation have arrived.
    Ack {
        /// The last message that arrived, above 0.
        msg_id: i64,
    },
    /// `HISTORY <uid or g<gid>> <after_seq> <limit>`.
    History {
        /// Whose conversation with the caller.
        peer: Peer,
        /// 0 for the beginning.
        after_seq: i64,
        /// How many at most, above 0.
        limit: u32,
    },
    /// `RECENT <uid or g<gid>> <limit> [before_seq]`: the last messages, or the last before one.
    Recent {
        /// Whose conversation with the caller.
        peer: Peer,
        /// How many at most, above 0.
        limit: u32,
        /// Above 0; `None` for the newest of all.
        before_seq: Option<i64>,
    },
    /// `READ <uid or g<gid>> <seq>`: everything up to this number was read.
    Read {
        /// Whose conversation with the caller.
        peer: Peer,
        /// Above 0.
        seq: i64,
    },
    /// `CONVERSATIONS [limit]`: the caller's, the one in which something happened last first.
    Conversations {
        /// How many at most, above 0; `None`: the server chooses.
        limit: Option<u32>,
        /// Where an earlier answer left off; text lines cannot say it.
        page: Option<String>,
    },
    /// `EVENTS on|off`: whether the session is told of what is not kept.
    Events {
        /// Off at first.
        on: bool,
    },
    /// `TYPING <uid or g<gid>>`: the caller is writing.
    Typing {
        /// To whom.
        peer: Peer,
    },
    /// `WHISPER <uid or g<gid>> <text>`: for those who are there, and not stored.
    Whisper {
        /// To whom.
        peer: Peer,
        /// Not empty.
        text: String,
    },
    /// `RECEIPTS on|off`: whether the session is told how far others are with what it sends.
    Receipts {
        /// Off at first.
        on: bool,
    },
    /// `RECEIPTS <uid or g<gid>>`: how far the others in a conversation are.
    ReceiptsOf {
        /// Whose conversation with the caller.
        peer: Peer,
    },
    /// `PRIORITY low|normal|high|urgent`: of what the session sends from now on.
    Priority {
        /// Normal at first.
        priority: Priority,
    },
    /// `STATUS online|busy|away`: what the session says of its user.
    Status {
        /// Not offline.
        status: Status,
    },
    /// `PRESENCE <uid>`: what a friend is.
    Presence {
        /// Above 0.
        uid: i64,
    },
    /// The same of several; whoever is no friend counts as offline. Text lines have no word for it.
    PresenceOf {
        /// Each above 0.
        user_ids: Vec<i64>,
    },
    /// Who some users are. Text lines have no word for it.
    Users {
        /// Each above 0.
        user_ids: Vec<i64>,
    },
    /// Who the user of this name is, if there is one. Text lines have no word for it.
    UserNamed {
        /// Not empty.
        username: String,
    },
    /// `ADDFRIEND <uid>`.
    AddFriend {
        /// Above 0.
        friend_id: i64,
    },
    /// `REMOVEFRIEND <uid>`.
    RemoveFriend {
        /// Above 0.
        friend_id: i64,
    },
    /// `GETFRIENDS`.
    GetFriends,
    /// `BLOCK <uid>`.
    Block {
        /// Above 0.
        uid: i64,
    },
    /// `UNBLOCK <uid>`.
    Unblock {
        /// Above 0.
        uid: i64,
    },
    /// `BLOCKED`: whom the caller shuts out.
    Blocked,
    /// `CREATEGROUP <name> [description]`.
    CreateGroup {
        /// Not empty; in text lines without a space.
        name: String,
        /// May be empty.
        description: String,
    },
    /// `JOINGROUP <gid>`.
    JoinGroup {
        /// Above 0.
        group_id: i64,
    },
    /// `LEAVEGROUP <gid>`.
    LeaveGroup {
        /// Above 0.
        group_id: i64,
    },
    /// `MEMBERS <gid>`.
    Members {
        /// Above 0.
        group_id: i64,
    },
    /// `GROUPS`: the caller's.
    Groups,
    /// What a group is. Text lines have no word for it.
    Group {
        /// Above 0.
        group_id: i64,
    },
    /// `DEVICE <class>:<id>`, before logging in: which device the connection's sessions are.
    Device {
        /// Not empty; whether it is a device's name is for others to say.
        name: String,
    },
    /// `DEVICES`: the caller's, and which of them are connected.
    Devices,
    /// `REVOKE <device>`: puts one of the caller's devices out.
    Revoke {
        /// Not empty; whether the caller has it is for others to say.
        device: String,
    },
    /// `HELP`.
    Help,
    /// `WHOAMI`.
    WhoAmI,
    /// `PING`.
    Ping,
}

impl Command {
    /// Whether it may be handed out while earlier commands are unanswered, and later ones may while
    /// it is. True for sends, since a client must not wait a round trip for each, and for `ACK`,
    /// which is cumulative, and `TYPING` and `WHISPER`, which nobody waits for: they would otherwise
    /// stall the sends around them. Everything else is a barrier: it sees the effects of all that was
    /// sent before it.
    pub fn is_concurrent(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::SendGroup { .. }
                | Self::Message(_)
                | Self::Ack { .. }
                | Self::Typing { .. }
                | Self::Whisper { .. }
        )
    }

    /// What it is called: the word that its line in text lines starts with, or would.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register { .. } => "REGISTER",
            Self::Login { .. } | Self::LogIn(_) => "LOGIN",
            Self::Logout | Self::LogoutEverywhere => "LOGOUT",
            Self::Refresh { .. } => "REFRESH",
            Self::ChangePassword { .. } => "PASSWORD",
            Self::Send { client_msg_id: None, .. } => "SEND",
            Self::Send { client_msg_id: Some(_), .. } => "SENDID",
            Self::SendGroup { client_msg_id: None, .. } => "SENDGROUP",
            Self::SendGroup { client_msg_id: Some(_), .. } => "SENDGROUPID",
            Self::Message(_) => "MESSAGE",
            Self::Pull => "PULL",
            Self::Ack { .. } => "ACK",
            Self::History { .. } => "HISTORY",
            Self::Recent { .. } => "RECENT",
            Self::Read { .. } => "READ",
            Self::Conversations { .. } => "CONVERSATIONS",
            Self::Events { .. } => "EVENTS",
            Self::Typing { .. } => "TYPING",
            Self::Whisper { .. } => "WHISPER",
            Self::Receipts { .. } | Self::ReceiptsOf { .. } => "RECEIPTS",
            Self::Priority { .. } => "PRIORITY",
            Self::Status { .. } => "STATUS",
            Self::Presence { .. } | Self::PresenceOf { .. } => "PRESENCE",
            Self::Users { .. } | Self::UserNamed { .. } => "USERS",
            Self::AddFriend { .. } => "ADDFRIEND",
            Self::RemoveFriend { .. } => "REMOVEFRIEND",
            Self::GetFriends => "GETFRIENDS",
            Self::Block { .. } => "BLOCK",
            Self::Unblock { .. } => "UNBLOCK",
            Self::Blocked => "BLOCKED",
            Self::CreateGroup { .. } => "CREATEGROUP",
            Self::JoinGroup { .. } => "JOINGROUP",
            Self::LeaveGroup { .. } => "LEAVEGROUP",
            Self::Members { .. } => "MEMBERS",
            Self::Groups => "GROUPS",
            Self::Group { .. } => "GROUP",
            Self::Device { .. } => "DEVICE",
            Self::Devices => "DEVICES",
            Self::Revoke { .. } => "REVOKE",
            Self::Help => "HELP",
            Self::WhoAmI => "WHOAMI",
            Self::Ping => "PING",
        }
    }
}

/// The other side of a conversation: `<uid>`, or `g<gid>` for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A user, by uid.
    User(i64),
    /// A group, by group id.
    Group(i64),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "{uid}"),
            Self::Group(group_id) => write!(f, "g{group_id}"),
        }
    }
}

impl FromStr for Peer {
    /// The failure text.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(['g', 'G']) {
            Some(group_id) => positive(group_id).map(Self::Group).ok_or(failure::BAD_GROUP_ID),
            None => positive(text).map(Self::User).ok_or(failure::BAD_UID),
        }
    }
}

/// A number above 0, of digits only. Ids are, and `+7` or `007x` would be a second spelling.
pub(crate) fn positive(digits: &str) -> Option<i64> {
    non_negative(digits).filter(|number| *number > 0)
}

/// A number of digits only.
pub(crate) fn non_negative(digits: &str) -> Option<i64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// A password. It does not show in `Debug`, so it cannot reach a log by way of a command.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Bytes);

impl Secret {
    /// Wraps it.
    pub fn new(secret: impl Into<Bytes>) -> Self {
        Self(secret.into())
    }

    /// The bytes, for the one call that needs them.
    pub fn expose(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, for the one call that needs them.
    pub fn into_exposed(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
