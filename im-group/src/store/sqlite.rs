//! The port on SQLite: one file, one writer, so that every write sees all before it.

mod change;
mod rows;

use std::sync::Arc;

use im_common::sqlite::{Database, DatabaseError};
use im_common::{DataDir, StoreError};
use rusqlite::{OptionalExtension as _, params};

use super::{
    Created, DueTime, Group, GroupStore, Joined, Left, Limits, Member, MemberKey, NewGroup,
    PendingChange,
};
use rows::{earliest_pending, group_exists, pending_from, role_from};

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_groups.sql")];

/// im-group's tables in a SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    // Before the directory: it is dropped first, and the lock outlives the last write.
    database: Database,
    _data_dir: Arc<DataDir>,
}

impl SqliteStore {
    /// Opens `group.db` in the directory, or makes it. Blocks.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub(crate) fn open(data_dir: DataDir) -> Result<Self, DatabaseError> {
        let database = Database::open(data_dir.file("group.db"), MIGRATIONS)?;
        Ok(Self { database, _data_dir: Arc::new(data_dir) })
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

    async fn due(&self, time: DueTime, limit: u32) -> Result<Vec<PendingChange>, StoreError> {
        self.database
            .read("list the changes that are due", move |conn| {
                conn.prepare_cached(
                    "SELECT number, change_id, group_id, user_id, joins, attempts
                     FROM pending_change AS change
                     WHERE (due_at_ms <= ?1 OR due_at_ms > ?2) AND NOT EXISTS (
                         SELECT 1 FROM pending_change AS earlier
                         WHERE earlier.group_id = change.group_id
                           AND earlier.user_id = change.user_id AND earlier.number < change.number)
                     ORDER BY due_at_ms, number LIMIT ?3",
                )?
                .query_map(params![time.now_ms, time.latest_ms, limit], pending_from)?
                .collect()
            })
            .await
    }

    async fn claim(
        &self,
        change: &PendingChange,
        time: DueTime,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        let number = change.number;
        self.database
            .write("claim a change", move |tx| {
                tx.prepare_cached(
                    "UPDATE pending_change SET due_at_ms = ?2
                     WHERE number = ?1 AND (due_at_ms <= ?3 OR due_at_ms > ?4)",
                )?
                .execute([number, until_ms, time.now_ms, time.latest_ms])
                .map(|claimed| claimed == 1)
            })
            .await
    }

    async fn confirm(&self, change: &PendingChange) -> Result<(), StoreError> {
        let number = change.number;
        self.database
            .write("confirm a change", move |tx| {
                tx.prepare_cached("DELETE FROM pending_change WHERE number = ?1")?
                    .execute([number])?;
                Ok(())
            })
            .await
    }

    async fn postpone(&self, change: &PendingChange, due_at_ms: i64) -> Result<(), StoreError> {
        let number = change.number;
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
    use std::path::Path;
    use std::sync::Arc;

    use im_common::DataDir;

    use super::SqliteStore;
    use crate::store::conformance;

    fn open(path: &Path) -> SqliteStore {
        SqliteStore::open(DataDir::open(path).unwrap()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite_conforms_to_the_port() {
        let directory = tempfile::tempdir().unwrap();
        let mut stores = 0;
        let fresh = async || {
            stores += 1;
            vec![Arc::new(open(&directory.path().join(stores.to_string())))]
        };
        conformance::run(fresh).await;
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        conformance::write_one_of_each(&open(directory.path())).await;
        conformance::assert_one_of_each(&open(directory.path())).await;
    }
}
