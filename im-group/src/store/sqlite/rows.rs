//! Single statements that several changes are made of.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::store::{MemberKey, PendingChange, Role};

pub(super) fn group_named(tx: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached("SELECT id FROM chat_group WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

pub(super) fn group_exists(tx: &Connection, group_id: i64) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM chat_group WHERE id = ?1")?.exists([group_id])
}

pub(super) fn role_of(tx: &Connection, member: MemberKey) -> rusqlite::Result<Option<Role>> {
    tx.prepare_cached("SELECT role FROM member WHERE group_id = ?1 AND user_id = ?2")?
        .query_row([member.group_id, member.user_id], |row| row.get(0).map(role_from))
        .optional()
}

pub(super) fn member_count(tx: &Connection, group_id: i64) -> rusqlite::Result<u32> {
    tx.prepare_cached("SELECT count(*) FROM member WHERE group_id = ?1")?
        .query_row([group_id], |row| row.get(0))
}

pub(super) fn group_count(tx: &Connection, user_id: i64) -> rusqlite::Result<u32> {
    tx.prepare_cached("SELECT count(*) FROM member WHERE user_id = ?1")?
        .query_row([user_id], |row| row.get(0))
}

pub(super) fn insert_member(
    tx: &Connection,
    member: MemberKey,
    role: Role,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO member (group_id, user_id, role) VALUES (?1, ?2, ?3)")?
        .execute([member.group_id, member.user_id, role_code(role)])?;
    Ok(())
}

pub(super) fn insert_pending(
    tx: &Connection,
    member: MemberKey,
    joins: bool,
    due_at_ms: i64,
) -> rusqlite::Result<PendingChange> {
    tx.prepare_cached(
        "INSERT INTO pending_change (group_id, user_id, joins, due_at_ms)
         VALUES (?1, ?2, ?3, ?4)
         RETURNING number, change_id, group_id, user_id, joins, attempts",
    )?
    .query_row(params![member.group_id, member.user_id, joins, due_at_ms], pending_from)
}

pub(super) fn earliest_pending(
    conn: &Connection,
    member: MemberKey,
) -> rusqlite::Result<Option<PendingChange>> {
    conn.prepare_cached(
        "SELECT number, change_id, group_id, user_id, joins, attempts FROM pending_change
         WHERE group_id = ?1 AND user_id = ?2 ORDER BY number LIMIT 1",
    )?
    .query_row([member.group_id, member.user_id], pending_from)
    .optional()
}

pub(super) fn latest_pending(
    tx: &Connection,
    member: MemberKey,
) -> rusqlite::Result<Option<PendingChange>> {
    tx.prepare_cached(
        "SELECT number, change_id, group_id, user_id, joins, attempts FROM pending_change
         WHERE group_id = ?1 AND user_id = ?2 ORDER BY number DESC LIMIT 1",
    )?
    .query_row([member.group_id, member.user_id], pending_from)
    .optional()
}

pub(super) fn pending_from(row: &Row<'_>) -> rusqlite::Result<PendingChange> {
    Ok(PendingChange {
        number: row.get(0)?,
        change_id: row.get(1)?,
        member: MemberKey { group_id: row.get(2)?, user_id: row.get(3)? },
        joins: row.get(4)?,
        attempts: row.get(5)?,
    })
}

/// Roles are stored as numbers: 0 member, 1 creator.
pub(super) fn role_code(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Creator => 1,
    }
}

pub(super) fn role_from(code: i64) -> Role {
    if code == 1 { Role::Creator } else { Role::Member }
}
