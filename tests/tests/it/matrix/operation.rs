//! What there is to ask for, and of what.

use im_wire::Command;
use mpim_tests::{Peer, Request};

use super::world::{World, new_name};

/// Somebody and something that nobody is, nor has.
const NOBODY: i64 = 999_999_999;

/// Routes that have tests of their own: they begin a session.
pub(super) const ELSEWHERE: [&str; 6] = [
    "POST /api/register",
    "POST /api/login",
    "POST /api/refresh",
    "POST /api/password",
    "GET /api/events",
    "POST /api/events/ack",
];

macro_rules! operations {
    ($($operation:ident),+ $(,)?) => {
        /// What one may ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation { $($operation),+ }

        impl Operation {
            pub(super) const ALL: &[Self] = &[$(Self::$operation),+];
        }
    };
}

operations! {
    Send, Pull, Ack, History, Recent, Read, ReceiptsOf, Typing, Whisper, Conversations, Events,
    Receipts, Priority, Status, Presence, AddFriend, RemoveFriend, Friends, Block, Unblock, Blocked,
    CreateGroup, JoinGroup, LeaveGroup, Members, Groups, Devices, Revoke, WhoAmI, Ping, Help, LogOut,
    User, Group,
}

/// What it is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// Nothing in particular, or the caller.
    Own,
    /// The owner.
    Owner,
    /// Nobody, by a number that is nobody's.
    NoUser,
    /// The owner's group.
    Group,
    /// No group.
    NoGroup,
    /// The conversation of the owner and their friend, by its name.
    TheirConversation,
    /// The owner's device.
    TheirDevice,
    /// A message of that conversation.
    TheirMessage,
}

/// A row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) operation: Operation,
    pub(super) of: Object,
}

impl Operation {
    /// The operation of a command; `None` for those that are asked before there is a session. A new
    /// command finds its place here, or this does not compile.
    #[expect(dead_code, reason = "that it compiles is what it is for")]
    fn of(command: &Command) -> Option<Self> {
        Some(match command {
            Command::Register { .. }
            | Command::Login { .. }
            | Command::LogIn(_)
            | Command::Device { .. }
            // Of a log-in, and tested there.
            | Command::Refresh { .. }
            | Command::ChangePassword { .. } => return None,
            Command::Logout | Command::LogoutEverywhere => Self::LogOut,
            Command::Send { .. } | Command::SendGroup { .. } | Command::Message(_) => Self::Send,
            Command::Pull => Self::Pull,
            Command::Ack { .. } => Self::Ack,
            Command::History { .. } => Self::History,
            Command::Recent { .. } => Self::Recent,
            Command::Read { .. } => Self::Read,
            Command::Conversations { .. } => Self::Conversations,
            Command::Events { .. } => Self::Events,
            Command::Typing { .. } => Self::Typing,
            Command::Whisper { .. } => Self::Whisper,
            Command::Receipts { .. } => Self::Receipts,
            Command::ReceiptsOf { .. } => Self::ReceiptsOf,
            Command::Priority { .. } => Self::Priority,
            Command::Status { .. } => Self::Status,
            Command::Presence { .. } | Command::PresenceOf { .. } => Self::Presence,
            Command::Users { .. } | Command::UserNamed { .. } => Self::User,
            Command::Group { .. } => Self::Group,
            Command::AddFriend { .. } => Self::AddFriend,
            Command::RemoveFriend { .. } => Self::RemoveFriend,
            Command::GetFriends => Self::Friends,
            Command::Block { .. } => Self::Block,
            Command::Unblock { .. } => Self::Unblock,
            Command::Blocked => Self::Blocked,
            Command::CreateGroup { .. } => Self::CreateGroup,
            Command::JoinGroup { .. } => Self::JoinGroup,
            Command::LeaveGroup { .. } => Self::LeaveGroup,
            Command::Members { .. } => Self::Members,
            Command::Groups => Self::Groups,
            Command::Devices => Self::Devices,
            Command::Revoke { .. } => Self::Revoke,
            Command::Help => Self::Help,
            Command::WhoAmI => Self::WhoAmI,
            Command::Ping => Self::Ping,
        })
    }

