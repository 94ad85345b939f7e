//! The port on SQLite: one file, one writer, so that every write sees all before it.

mod change;
mod rows;

use std::path::Path;

use im_common::StoreError;
use im_common::sqlite::{Database, DatabaseError};
use rusqlite::{OptionalExtension as _, params};

use super::{
    Created, Group, GroupStore, Joined, Left, Limits, Member, MemberKey, NewGroup, PendingChange,
};
use rows::{earliest_pending, group_exists, role_from};

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_groups.sql")];

/// im-group's tables in a SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens the file, which is made if there is none. Blocks.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        Ok(Self { database: Database::open(path, MIGRATIONS)? })
    }
}

impl GroupStore for SqliteStore {
    async fn create(
        &self,
        group: NewGroup,
        limits: Limits,
        due_at_ms: i64,
    ) -> Result<Created, StoreError> {
        self.database
            .write("create a group", move |tx| change::create(tx, &group, limits, due_at_ms))
            .await
    }

    async fn join(
        &self,
        member: MemberKey,
        limits: Limits,
        due_at_ms: i64,
    ) -> Result<Joined, StoreError> {
        self.database
            .write("join a group", move |tx| change::join(tx, member, limits, due_at_ms))
            .await
    }

    async fn leave(&self, member: MemberKey, due_at_ms: i64) -> Result<Left, StoreError> {
        self.database.write("leave a group", move |tx| change::leave(tx, member, due_at_ms)).await
    }

    async fn members(&self, group_id: i64) -> Result<Option<Vec<Member>>, StoreError> {
        self.database
            .read("list members", move |conn| {
                if !group_exists(conn, group_id)? {
                    return Ok(None);
                }
                conn.prepare_cached(
                    "SELECT user_id, role FROM member WHERE group_id = ?1 ORDER BY joined",
                )?
                .query_map([group_id], |row| {
                    Ok(Member { user_id: row.get(0)?, role: role_from(row.get(1)?) })
                })?
                .collect::<rusqlite::Result<_>>()
                .map(Some)
            })
            .await
    }

    async fn groups_of(&self, user_id: i64) -> Result<Vec<i64>, StoreError> {
        self.database
            .read("list a user's groups", move |conn| {
                conn.prepare_cached(
                    "SELECT group_id FROM member WHERE user_id = ?1 ORDER BY group_id",
                )?
                .query_map([user_id], |row| row.get(0))?
                .collect()
            })
            .await
    }

    async fn group(&self, group_id: i64) -> Result<Option<Group>, StoreError> {
        self.database
            .read("read a group", move |conn| {
                conn.prepare_cached(
                    "SELECT id, name, description, creator_id, created_at_ms
                     FROM chat_group WHERE id = ?1",
                )?
                .query_row([group_id], |row| {
                    Ok(Group {
                        group_id: row.get(0)?,
                        name: row.get(1)?,
                        description: row.get(2)?,
                        creator_id: row.get(3)?,
                        created_at_ms: row.get(4)?,
                    })
                })
                .optional()
            })
            .await
    }

    async fn earliest_pending(
        &self,
        member: MemberKey,
    ) -> Result<Option<PendingChange>, StoreError> {
        self.database
            .read("read a pending change", move |conn| earliest_pending(conn, member))
            .await
    }

    async fn due(
        &self,
        now_ms: i64,
        latest_ms: i64,
        limit: u32,
    ) -> Result<Vec<MemberKey>, StoreError> {
        self.database
            .read("list the changes that are due", move |conn| {
                conn.prepare_cached(
                    "SELECT group_id, user_id FROM pending_change AS change
                     WHERE (due_at_ms <= ?1 OR due_at_ms > ?2) AND NOT EXISTS (
                         SELECT 1 FROM pending_change AS earlier
                         WHERE earlier.group_id = change.group_id
                           AND earlier.user_id = change.user_id AND earlier.number < change.number)
                     ORDER BY due_at_ms, number LIMIT ?3",
                )?
                .query_map(params![now_ms, latest_ms, limit], |row| {
                    Ok(MemberKey { group_id: row.get(0)?, user_id: row.get(1)? })
                })?
                .collect()
            })
            .await
    }

    async fn confirm(&self, number: i64) -> Result<(), StoreError> {
        self.database
            .write("confirm a change", move |tx| {
                tx.prepare_cached("DELETE FROM pending_change WHERE number = ?1")?
                    .execute([number])?;
                Ok(())
            })
            .await
    }

    async fn postpone(&self, number: i64, due_at_ms: i64) -> Result<(), StoreError> {
        self.database
            .write("postpone a change", move |tx| {
                tx.prepare_cached(
                    "UPDATE pending_change SET attempts = attempts + 1, due_at_ms = ?2
                     WHERE number = ?1",
                )?
                .execute([number, due_at_ms])?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::SqliteStore;
    use crate::store::conformance;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite_conforms_to_the_port() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = 0;
        let open = || {
            files += 1;
            SqliteStore::open(&directory.path().join(format!("{files}.db"))).unwrap()
        };
        conformance::run(open).await;
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("group.db");
        conformance::write_one_of_each(&SqliteStore::open(&path).unwrap()).await;
        conformance::assert_one_of_each(&SqliteStore::open(&path).unwrap()).await;
    }
}
