//! A line to a command.

use crate::{
    CLIENT_MSG_ID_BYTES_MAX, Command, Credential, Peer, Priority, Secret, Status,
    command::{non_negative, positive},
    failure,
};
use bytes::Bytes;

/// Finds the command in `line`, or the text of its refusal. Without a session, most are refused
/// before their arguments are looked at, as the original does.
pub(crate) fn parse(line: &[u8], logged_in: bool) -> Result<Command, &'static str> {
    let (word, mut arguments) = Arguments::after_command(line);
    let kind = Kind::of(word).ok_or(failure::UNKNOWN_COMMAND)?;
    if !logged_in && kind.needs_session() {
        return Err(failure::NOT_LOGIN);
    }
    kind.parse(&mut arguments)
}

/// A command's name, before its arguments are known.
#[derive(Clone, Copy)]
enum Kind {
    Register,
    Login,
    Token,
    Logout,
    Send,
    SendId,
    SendGroup,
    SendGroupId,
    Pull,
    Ack,
    History,
    Recent,
    Read,
    Conversations,
    Events,
    Typing,
    Whisper,
    Receipts,
    Priority,
    Status,
    Presence,
    AddFriend,
    RemoveFriend,
    GetFriends,
    Block,
    Unblock,
    Blocked,
    CreateGroup,
    JoinGroup,
    LeaveGroup,
    Members,
    Groups,
    Device,
    Devices,
    Revoke,
    Help,
    WhoAmI,
    Ping,
}

const KINDS: &[(&str, Kind)] = &[
    // The frequent ones first: this is searched from the front.
    ("SEND", Kind::Send),
    ("SENDID", Kind::SendId),
    ("SENDGROUP", Kind::SendGroup),
    ("SENDGROUPID", Kind::SendGroupId),
    ("ACK", Kind::Ack),
    ("TYPING", Kind::Typing),
    ("PING", Kind::Ping),
    ("PULL", Kind::Pull),
    ("REGISTER", Kind::Register),
    ("LOGIN", Kind::Login),
    ("TOKEN", Kind::Token),
    ("LOGOUT", Kind::Logout),
    ("READ", Kind::Read),
    ("HISTORY", Kind::History),
    ("RECENT", Kind::Recent),
    ("CONVERSATIONS", Kind::Conversations),
    ("EVENTS", Kind::Events),
    ("WHISPER", Kind::Whisper),
    ("RECEIPTS", Kind::Receipts),
    ("PRIORITY", Kind::Priority),
    ("STATUS", Kind::Status),
    ("PRESENCE", Kind::Presence),
    ("ADDFRIEND", Kind::AddFriend),
    ("REMOVEFRIEND", Kind::RemoveFriend),
    ("GETFRIENDS", Kind::GetFriends),
    ("BLOCK", Kind::Block),
    ("UNBLOCK", Kind::Unblock),
    ("BLOCKED", Kind::Blocked),
    ("CREATEGROUP", Kind::CreateGroup),
    ("JOINGROUP", Kind::JoinGroup),
    ("LEAVEGROUP", Kind::LeaveGroup),
    ("MEMBERS", Kind::Members),
    ("GROUPS", Kind::Groups),
    ("DEVICE", Kind::Device),
    ("DEVICES", Kind::Devices),
    ("REVOKE", Kind::Revoke),
    ("HELP", Kind::Help),
    ("WHOAMI", Kind::WhoAmI),
];