    /// Whether it makes a stranger a friend, or ends the session: the next row would be another's.
    pub(super) fn changes_who_asks(self) -> bool {
        matches!(
            self,
            Self::AddFriend
                | Self::RemoveFriend
                | Self::Block
                | Self::Unblock
                | Self::JoinGroup
                | Self::LeaveGroup
                | Self::Revoke
                | Self::LogOut
        )
    }

    /// The requests that it can be, each with what it is asked of.
    fn requests(self, world: &World) -> Vec<(Object, Request)> {
        let users = [(Object::Owner, world.owner_uid), (Object::NoUser, NOBODY)];
        let groups = [(Object::Group, world.group), (Object::NoGroup, NOBODY)];
        let of_users = |request: &dyn Fn(i64) -> Request| {
            users.map(|(object, user)| (object, request(user))).to_vec()
        };
        let of_groups = |request: &dyn Fn(i64) -> Request| {
            groups.map(|(object, group)| (object, request(group))).to_vec()
        };
        let of_peers = |request: &dyn Fn(Peer) -> Request| {
            let mut requests = of_users(&|user| request(Peer::User(user)));
            requests.extend(of_groups(&|group| request(Peer::Group(group))));
            let theirs = Peer::Named(world.conversation.clone());
            requests.push((Object::TheirConversation, request(theirs)));
            requests
        };
        let own = |request| vec![(Object::Own, request)];
        match self {
            Self::Send => of_peers(&|to| Request::Send { to, text: "hello".to_owned() }),
            Self::Pull => own(Request::Pull),
            Self::Ack => vec![(Object::TheirMessage, Request::Ack { message: world.message })],
            Self::History => of_peers(&|of| Request::History { of }),
            Self::Recent => of_peers(&|of| Request::Recent { of }),
            Self::Read => of_peers(&|of| Request::Read { of, seq: 1 }),
            Self::ReceiptsOf => of_peers(&|of| Request::ReceiptsOf { of }),
            Self::Typing => of_peers(&|to| Request::Typing { to }),
            Self::Whisper => of_peers(&|to| Request::Whisper { to }),
            Self::Conversations => own(Request::Conversations),
            Self::Events => own(Request::Events),
            Self::Receipts => own(Request::Receipts),
            Self::Priority => own(Request::Priority),
            Self::Status => own(Request::Status),
            Self::Presence => of_users(&|user| Request::Presence { user }),
            Self::AddFriend => of_users(&|user| Request::AddFriend { user }),
            Self::RemoveFriend => of_users(&|user| Request::RemoveFriend { user }),
            Self::Friends => own(Request::Friends),
            Self::Block => of_users(&|user| Request::Block { user }),
            Self::Unblock => of_users(&|user| Request::Unblock { user }),
            Self::Blocked => own(Request::Blocked),
            Self::CreateGroup => own(Request::CreateGroup { name: new_name("theirs") }),
            Self::JoinGroup => of_groups(&|group| Request::JoinGroup { group }),
            Self::LeaveGroup => of_groups(&|group| Request::LeaveGroup { group }),
            Self::Members => of_groups(&|group| Request::Members { group }),
            Self::Groups => own(Request::Groups),
            Self::Devices => own(Request::Devices),
            Self::Revoke => {
                vec![(Object::TheirDevice, Request::Revoke { device: world.device.clone() })]
            }
            Self::WhoAmI => own(Request::WhoAmI),
            Self::Ping => own(Request::Ping),
            Self::Help => own(Request::Help),
            Self::LogOut => own(Request::LogOut),
            Self::User => of_users(&|user| Request::User { user }),
            Self::Group => of_groups(&|group| Request::Group { group }),
        }
    }
}

/// All rows.
pub(super) fn rows(world: &World) -> Vec<(Row, Request)> {
    let of = |operation: &Operation| {
        let operation = *operation;
        let requests = operation.requests(world).into_iter();
        requests.map(move |(of, request)| (Row { operation, of }, request))
    };
    Operation::ALL.iter().flat_map(of).collect()
}
