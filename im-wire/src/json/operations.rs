//! The operations that share one type, by their names.

use super::fields::{Id, bad, fields, missing, read};
use super::requests::{not_empty, peer, positive};
use super::{About, Tag};
use crate::{Command, Priority, Refusal, Why};

fields!(Operation {
    id as "id": Id,
    op as "op": String,
    user_id as "user_id": i64,
    session_id as "session_id": String,
    to_user_id as "to_user_id": i64,
    group_id as "group_id": i64,
    name as "name": String,
    description as "description": String,
    on as "on": bool,
    priority as "priority": String,
});

/// Operations, by their names.
const NAMES: [&str; 19] = [
    "whoami",
    "friends",
    "blocked",
    "add_friend",
    "remove_friend",
    "block",
    "unblock",
    "groups",
    "create_group",
    "join_group",
    "leave_group",
    "members",
    "receipts",
    "devices",
    "revoke_device",
    "set_events",
    "set_receipts",
    "set_priority",
    "pull",
];

pub(super) fn operation(tag: &mut Tag, body: &[u8], me: i64) -> Result<Command, Refusal> {
    let asked: Operation = read(body)?;
    tag.id.clone_from(&asked.id);
    let op = asked.op.as_deref().ok_or_else(|| missing("op"))?;
    let known = NAMES.into_iter().find(|name| *name == op);
    let op = known.ok_or_else(|| Refusal::or("unsupported op", Why::UnknownOperation))?;
    tag.about = About::Operation(op);
    asked.command(op, me)
}

impl Operation {
    fn command(self, op: &'static str, me: i64) -> Result<Command, Refusal> {
        Ok(match op {
            "whoami" => Command::WhoAmI,
            "friends" => Command::GetFriends,
            "blocked" => Command::Blocked,
            "add_friend" => Command::AddFriend { friend_id: self.user_id()? },
            "remove_friend" => Command::RemoveFriend { friend_id: self.user_id()? },
            "block" => Command::Block { uid: self.user_id()? },
            "unblock" => Command::Unblock { uid: self.user_id()? },
            "groups" => Command::Groups,
            "create_group" => {
                let description = self.description.unwrap_or_default();
                Command::CreateGroup { name: not_empty(self.name, "name")?, description }
            }
            "join_group" => Command::JoinGroup { group_id: self.group_id()? },
            "leave_group" => Command::LeaveGroup { group_id: self.group_id()? },
            "members" => Command::Members { group_id: self.group_id()? },
            "receipts" => {
                let session_id = self.session_id.as_deref();
                let peer = peer(me, session_id, self.to_user_id, self.group_id)?;
                Command::ReceiptsOf { peer }
            }
            "devices" => Command::Devices,
            "revoke_device" => Command::Revoke { device: not_empty(self.name, "name")? },
            "set_events" => Command::Events { on: self.on()? },
            "set_receipts" => Command::Receipts { on: self.on()? },
            "set_priority" => {
                let named = not_empty(self.priority, "priority")?;
                let priority = Priority::of(named.as_bytes());
                let bad = || bad("bad priority".to_owned());
                Command::Priority { priority: priority.ok_or_else(bad)? }
            }
            _ => Command::Pull,
        })
    }

    fn user_id(&self) -> Result<i64, Refusal> {
        positive(self.user_id.ok_or_else(|| missing("user_id"))?, "user_id")
    }

    fn group_id(&self) -> Result<i64, Refusal> {
        positive(self.group_id.ok_or_else(|| missing("group_id"))?, "group_id")
    }

    fn on(&self) -> Result<bool, Refusal> {
        self.on.ok_or_else(|| missing("on"))
    }
}