impl Kind {
    fn of(word: &[u8]) -> Option<Self> {
        let found = KINDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, kind)| *kind)
    }

    fn needs_session(self) -> bool {
        !matches!(
            self,
            Self::Register | Self::Login | Self::Token | Self::Device | Self::Help | Self::Ping
        )
    }

    fn parse(self, arguments: &mut Arguments<'_>) -> Result<Command, &'static str> {
        Ok(match self {
            Self::Register => {
                let (username, password) = arguments.credentials(failure::USAGE_REGISTER)?;
                Command::Register { username, password }
            }
            Self::Login => {
                let (username, password) = arguments.credentials(failure::USAGE_LOGIN)?;
                Command::Login { username, password }
            }
            Self::Token => {
                let token = Bytes::from(arguments.last_word(failure::USAGE_TOKEN)?);
                Command::LogIn(Box::new(Credential::Token(Secret::new(token)).into()))
            }
            Self::Send | Self::SendId => arguments.send(self)?,
            Self::SendGroup | Self::SendGroupId => arguments.send_group(self)?,
            Self::Ack => Command::Ack { msg_id: arguments.last_id(failure::BAD_MSG_ID)? },
            Self::History => arguments.history()?,
            Self::Recent => arguments.recent()?,
            Self::Read => arguments.read()?,
            Self::Conversations => {
                let limit = arguments.rest().map(<[u8]>::trim_ascii_end);
                let limit = limit.filter(|limit| !limit.is_empty()).map(self::limit);
                Command::Conversations { limit: limit.transpose()?, page: None }
            }
            Self::Events => match switch(arguments.word()) {
                Some(on) => Command::Events { on },
                None => return Err(failure::USAGE_EVENTS),
            },
            Self::Receipts => match arguments.word() {
                b"" => return Err(failure::USAGE_RECEIPTS),
                word => match switch(word) {
                    Some(on) => Command::Receipts { on },
                    None => Command::ReceiptsOf { peer: utf8(word)?.parse()? },
                },
            },
            Self::Priority => {
                let priority = Priority::of(arguments.word()).ok_or(failure::USAGE_PRIORITY)?;
                Command::Priority { priority }
            }
            Self::Whisper => arguments.whisper()?,
            Self::Typing => Command::Typing { peer: arguments.last_peer(failure::USAGE_TYPING)? },
            Self::Status => match Status::of(arguments.word()) {
                None | Some(Status::Offline) => return Err(failure::USAGE_STATUS),
                Some(status) => Command::Status { status },
            },
            Self::Presence => Command::Presence { uid: arguments.last_id(failure::BAD_UID)? },
            Self::AddFriend => {
                Command::AddFriend { friend_id: arguments.last_id(failure::BAD_FRIEND_ID)? }
            }
            Self::RemoveFriend => {
                Command::RemoveFriend { friend_id: arguments.last_id(failure::BAD_FRIEND_ID)? }
            }
            Self::Block => Command::Block { uid: arguments.last_id(failure::BAD_UID)? },
            Self::Unblock => Command::Unblock { uid: arguments.last_id(failure::BAD_UID)? },
            Self::CreateGroup => arguments.create_group()?,
            Self::JoinGroup => {
                Command::JoinGroup { group_id: arguments.last_id(failure::BAD_GROUP_ID)? }
            }
            Self::LeaveGroup => {
                Command::LeaveGroup { group_id: arguments.last_id(failure::BAD_GROUP_ID)? }
            }
            Self::Members => {
                Command::Members { group_id: arguments.last_id(failure::BAD_GROUP_ID)? }
            }
            Self::Device => Command::Device { name: arguments.last_word(failure::USAGE_DEVICE)? },
            Self::Devices => Command::Devices,
            Self::Revoke => Command::Revoke { device: arguments.last_word(failure::USAGE_REVOKE)? },
            // What follows a command without arguments is ignored, as the original does.
            Self::Logout => Command::Logout,
            Self::Pull => Command::Pull,
            Self::GetFriends => Command::GetFriends,
            Self::Blocked => Command::Blocked,
            Self::Groups => Command::Groups,
            Self::Help => Command::Help,
            Self::WhoAmI => Command::WhoAmI,
            Self::Ping => Command::Ping,
        })
    }
}

/// What is left of the line; `None` once the last argument was taken, or where none came.
struct Arguments<'a>(Option<&'a [u8]>);

impl<'a> Arguments<'a> {
    /// The line's first word, and the arguments behind it.
    fn after_command(line: &'a [u8]) -> (&'a [u8], Self) {
        let mut arguments = Self(Some(line));
        let word = arguments.next().unwrap_or_default();
        (word, arguments)
    }

