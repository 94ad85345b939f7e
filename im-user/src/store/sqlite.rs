//! The port on SQLite: one file, one writer, so that every write sees all before it.

mod api_keys;
mod auth;
mod devices;
mod log_ins;
mod revocations;

use std::sync::Arc;

use im_common::sqlite::{Database, DatabaseError};
use im_common::{DataDir, StoreError};
use mpim_proto::Role;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::{
    Account, Befriended, Credentials, FIRST_EPOCH, FirstLogIn, NewAccount, Profile, UserStore,
    password_hash,
};

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_accounts.sql"),
    include_str!("migrations/0002_devices.sql"),
    include_str!("migrations/0003_log_ins.sql"),
    include_str!("migrations/0004_api_keys.sql"),
];

/// im-user's tables in a SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    // Before the directory: it is dropped first, and the lock outlives the last write.
    database: Database,
    _data_dir: Arc<DataDir>,
}

impl SqliteStore {
    /// Opens `user.db` in the directory, or makes it. Blocks.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub(crate) fn open(data_dir: DataDir) -> Result<Self, DatabaseError> {
        let database = Database::open(data_dir.file("user.db"), MIGRATIONS)?;
        Ok(Self { database, _data_dir: Arc::new(data_dir) })
    }
}

impl UserStore for SqliteStore {
    async fn create_account(&self, account: NewAccount) -> Result<Option<i64>, StoreError> {
        self.database.write("create an account", move |tx| insert_account(tx, &account)).await
    }

    async fn credentials(&self, name_key: String) -> Result<Option<Credentials>, StoreError> {
        let select = format!("{CREDENTIALS} WHERE name_key = ?1");
        self.database
            .read("read credentials", move |conn| {
                conn.prepare_cached(&select)?.query_row([name_key], credentials_from).optional()
            })
            .await
    }

    async fn credentials_of(&self, user_id: i64) -> Result<Option<Credentials>, StoreError> {
        let select = format!("{CREDENTIALS} WHERE id = ?1");
        self.database
            .read("read credentials", move |conn| {
                conn.prepare_cached(&select)?.query_row([user_id], credentials_from).optional()
            })
            .await
    }

    async fn profiles(&self, mut user_ids: Vec<i64>) -> Result<Vec<Profile>, StoreError> {
        user_ids.sort_unstable();
        user_ids.dedup();
        self.database
            .read("read profiles", move |conn| {
                let mut statement =
                    conn.prepare_cached("SELECT name FROM account WHERE id = ?1")?;
                let mut found = Vec::with_capacity(user_ids.len());
                for user_id in user_ids {
                    let name = statement.query_row([user_id], |row| row.get(0)).optional()?;
                    found.extend(name.map(|name| Profile { user_id, name }));
                }
                Ok(found)
            })
            .await
    }

