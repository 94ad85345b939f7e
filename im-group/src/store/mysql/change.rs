//! The changes of groups and members, each inside a transaction of its caller.
//!
//! Locks are taken in this order: the numbering of groups, a group, a user. A transaction takes at
//! most one of each, so none waits for another in a circle.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};

use super::rows::{
    LockedGroup, group_count, insert_member, insert_pending, latest_pending, lock_group,
    lock_joiner, member_count, role_code, role_of,
};
use crate::store::{Created, Joined, Left, Limits, MemberKey, NewGroup, PendingChange, Role};

pub(super) async fn create(
    tx: &mut Conn,
    group: &NewGroup,
    limits: Limits,
    due_at_ms: i64,
) -> Result<Created> {
    let last_id: Option<i64> = tx
        .exec_first("SELECT last_id FROM numbering WHERE name = 'chat_group' FOR UPDATE", ())
        .await?;
    let taken: Option<(i64, i64)> = tx
        .exec_first("SELECT id, creator_id FROM chat_group WHERE name = ?", (&group.name,))
        .await?;
    if let Some((group_id, creator_id)) = taken {
        if creator_id != group.creator_id {
            return Ok(Created::NameTaken);
        }
        let creator = MemberKey { group_id, user_id: creator_id };
        return Ok(match unfinished_creation(tx, creator).await? {
            Some(change) => Created::Unfinished(change),
            None => Created::NameTaken,
        });
    }
    lock_joiner(tx, group.creator_id).await?;
    if group_count(tx, group.creator_id).await? >= limits.groups_per_user_max {
        return Ok(Created::TooManyGroups);
    }
    // Without the row that the schema comes with, the primary key refuses to start again at 1.
    let group_id = last_id.unwrap_or_default() + 1;
    tx.exec_drop("UPDATE numbering SET last_id = ? WHERE name = 'chat_group'", (group_id,)).await?;
    tx.exec_drop(
        "INSERT INTO chat_group (id, name, description, creator_id, created_at_ms, changes)
         VALUES (?, ?, ?, ?, ?, 0)",
        (group_id, &group.name, &group.description, group.creator_id, group.now_ms),
    )
    .await?;
    let member = MemberKey { group_id, user_id: group.creator_id };
    add_member(tx, LockedGroup::new(group_id), member, Role::Creator, due_at_ms)
        .await
        .map(Created::Done)
}

pub(super) async fn join(
    tx: &mut Conn,
    member: MemberKey,
    limits: Limits,
    due_at_ms: i64,
) -> Result<Joined> {
    let Some(group) = lock_group(tx, member.group_id).await? else {
        return Ok(Joined::NoSuchGroup);
    };
    if role_of(tx, member).await?.is_some() {
        return Ok(match latest_pending(tx, member).await? {
            Some(change) => Joined::Unfinished(change),
            None => Joined::Already,
        });
    }
    let members = member_count(tx, member.group_id).await?;
    if members >= limits.members_max {
        return Ok(Joined::Full);
    }
    lock_joiner(tx, member.user_id).await?;
    if group_count(tx, member.user_id).await? >= limits.groups_per_user_max {
        return Ok(Joined::TooManyGroups);
    }
    let role = if members == 0 { Role::Creator } else { Role::Member };
    add_member(tx, group, member, role, due_at_ms).await.map(Joined::Done)
}

pub(super) async fn leave(tx: &mut Conn, member: MemberKey, due_at_ms: i64) -> Result<Left> {
    let Some(group) = lock_group(tx, member.group_id).await? else {
        return Ok(Left::NoSuchGroup);
    };
    let Some(role) = role_of(tx, member).await? else {
        return Ok(match latest_pending(tx, member).await? {
            Some(change) => Left::Unfinished(change),
            None => Left::NotMember,
        });
    };
    tx.exec_drop(
        "DELETE FROM member WHERE group_id = ? AND user_id = ?",
        (member.group_id, member.user_id),
    )
    .await?;
    if role == Role::Creator {
        tx.exec_drop(
            "UPDATE member SET role = ? WHERE group_id = ? ORDER BY joined LIMIT 1",
            (role_code(Role::Creator), member.group_id),
        )
        .await?;
    }
    insert_pending(tx, group, member.user_id, false, due_at_ms).await.map(Left::Done)
}

async fn add_member(
    tx: &mut Conn,
    group: LockedGroup,
    member: MemberKey,
    role: Role,
    due_at_ms: i64,
) -> Result<PendingChange> {
    let change = insert_pending(tx, group, member.user_id, true, due_at_ms).await?;
    insert_member(tx, member, change.number, role).await?;
    Ok(change)
}

/// The creator's first join of this group, if it is pending.
async fn unfinished_creation(tx: &mut Conn, creator: MemberKey) -> Result<Option<PendingChange>> {
    if role_of(tx, creator).await?.is_none() {
        return Ok(None);
    }
    latest_pending(tx, creator).await
}