    /// The next argument, up to one space. Two spaces have an empty one between them.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        match rest.iter().position(|byte| *byte == b' ') {
            Some(space) => {
                self.0 = Some(&rest[space + 1..]);
                Some(&rest[..space])
            }
            None => self.0.take(),
        }
    }

    /// The last argument: everything that is left.
    fn rest(&mut self) -> Option<&'a [u8]> {
        self.0.take()
    }

    /// The last argument, where it is an id. Blanks behind it are forgiven, since they do not show.
    fn last_id(&mut self, bad: &'static str) -> Result<i64, &'static str> {
        id(self.rest().unwrap_or_default().trim_ascii_end(), bad)
    }

    /// The last argument, where it is a name. Blanks behind it are forgiven, since they do not show.
    fn last_word(&mut self, usage: &'static str) -> Result<String, &'static str> {
        let word = self.rest().unwrap_or_default().trim_ascii_end();
        if word.is_empty() { Err(usage) } else { Ok(utf8(word)?.to_owned()) }
    }

    /// The last argument, where it is one word. Blanks behind it are forgiven.
    fn word(&mut self) -> &'a [u8] {
        self.rest().unwrap_or_default().trim_ascii_end()
    }

    /// The last argument, where it is the other side of a conversation.
    fn last_peer(&mut self, usage: &'static str) -> Result<Peer, &'static str> {
        match self.word() {
            b"" => Err(usage),
            peer => utf8(peer)?.parse(),
        }
    }

    fn credentials(&mut self, usage: &'static str) -> Result<(Bytes, Secret), &'static str> {
        let username = self.next().filter(|name| !name.is_empty()).ok_or(usage)?;
        let password = self.rest().filter(|password| !password.is_empty()).ok_or(usage)?;
        Ok((Bytes::copy_from_slice(username), Secret::new(Bytes::copy_from_slice(password))))
    }

    fn send(&mut self, kind: Kind) -> Result<Command, &'static str> {
        let with_id = matches!(kind, Kind::SendId);
        let usage = if with_id { failure::USAGE_SENDID } else { failure::USAGE_SEND };
        let outgoing = self.outgoing(with_id, usage)?;
        Ok(Command::Send {
            client_msg_id: outgoing.client_msg_id.map(checked_client_msg_id).transpose()?,
            to: id(outgoing.target, failure::BAD_TO_UID)?,
            text: utf8(outgoing.text)?.to_owned(),
        })
    }

    fn send_group(&mut self, kind: Kind) -> Result<Command, &'static str> {
        let with_id = matches!(kind, Kind::SendGroupId);
        let usage = if with_id { failure::USAGE_SENDGROUPID } else { failure::USAGE_SENDGROUP };
        let outgoing = self.outgoing(with_id, usage)?;
        Ok(Command::SendGroup {
            client_msg_id: outgoing.client_msg_id.map(checked_client_msg_id).transpose()?,
            group_id: id(outgoing.target, failure::BAD_GROUP_ID)?,
            text: utf8(outgoing.text)?.to_owned(),
        })
    }

    /// First that all arguments are there, then each by itself, so that half a command is told
    /// its usage.
    fn outgoing(
        &mut self,
        with_id: bool,
        usage: &'static str,
    ) -> Result<Outgoing<'a>, &'static str> {
        let client_msg_id = if with_id { Some(self.next().ok_or(usage)?) } else { None };
        let target = self.next().ok_or(usage)?;
        let text = self.rest().filter(|text| !text.is_empty()).ok_or(usage)?;
        Ok(Outgoing { client_msg_id, target, text })
    }

    fn whisper(&mut self) -> Result<Command, &'static str> {
        let Outgoing { target, text, .. } = self.outgoing(false, failure::USAGE_WHISPER)?;
        Ok(Command::Whisper { peer: utf8(target)?.parse()?, text: utf8(text)?.to_owned() })
    }

    fn create_group(&mut self) -> Result<Command, &'static str> {
        let usage = failure::USAGE_CREATEGROUP;
        let name = self.next().filter(|name| !name.is_empty()).ok_or(usage)?;
        let description = self.rest().unwrap_or_default();
        Ok(Command::CreateGroup {
            name: utf8(name)?.to_owned(),
            description: utf8(description)?.to_owned(),
        })
    }

    fn history(&mut self) -> Result<Command, &'static str> {
        let usage = failure::USAGE_HISTORY;
        let peer = self.next().ok_or(usage)?;
        let after_seq = self.next().ok_or(usage)?;
        let limit = self.rest().ok_or(usage)?.trim_ascii_end();
        Ok(Command::History {
            // The one failure that the contract has for HISTORY.
            peer: utf8(peer)?.parse::<Peer>().map_err(|_| failure::BAD_RANGE)?,
            after_seq: number(after_seq)?,
            limit: self::limit(limit)?,
        })
    }

    fn recent(&mut self) -> Result<Command, &'static str> {
        let usage = failure::USAGE_RECENT;
        let peer = self.next().ok_or(usage)?;
        let limit = self.next().filter(|limit| !limit.is_empty()).ok_or(usage)?;
        let before_seq = self.rest().unwrap_or_default().trim_ascii_end();
        let before_seq = (!before_seq.is_empty()).then(|| id(before_seq, failure::BAD_RANGE));
        Ok(Command::Recent {
            peer: utf8(peer)?.parse()?,
            limit: self::limit(limit)?,
            before_seq: before_seq.transpose()?,
        })
    }

    fn read(&mut self) -> Result<Command, &'static str> {
        let usage = failure::USAGE_READ;
        let peer = self.next().ok_or(usage)?;
        let seq = self.rest().ok_or(usage)?.trim_ascii_end();
        Ok(Command::Read { peer: utf8(peer)?.parse()?, seq: id(seq, failure::BAD_SEQ)? })
    }
}

/// The arguments of a send, not looked into yet.
struct Outgoing<'a> {
    client_msg_id: Option<&'a [u8]>,
    target: &'a [u8],
    text: &'a [u8],
}

fn id(digits: &[u8], bad: &'static str) -> Result<i64, &'static str> {
    std::str::from_utf8(digits).ok().and_then(positive).ok_or(bad)
}

fn switch(word: &[u8]) -> Option<bool> {
    match word {
        b"on" | b"ON" => Some(true),
        b"off" | b"OFF" => Some(false),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Result<i64, &'static str> {
    utf8(digits).ok().and_then(non_negative).ok_or(failure::BAD_RANGE)
}

fn limit(digits: &[u8]) -> Result<u32, &'static str> {
    u32::try_from(number(digits)?).ok().filter(|limit| *limit > 0).ok_or(failure::BAD_RANGE)
}

fn utf8(argument: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(argument).map_err(|_| failure::NOT_UTF8)
}

/// Ids are compared and shown, so they are short and printable.
fn checked_client_msg_id(id: &[u8]) -> Result<String, &'static str> {
    let printable = !id.is_empty()
        && id.len() <= CLIENT_MSG_ID_BYTES_MAX
        && id.iter().all(u8::is_ascii_graphic);
    if printable { Ok(utf8(id)?.to_owned()) } else { Err(failure::BAD_CLIENT_MSG_ID) }
}
