//! The operations that share one type, by their names.

use super::fields::{Id, UserIds, bad, fields, missing, read};
use super::requests::{not_empty, peer, positive};
use super::{About, Tag};
use crate::{Command, Priority, Refusal, failure};

fields!(Operation {
    id as "id": Id,
    op as "op": String,
    user_id as "user_id": i64,
    user_ids as "user_ids": UserIds,
    username as "username": String,
    session_id as "session_id": String,
    to_user_id as "to_user_id": i64,
    group_id as "group_id": i64,
    name as "name": String,
    description as "description": String,
    on as "on": bool,
    priority as "priority": String,
});

/// What an operation asks for, of the user with this id.
type Asks = fn(Operation, i64) -> Result<Command, Refusal>;

/// All of them, by their names.
const OPERATIONS: [(&str, Asks); 22] = [
    ("whoami", |_, _| Ok(Command::WhoAmI)),
    ("users", |asked, _| match asked.username {
        Some(_) if asked.user_ids.is_some() => {
            Err(bad("bad users: one of user_ids, username".to_owned()))
        }
        Some(username) => {
            Ok(Command::UserNamed { username: not_empty(Some(username), "username")? })
        }
        None => Ok(Command::Users { user_ids: asked.user_ids()? }),
    }),
    ("presence", |asked, _| Ok(Command::PresenceOf { user_ids: asked.user_ids()? })),
    ("friends", |_, _| Ok(Command::GetFriends)),
    ("blocked", |_, _| Ok(Command::Blocked)),
    ("add_friend", |asked, _| Ok(Command::AddFriend { friend_id: asked.user_id()? })),
    ("remove_friend", |asked, _| Ok(Command::RemoveFriend { friend_id: asked.user_id()? })),
    ("block", |asked, _| Ok(Command::Block { uid: asked.user_id()? })),
    ("unblock", |asked, _| Ok(Command::Unblock { uid: asked.user_id()? })),
    ("groups", |_, _| Ok(Command::Groups)),
    ("group", |asked, _| Ok(Command::Group { group_id: asked.group_id()? })),
    ("create_group", |asked, _| {
        let description = asked.description.unwrap_or_default();
        Ok(Command::CreateGroup { name: not_empty(asked.name, "name")?, description })
    }),
    ("join_group", |asked, _| Ok(Command::JoinGroup { group_id: asked.group_id()? })),
    ("leave_group", |asked, _| Ok(Command::LeaveGroup { group_id: asked.group_id()? })),
    ("members", |asked, _| Ok(Command::Members { group_id: asked.group_id()? })),
    ("receipts", |asked, me| {
        let session_id = asked.session_id.as_deref();
        let peer = peer(me, session_id, asked.to_user_id, asked.group_id)?;
        Ok(Command::ReceiptsOf { peer })
    }),
    ("devices", |_, _| Ok(Command::Devices)),
    ("revoke_device", |asked, _| Ok(Command::Revoke { device: not_empty(asked.name, "name")? })),
    ("set_events", |asked, _| Ok(Command::Events { on: asked.on()? })),
    ("set_receipts", |asked, _| Ok(Command::Receipts { on: asked.on()? })),
    ("set_priority", |asked, _| {
        let named = not_empty(asked.priority, "priority")?;
        Ok(Command::Priority { priority: priority(&named)? })
    }),
    ("pull", |_, _| Ok(Command::Pull)),
];

pub(super) fn operation(tag: &mut Tag, body: &[u8], me: i64) -> Result<Command, Refusal> {
    let asked: Operation = read(body)?;
    tag.id.clone_from(&asked.id);
    let op = asked.op.as_deref().ok_or_else(|| missing("op"))?;
    let known = OPERATIONS.iter().find(|(name, _)| *name == op);
    let (op, asks) = known.ok_or_else(|| Refusal::of(failure::UNKNOWN_OPERATION))?;
    tag.about = About::Operation(op);
    asks(asked, me)
}

/// One of the four.
pub(super) fn priority(named: &str) -> Result<Priority, Refusal> {
    Priority::of(named.as_bytes()).ok_or_else(|| bad("bad priority".to_owned()))
}

impl Operation {
    fn user_id(&self) -> Result<i64, Refusal> {
        positive(self.user_id.ok_or_else(|| missing("user_id"))?, "user_id")
    }

    fn user_ids(self) -> Result<Vec<i64>, Refusal> {
        self.user_ids.map(|UserIds(ids)| ids).ok_or_else(|| missing("user_ids"))
    }

    fn group_id(&self) -> Result<i64, Refusal> {
        positive(self.group_id.ok_or_else(|| missing("group_id"))?, "group_id")
    }

    fn on(&self) -> Result<bool, Refusal> {
        self.on.ok_or_else(|| missing("on"))
    }
}
