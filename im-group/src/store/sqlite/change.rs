//! The changes of groups and members, each inside a transaction of its caller.

use rusqlite::{Connection, params};

use super::rows::{
    group_count, group_exists, group_named, insert_member, insert_pending, latest_pending,
    member_count, role_code, role_of,
};
use crate::store::{Created, Joined, Left, Limits, MemberKey, NewGroup, PendingChange, Role};

pub(super) fn create(
    tx: &Connection,
    group: &NewGroup,
    limits: Limits,
    due_at_ms: i64,
) -> rusqlite::Result<Created> {
    if let Some(taken) = group_named(tx, &group.name)? {
        return Ok(match unfinished_creation(tx, taken, group.creator_id)? {
            Some(change) => Created::Unfinished(change),
            None => Created::NameTaken,
        });
    }
    if group_count(tx, group.creator_id)? >= limits.groups_per_user_max {
        return Ok(Created::TooManyGroups);
    }
    let group_id = tx
        .prepare_cached(
            "INSERT INTO chat_group (name, description, creator_id, created_at_ms)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .insert(params![group.name, group.description, group.creator_id, group.now_ms])?;
    let member = MemberKey { group_id, user_id: group.creator_id };
    insert_member(tx, member, Role::Creator)?;
    insert_pending(tx, member, true, due_at_ms).map(Created::Done)
}

pub(super) fn join(
    tx: &Connection,
    member: MemberKey,
    limits: Limits,
    due_at_ms: i64,
) -> rusqlite::Result<Joined> {
    if !group_exists(tx, member.group_id)? {
        return Ok(Joined::NoSuchGroup);
    }
    if role_of(tx, member)?.is_some() {
        return Ok(match latest_pending(tx, member)? {
            Some(change) => Joined::Unfinished(change),
            None => Joined::Already,
        });
    }
    let members = member_count(tx, member.group_id)?;
    if members >= limits.members_max {
        return Ok(Joined::Full);
    }
    if group_count(tx, member.user_id)? >= limits.groups_per_user_max {
        return Ok(Joined::TooManyGroups);
    }
    insert_member(tx, member, if members == 0 { Role::Creator } else { Role::Member })?;
    insert_pending(tx, member, true, due_at_ms).map(Joined::Done)
}

pub(super) fn leave(tx: &Connection, member: MemberKey, due_at_ms: i64) -> rusqlite::Result<Left> {
    if !group_exists(tx, member.group_id)? {
        return Ok(Left::NoSuchGroup);
    }
    let Some(role) = role_of(tx, member)? else {
        return Ok(match latest_pending(tx, member)? {
            Some(change) => Left::Unfinished(change),
            None => Left::NotMember,
        });
    };
    tx.prepare_cached("DELETE FROM member WHERE group_id = ?1 AND user_id = ?2")?
        .execute([member.group_id, member.user_id])?;
    if role == Role::Creator {
        tx.prepare_cached(
            "UPDATE member SET role = ?2
             WHERE joined = (SELECT min(joined) FROM member WHERE group_id = ?1)",
        )?
        .execute([member.group_id, role_code(Role::Creator)])?;
    }
    insert_pending(tx, member, false, due_at_ms).map(Left::Done)
}

/// The creator's first join of this group, if this user made it and that join is pending.
fn unfinished_creation(
    tx: &Connection,
    group_id: i64,
    creator_id: i64,
) -> rusqlite::Result<Option<PendingChange>> {
    let is_creator = tx
        .prepare_cached("SELECT 1 FROM chat_group WHERE id = ?1 AND creator_id = ?2")?
        .exists([group_id, creator_id])?;
    let member = MemberKey { group_id, user_id: creator_id };
    if !is_creator || role_of(tx, member)?.is_none() {
        return Ok(None);
    }
    latest_pending(tx, member)
}