    async fn profiles_of(&self, name_keys: Vec<String>) -> Result<Vec<Profile>, StoreError> {
        self.database
            .read("read profiles by name", move |conn| {
                let mut statement =
                    conn.prepare_cached("SELECT id, name FROM account WHERE name_key = ?1")?;
                let mut found = Vec::new();
                for name_key in name_keys {
                    let profile = |row: &rusqlite::Row<'_>| {
                        Ok(Profile { user_id: row.get(0)?, name: row.get(1)? })
                    };
                    found.extend(statement.query_row([name_key], profile).optional()?);
                }
                Ok(found)
            })
            .await
    }

    async fn befriend(
        &self,
        user_id: i64,
        friend_id: i64,
        friends_max: u32,
        now_ms: i64,
    ) -> Result<Befriended, StoreError> {
        self.database
            .write("add a friend", move |tx| {
                if !account_exists(tx, user_id)? || !account_exists(tx, friend_id)? {
                    return Ok(Befriended::NoSuchUser);
                }
                if are_friends(tx, user_id, friend_id)? {
                    return Ok(Befriended::Already);
                }
                if friend_count(tx, user_id)? >= friends_max
                    || friend_count(tx, friend_id)? >= friends_max
                {
                    return Ok(Befriended::TooMany);
                }
                let mut insert = tx.prepare_cached(
                    "INSERT INTO friendship (user_id, friend_id, since_ms) VALUES (?1, ?2, ?3)",
                )?;
                insert.execute([user_id, friend_id, now_ms])?;
                insert.execute([friend_id, user_id, now_ms])?;
                Ok(Befriended::Added)
            })
            .await
    }

    async fn unfriend(&self, user_id: i64, friend_id: i64) -> Result<bool, StoreError> {
        self.database
            .write("remove a friend", move |tx| {
                let mut delete = tx.prepare_cached(
                    "DELETE FROM friendship WHERE user_id = ?1 AND friend_id = ?2",
                )?;
                let removed = delete.execute([user_id, friend_id])?;
                let mirrored = delete.execute([friend_id, user_id])?;
                debug_assert_eq!(removed, mirrored, "a friendship has two directions");
                Ok(removed > 0)
            })
            .await
    }

    async fn friends(&self, user_id: i64) -> Result<Vec<i64>, StoreError> {
        self.database
            .read("list friends", move |conn| {
                conn.prepare_cached(
                    "SELECT friend_id FROM friendship WHERE user_id = ?1 ORDER BY friend_id",
                )?
                .query_map([user_id], |row| row.get(0))?
                .collect()
            })
            .await
    }
}

/// One look, whether or not there is somebody: how long it takes is not to tell.
const CREDENTIALS: &str = "SELECT id, name, password_hash, epoch, role, disabled
                           FROM account LEFT JOIN account_auth ON user_id = id";

fn credentials_from(row: &Row<'_>) -> rusqlite::Result<Credentials> {
    let role = row.get::<_, Option<i32>>(4)?.and_then(|role| Role::try_from(role).ok());
    let account = Account {
        user_id: row.get(0)?,
        name: row.get(1)?,
        role: role.unwrap_or_default(),
        epoch: row.get::<_, Option<i64>>(3)?.unwrap_or(FIRST_EPOCH),
    };
    let disabled = row.get::<_, Option<bool>>(5)?.unwrap_or_default();
    Ok(Credentials { account, password_hash: password_hash(row.get(2)?), disabled })
}

/// The unique index decides whose name it is. An insert that it refuses is undone whole, so that
/// not even the id is used up.
fn insert_account(tx: &Connection, account: &NewAccount) -> rusqlite::Result<Option<i64>> {
    let inserted = tx
        .prepare_cached(
            "INSERT INTO account (name, name_key, password_hash, created_at_ms)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .insert(params![
            account.name.as_str(),
            account.name.key(),
            account.stored_hash(),
            account.now_ms,
        ]);
    match inserted {
        Ok(id) => {
            devices::insert_first(tx, id, &account.device, account.now_ms)?;
            auth::insert_role(tx, id, account.role)?;
            if let Some((held, first)) = account.first_log_in(id) {
                let FirstLogIn { refresh_hash, expires_at_ms, .. } = first;
                log_ins::insert(tx, &held, refresh_hash, account.now_ms, *expires_at_ms)?;
            }
            Ok(Some(id))
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(None),
        Err(error) => Err(error),
    }
}

fn account_exists(tx: &Connection, user_id: i64) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?.exists([user_id])
}

fn are_friends(tx: &Connection, user_id: i64, friend_id: i64) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM friendship WHERE user_id = ?1 AND friend_id = ?2")?
        .exists([user_id, friend_id])
}

fn friend_count(tx: &Connection, user_id: i64) -> rusqlite::Result<u32> {
    tx.prepare_cached("SELECT count(*) FROM friendship WHERE user_id = ?1")?
        .query_row([user_id], |row| row.get(0))
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
