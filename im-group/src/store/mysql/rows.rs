//! Single statements that several changes are made of.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};

use crate::store::{MemberKey, PendingChange, Role};

/// A group whose row is locked: nobody else changes its members meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockedGroup {
    id: i64,
    /// How many joins and leaves it has had.
    changes: i64,
}

impl LockedGroup {
    /// One that this transaction has just made.
    pub(super) fn new(id: i64) -> Self {
        Self { id, changes: 0 }
    }
}

/// Locks a group; `None` if there is none.
pub(super) async fn lock_group(tx: &mut Conn, group_id: i64) -> Result<Option<LockedGroup>> {
    let changes: Option<i64> = tx
        .exec_first("SELECT changes FROM chat_group WHERE id = ? FOR UPDATE", (group_id,))
        .await?;
    Ok(changes.map(|changes| LockedGroup { id: group_id, changes }))
}

/// Locks a user who is about to be in one group more: until the end of the transaction nobody else
/// adds them to any. After [`lock_group`], never before.
pub(super) async fn lock_joiner(tx: &mut Conn, user_id: i64) -> Result<()> {
    tx.exec_drop(
        "INSERT INTO joiner (user_id, joins) VALUES (?, 1)
         ON DUPLICATE KEY UPDATE joins = joins + 1",
        (user_id,),
    )
    .await
}

pub(super) async fn group_exists(conn: &mut Conn, group_id: i64) -> Result<bool> {
    let found: Option<i64> =
        conn.exec_first("SELECT 1 FROM chat_group WHERE id = ?", (group_id,)).await?;
    Ok(found.is_some())
}

pub(super) async fn role_of(tx: &mut Conn, member: MemberKey) -> Result<Option<Role>> {
    let code: Option<i64> = tx
        .exec_first(
            "SELECT role FROM member WHERE group_id = ? AND user_id = ?",
            (member.group_id, member.user_id),
        )
        .await?;
    Ok(code.map(role_from))
}

pub(super) async fn member_count(tx: &mut Conn, group_id: i64) -> Result<u32> {
    let count: Option<u32> =
        tx.exec_first("SELECT count(*) FROM member WHERE group_id = ?", (group_id,)).await?;
    Ok(count.unwrap_or_default())
}

pub(super) async fn group_count(tx: &mut Conn, user_id: i64) -> Result<u32> {
    let count: Option<u32> =
        tx.exec_first("SELECT count(*) FROM member WHERE user_id = ?", (user_id,)).await?;
    Ok(count.unwrap_or_default())
}

/// Takes the group's next number, and notes under it that im-message has to be told of a change.
pub(super) async fn insert_pending(
    tx: &mut Conn,
    group: LockedGroup,
    user_id: i64,
    joins: bool,
    due_at_ms: i64,
) -> Result<PendingChange> {
    let number = group.changes + 1;
    tx.exec_drop("UPDATE chat_group SET changes = ? WHERE id = ?", (number, group.id)).await?;
    let change_id = format!("{:032x}", fastrand::u128(..));
    tx.exec_drop(
        "INSERT INTO pending_change
             (group_id, number, change_id, user_id, joins, attempts, due_at_ms)
         VALUES (?, ?, ?, ?, ?, 0, ?)",
        (group.id, number, &change_id, user_id, joins, due_at_ms),
    )
    .await?;
    let member = MemberKey { group_id: group.id, user_id };
    Ok(PendingChange { number, change_id, member, joins, attempts: 0 })
}

pub(super) async fn insert_member(
    tx: &mut Conn,
    member: MemberKey,
    joined: i64,
    role: Role,
) -> Result<()> {
    tx.exec_drop(
        "INSERT INTO member (group_id, user_id, joined, role) VALUES (?, ?, ?, ?)",
        (member.group_id, member.user_id, joined, role_code(role)),
    )
    .await
}

pub(super) async fn earliest_pending(
    conn: &mut Conn,
    member: MemberKey,
) -> Result<Option<PendingChange>> {
    let row = conn
        .exec_first(
            "SELECT number, change_id, group_id, user_id, joins, attempts FROM pending_change
             WHERE group_id = ? AND user_id = ? ORDER BY number LIMIT 1",
            (member.group_id, member.user_id),
        )
        .await?;
    Ok(row.map(pending_from))
}

pub(super) async fn latest_pending(
    tx: &mut Conn,
    member: MemberKey,
) -> Result<Option<PendingChange>> {
    let row = tx
        .exec_first(
            "SELECT number, change_id, group_id, user_id, joins, attempts FROM pending_change
             WHERE group_id = ? AND user_id = ? ORDER BY number DESC LIMIT 1",
            (member.group_id, member.user_id),
        )
        .await?;
    Ok(row.map(pending_from))
}

/// The columns of a pending change, in the order of its fields.
pub(super) type PendingRow = (i64, String, i64, i64, bool, u32);

pub(super) fn pending_from(row: PendingRow) -> PendingChange {
    let (number, change_id, group_id, user_id, joins, attempts) = row;
    let member = MemberKey { group_id, user_id };
    PendingChange { number, change_id, member, joins, attempts }
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
