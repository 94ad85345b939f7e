//! A command to a line.

use crate::{CLIENT_MSG_ID_BYTES_MAX, Command, Peer};
use bytes::{BufMut, BytesMut};
use std::fmt::Write;

/// Why a command cannot be written as a line that reads back as the same command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// CR or LF in an argument would end the line and start another.
    #[error("{0} must not contain a line break")]
    LineBreak(&'static str),
    /// A space in an argument that is not the last would move those behind it.
    #[error("{0} must not contain a space")]
    Space(&'static str),
    /// The argument must not be empty.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// Ids are above 0.
    #[error("{0} must be a number above 0")]
    NotPositive(&'static str),
    /// Sequence numbers start at 0, which stands for the beginning.
    #[error("{0} must not be negative")]
    Negative(&'static str),
    /// Text lines have no word for it.
    #[error("text lines cannot say this")]
    NoWord,
    /// A client message id is short and printable.
    #[error("a client message id is 1 to {CLIENT_MSG_ID_BYTES_MAX} printable ASCII characters")]
    ClientMsgId,
}

impl Command {
    /// Appends the command's line to `out`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when an argument does not fit into a line; `out` is then as before.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let before = out.len();
        out.put_slice(self.name().as_bytes());
        let written = LineWriter(out).arguments(self);
        match written {
            Ok(()) => out.put_u8(b'\n'),
            Err(_) => out.truncate(before),
        }
        written
    }
}

/// Appends arguments, each behind a space.
struct LineWriter<'a>(&'a mut BytesMut);

impl LineWriter<'_> {
    fn arguments(&mut self, command: &Command) -> Result<(), EncodeError> {
        match command {
            Command::Register { username, password } | Command::Login { username, password } => {
                self.word("the user name", username)?;
                self.not_empty("the password", password.expose())
            }
            Command::Send { client_msg_id, to, text } => {
                self.client_msg_id(client_msg_id.as_deref())?;
                self.id("the receiver", *to)?;
                self.not_empty("the text", text.as_bytes())
            }
            Command::SendGroup { client_msg_id, group_id, text } => {
                self.client_msg_id(client_msg_id.as_deref())?;
                self.id("the group", *group_id)?;
                self.not_empty("the text", text.as_bytes())
            }
            Command::CreateGroup { name, description } => {
                self.word("the group's name", name.as_bytes())?;
                if description.is_empty() {
                    return Ok(());
                }
                self.rest("the description", description.as_bytes())
            }
            Command::Ack { msg_id } => self.id("the message id", *msg_id),
            Command::Events { on } | Command::Receipts { on } => {
                self.0.put_slice(if *on { b" on" } else { b" off" });
                Ok(())
            }
            Command::Typing { peer } | Command::ReceiptsOf { peer } => self.peer(*peer),
            Command::Whisper { peer, text } => {
                self.peer(*peer)?;
                self.not_empty("the text", text.as_bytes())
            }
            Command::Priority { priority } => {
                self.word("the priority", priority.as_str().as_bytes())
            }
            Command::Status { status } => self.word("the status", status.as_str().as_bytes()),
            Command::Presence { uid } => self.id("the user", *uid),
            Command::AddFriend { friend_id } | Command::RemoveFriend { friend_id } => {
                self.id("the friend", *friend_id)
            }
            Command::Block { uid } | Command::Unblock { uid } => self.id("the user", *uid),
            Command::JoinGroup { group_id }
            | Command::LeaveGroup { group_id }
            | Command::Members { group_id } => self.id("the group", *group_id),
            Command::History { peer, after_seq, limit } => {
                self.peer(*peer)?;
                self.not_negative("the sequence number", *after_seq)?;
                self.id("the limit", (*limit).into())
            }
            Command::Recent { peer, limit, before_seq } => {
                self.peer(*peer)?;
                self.id("the limit", (*limit).into())?;
                before_seq.map_or(Ok(()), |seq| self.id("the sequence number", seq))
            }
            Command::Read { peer, seq } => {
                self.peer(*peer)?;
                self.id("the sequence number", *seq)
            }
            Command::Conversations { limit, page: None } => {
                limit.map_or(Ok(()), |limit| self.id("the limit", limit.into()))
            }
            Command::Device { name } | Command::Revoke { device: name } => {
                self.word("the device", name.as_bytes())
            }
            Command::LogIn(_)
            | Command::LogoutEverywhere
            | Command::Refresh { .. }
            | Command::ChangePassword { .. }
            | Command::Message(_)
            | Command::Conversations { page: Some(_), .. }
            | Command::PresenceOf { .. }
            | Command::Users { .. }
            | Command::UserNamed { .. }
            | Command::Group { .. } => Err(EncodeError::NoWord),
            Command::Logout
            | Command::Pull
            | Command::GetFriends
            | Command::Blocked
            | Command::Groups
            | Command::Devices
            | Command::Help
            | Command::WhoAmI
            | Command::Ping => Ok(()),
        }
    }

    fn id(&mut self, what: &'static str, id: i64) -> Result<(), EncodeError> {
        if id <= 0 {
            return Err(EncodeError::NotPositive(what));
        }
        // Writing to memory does not fail.
        let _ = write!(self.0, " {id}");
        Ok(())
    }

    fn peer(&mut self, peer: Peer) -> Result<(), EncodeError> {
        let (Peer::User(id) | Peer::Group(id)) = peer;
        if id <= 0 {
            return Err(EncodeError::NotPositive("the peer"));
        }
        // Writing to memory does not fail.
        let _ = write!(self.0, " {peer}");
        Ok(())
    }

    fn not_negative(&mut self, what: &'static str, number: i64) -> Result<(), EncodeError> {
        if number < 0 {
            return Err(EncodeError::Negative(what));
        }
        // Writing to memory does not fail.
        let _ = write!(self.0, " {number}");
        Ok(())
    }

    fn client_msg_id(&mut self, id: Option<&str>) -> Result<(), EncodeError> {
        let Some(id) = id else { return Ok(()) };
        let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.is_empty() || id.len() > CLIENT_MSG_ID_BYTES_MAX || !printable {
            return Err(EncodeError::ClientMsgId);
        }
        self.rest("the client message id", id.as_bytes())
    }

    /// An argument that is not the last.
    fn word(&mut self, what: &'static str, word: &[u8]) -> Result<(), EncodeError> {
        if word.contains(&b' ') {
            return Err(EncodeError::Space(what));
        }
        self.not_empty(what, word)
    }

    fn not_empty(&mut self, what: &'static str, argument: &[u8]) -> Result<(), EncodeError> {
        if argument.is_empty() {
            return Err(EncodeError::Empty(what));
        }
        self.rest(what, argument)
    }

    fn rest(&mut self, what: &'static str, argument: &[u8]) -> Result<(), EncodeError> {
        // A CR at the end would be taken for that of a CRLF; one elsewhere helps nobody.
        if argument.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(EncodeError::LineBreak(what));
        }
        self.0.put_u8(b' ');
        self.0.put_slice(argument);
        Ok(())
    }
}
