//! What the answer to a command is to say.

use im_wire::{Command, Peer, Reply};

/// How to read the answer of a request that was granted.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// It says that it was done: this.
    Done(Reply),
    /// Who is logged in from here on.
    Session,
    /// How the log-in goes on.
    Granted,
    /// Who asks.
    Me,
    /// The id of a message to a user.
    Sent,
    /// The id of a message to a group.
    SentToGroup,
    /// Messages.
    History,
    /// Conversations.
    Conversations,
    /// How far the others are in this conversation.
    Receipts(Peer),
    /// What this user is.
    Presence(i64),
    /// What these users are.
    PresenceOf,
    /// Who these users are.
    Users,
    /// What a group is.
    Group,
    /// A list of users or groups, and what it is a list of.
    Ids(fn(Vec<i64>) -> Reply),
    /// The id of a group.
    GroupId,
    /// Devices.
    Devices,
}

impl Expected {
    pub(crate) fn of(command: &Command) -> Self {
        Self::Done(match command {
            Command::Register { .. } | Command::Login { .. } | Command::LogIn(_) => {
                return Self::Session;
            }
            Command::WhoAmI => return Self::Me,
            Command::Message(message) => {
                return match message.to {
                    Peer::User(_) => Self::Sent,
                    Peer::Group(_) => Self::SentToGroup,
                };
            }
            Command::Send { .. } => return Self::Sent,
            Command::SendGroup { .. } => return Self::SentToGroup,
            Command::History { .. } | Command::Recent { .. } => return Self::History,
            Command::Conversations { .. } => return Self::Conversations,
            Command::ReceiptsOf { peer } => return Self::Receipts(*peer),
            Command::Presence { uid } => return Self::Presence(*uid),
            Command::PresenceOf { .. } => return Self::PresenceOf,
            Command::Users { .. } | Command::UserNamed { .. } => return Self::Users,
            Command::Group { .. } => return Self::Group,
            Command::GetFriends => return Self::Ids(Reply::Friends),
            Command::Blocked => return Self::Ids(Reply::Blocked),
            Command::Members { .. } => return Self::Ids(Reply::Members),
            Command::Groups => return Self::Ids(Reply::Groups),
            Command::CreateGroup { .. } => return Self::GroupId,
            Command::Devices => return Self::Devices,
            Command::Refresh { .. } | Command::ChangePassword { .. } => return Self::Granted,
            Command::Logout | Command::LogoutEverywhere => Reply::LoggedOut,
            Command::Pull => Reply::PullDone,
            Command::Ack { .. } => Reply::Acked,
            Command::Read { .. } => Reply::Read,
            Command::Events { on } => Reply::Events(*on),
            Command::Typing { .. } => Reply::Typing,
            Command::Whisper { .. } => Reply::Whispered,
            Command::Receipts { on } => Reply::Receipts(*on),
            Command::Priority { priority } => Reply::Priority(*priority),
            Command::Status { status } => Reply::Status(*status),
            Command::AddFriend { .. } => Reply::FriendAdded,
            Command::RemoveFriend { .. } => Reply::FriendRemoved,
            Command::Block { .. } => Reply::UserBlocked,
            Command::Unblock { .. } => Reply::UserUnblocked,
            Command::JoinGroup { .. } => Reply::JoinedGroup,
            Command::LeaveGroup { .. } => Reply::LeftGroup,
            Command::Device { name } => Reply::Device(name.clone()),
            Command::Revoke { .. } => Reply::Revoked,
            Command::Help => Reply::Help,
            Command::Ping => Reply::Pong,
        })
    }
}
