//! The port on a server that speaks the MySQL protocol, for any number of instances.
//!
//! All of it under READ COMMITTED: whoever decides on what it read has locked a row before, and what
//! is read after that is the latest.

mod change;
mod rows;

use im_common::StoreError;
use im_common::mysql::MySql;
use mysql_async::prelude::Queryable as _;

use super::{
    Created, DueTime, Group, GroupStore, Joined, Left, Limits, Member, MemberKey, NewGroup,
    PendingChange,
};
use rows::{earliest_pending, group_exists, pending_from, role_from};

/// Steps of the schema; published ones are never changed.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("mysql/0001_groups.sql")];

/// im-group's tables in a database. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct MysqlStore {
    database: MySql,
}

impl MysqlStore {
    /// Over a database with the schema of [`MIGRATIONS`].
    pub(crate) fn new(database: MySql) -> Self {
        Self { database }
    }
}

impl GroupStore for MysqlStore {
    async fn create(
        &self,
        group: NewGroup,
        limits: Limits,
        due_at_ms: i64,
    ) -> Result<Created, StoreError> {
        self.database
            .write("create a group", async move |tx| {
                change::create(tx, &group, limits, due_at_ms).await
            })
            .await
    }

    async fn join(
        &self,
        member: MemberKey,
        limits: Limits,
        due_at_ms: i64,
    ) -> Result<Joined, StoreError> {
        self.database
            .write("join a group", async move |tx| {
                change::join(tx, member, limits, due_at_ms).await
            })
            .await
    }

    async fn leave(&self, member: MemberKey, due_at_ms: i64) -> Result<Left, StoreError> {
        self.database
            .write("leave a group", async move |tx| change::leave(tx, member, due_at_ms).await)
            .await
    }

    async fn members(&self, group_id: i64) -> Result<Option<Vec<Member>>, StoreError> {
        self.database
            .read("list members", async move |conn| {
                // Groups stay, so one that is there now was there before its members were listed.
                let members = conn
                    .exec_map(
                        "SELECT user_id, role FROM member WHERE group_id = ? ORDER BY joined",
                        (group_id,),
                        |(user_id, role)| Member { user_id, role: role_from(role) },
                    )
                    .await?;
                let known = !members.is_empty() || group_exists(conn, group_id).await?;
                Ok(known.then_some(members))
            })
            .await
    }

    async fn groups_of(&self, user_id: i64) -> Result<Vec<i64>, StoreError> {
        self.database
            .read("list a user's groups", async move |conn| {
                conn.exec(
                    "SELECT group_id FROM member WHERE user_id = ? ORDER BY group_id",
                    (user_id,),
                )
                .await
            })
            .await
    }

    async fn group(&self, group_id: i64) -> Result<Option<Group>, StoreError> {
        self.database
            .read("read a group", async move |conn| {
                let row = conn
                    .exec_first(
                        "SELECT name, description, creator_id, created_at_ms
                         FROM chat_group WHERE id = ?",
                        (group_id,),
                    )
                    .await?;
                Ok(row.map(|(name, description, creator_id, created_at_ms)| Group {
                    group_id,
                    name,
                    description,
                    creator_id,
                    created_at_ms,
                }))
            })
            .await
    }

    async fn earliest_pending(
        &self,
        member: MemberKey,
    ) -> Result<Option<PendingChange>, StoreError> {
        self.database
            .read("read a pending change", async move |conn| earliest_pending(conn, member).await)
            .await
    }

    async fn due(&self, time: DueTime, limit: u32) -> Result<Vec<PendingChange>, StoreError> {
        self.database
            .read("list the changes that are due", async move |conn| {
                conn.exec_map(
                    "SELECT number, change_id, group_id, user_id, joins, attempts
                     FROM pending_change AS due_change
                     WHERE (due_at_ms <= ? OR due_at_ms > ?) AND NOT EXISTS (
                         SELECT 1 FROM pending_change AS earlier
                         WHERE earlier.group_id = due_change.group_id
                           AND earlier.user_id = due_change.user_id
                           AND earlier.number < due_change.number)
                     ORDER BY due_at_ms, group_id, number LIMIT ?",
                    (time.now_ms, time.latest_ms, limit),
                    pending_from,
                )
                .await
            })
            .await
    }

    async fn claim(
        &self,
        change: &PendingChange,
        time: DueTime,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        let (group_id, number) = (change.member.group_id, change.number);
        self.database
            .write("claim a change", async move |tx| {
                tx.exec_drop(
                    "UPDATE pending_change SET due_at_ms = ?
                     WHERE group_id = ? AND number = ? AND (due_at_ms <= ? OR due_at_ms > ?)",
                    (until_ms, group_id, number, time.now_ms, time.latest_ms),
                )
                .await?;
                Ok(tx.affected_rows() == 1)
            })
            .await
    }

    async fn confirm(&self, change: &PendingChange) -> Result<(), StoreError> {
        let (group_id, number) = (change.member.group_id, change.number);
        self.database
            .write("confirm a change", async move |tx| {
                tx.exec_drop(
                    "DELETE FROM pending_change WHERE group_id = ? AND number = ?",
                    (group_id, number),
                )
                .await
            })
            .await
    }

    async fn postpone(&self, change: &PendingChange, due_at_ms: i64) -> Result<(), StoreError> {
        let (group_id, number) = (change.member.group_id, change.number);
        self.database
            .write("postpone a change", async move |tx| {
                tx.exec_drop(
                    "UPDATE pending_change SET attempts = attempts + 1, due_at_ms = ?
                     WHERE group_id = ? AND number = ?",
                    (due_at_ms, group_id, number),
                )
                .await
            })
            .await
    }
}

#[cfg(test)]
mod tests;
