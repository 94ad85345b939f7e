//! The port on a server that speaks the MySQL protocol, for any number of instances.
//!
//! All of it under READ COMMITTED: whoever decides on what it read has locked a row before, and what
//! is read after that is the latest. Locks are taken in one order: the numbering, or else the
//! accounts concerned, smaller id first; and of a user whose devices or log-ins change the row in
//! `device_numbering`, before any of those.

mod api_keys;
mod devices;
mod log_ins;
mod revocations;

use im_common::StoreError;
use im_common::mysql::MySql;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Params, Value};

use super::{Befriended, Credentials, FirstLogIn, NewAccount, Profile, UserStore, password_hash};

/// Steps of the schema; published ones are never changed.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("mysql/0001_accounts.sql"),
    include_str!("mysql/0002_devices.sql"),
    include_str!("mysql/0003_log_ins.sql"),
    include_str!("mysql/0004_api_keys.sql"),
];

/// im-user's tables in a database. Clones share its connections.
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

impl UserStore for MysqlStore {
    async fn create_account(&self, account: NewAccount) -> Result<Option<i64>, StoreError> {
        self.database
            .write("create an account", async move |tx| insert_account(tx, &account).await)
            .await
    }

    async fn credentials(&self, name_key: String) -> Result<Option<Credentials>, StoreError> {
        let select = format!("{CREDENTIALS} WHERE name_key = ?");
        self.database
            .read("read credentials", async move |conn| {
                let found = conn.exec_first(&select, (name_key.as_bytes(),)).await?;
                Ok(found.map(credentials_from))
            })
            .await
    }

    async fn credentials_of(&self, user_id: i64) -> Result<Option<Credentials>, StoreError> {
        let select = format!("{CREDENTIALS} WHERE id = ?");
        self.database
            .read("read credentials", async move |conn| {
                Ok(conn.exec_first(&select, (user_id,)).await?.map(credentials_from))
            })
            .await
    }

    async fn profiles(&self, mut user_ids: Vec<i64>) -> Result<Vec<Profile>, StoreError> {
        user_ids.sort_unstable();
        user_ids.dedup();
        let Some(&last) = user_ids.last() else {
            return Ok(Vec::new());
        };
        // A few lengths only, since each is a statement that every connection keeps prepared.
        user_ids.resize(user_ids.len().next_power_of_two(), last);
        let places = vec!["?"; user_ids.len()].join(", ");
        let query = format!("SELECT id, name FROM account WHERE id IN ({places}) ORDER BY id");
        let ids = Params::Positional(user_ids.into_iter().map(Value::from).collect());
        self.database
            .read("read profiles", async move |conn| {
                conn.exec_map(&query, ids.clone(), |(user_id, name)| Profile { user_id, name })
                    .await
            })
            .await
    }

    async fn profiles_of(&self, mut name_keys: Vec<String>) -> Result<Vec<Profile>, StoreError> {
        let Some(last) = name_keys.last().cloned() else {
            return Ok(Vec::new());
        };
        // As above.
        name_keys.resize(name_keys.len().next_power_of_two(), last);
        let places = vec!["?"; name_keys.len()].join(", ");
        let query = format!("SELECT id, name FROM account WHERE name_key IN ({places})");
        let keys = name_keys.into_iter().map(|key| Value::from(key.into_bytes()));
        let keys = Params::Positional(keys.collect());
        self.database
            .read("read profiles by name", async move |conn| {
                conn.exec_map(&query, keys.clone(), |(user_id, name)| Profile { user_id, name })
                    .await
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
            .write("add a friend", async move |tx| {
                if !lock_accounts(tx, user_id, friend_id).await? {
                    return Ok(Befriended::NoSuchUser);
                }
                if are_friends(tx, user_id, friend_id).await? {
                    return Ok(Befriended::Already);
                }
                if friend_count(tx, user_id).await? >= friends_max
                    || friend_count(tx, friend_id).await? >= friends_max
                {
                    return Ok(Befriended::TooMany);
                }
                tx.exec_drop(
                    "INSERT INTO friendship (user_id, friend_id, since_ms)
                     VALUES (?, ?, ?), (?, ?, ?)",
                    (user_id, friend_id, now_ms, friend_id, user_id, now_ms),
                )
                .await?;
                Ok(Befriended::Added)
            })
            .await
    }

    async fn unfriend(&self, user_id: i64, friend_id: i64) -> Result<bool, StoreError> {
        self.database
            .write("remove a friend", async move |tx| {
                if !lock_accounts(tx, user_id, friend_id).await? {
                    return Ok(false);
                }
                tx.exec_drop(
                    "DELETE FROM friendship
                     WHERE (user_id = ? AND friend_id = ?) OR (user_id = ? AND friend_id = ?)",
                    (user_id, friend_id, friend_id, user_id),
                )
                .await?;
                Ok(tx.affected_rows() > 0)
            })
            .await
    }

    async fn friends(&self, user_id: i64) -> Result<Vec<i64>, StoreError> {
        self.database
            .read("list friends", async move |conn| {
                conn.exec(
                    "SELECT friend_id FROM friendship WHERE user_id = ? ORDER BY friend_id",
                    (user_id,),
                )
                .await
            })
            .await
    }
}

const CREDENTIALS: &str = "SELECT id, name, password_hash, epoch, role, disabled FROM account
                           LEFT JOIN account_auth ON user_id = id";

/// The columns of [`CREDENTIALS`].
type CredentialsRow = (i64, String, String, Option<i64>, Option<i32>, Option<bool>);

fn credentials_from((user_id, name, hash, epoch, role, disabled): CredentialsRow) -> Credentials {
    Credentials {
        account: log_ins::account(user_id, name, epoch, role),
        password_hash: password_hash(hash),
        disabled: disabled.unwrap_or_default(),
    }
}

/// The lock on the numbering makes one of all who create accounts; so whether the name is free can be
/// asked first, and no refusal uses up an id.
async fn insert_account(tx: &mut Conn, account: &NewAccount) -> mysql_async::Result<Option<i64>> {
    let last_id: Option<i64> = tx
        .exec_first("SELECT last_id FROM numbering WHERE name = 'account' FOR UPDATE", ())
        .await?;
    // Without the row that the schema comes with, the unique key refuses to start again at 1.
    let id = last_id.unwrap_or_default() + 1;
    let name_key = account.name.key();
    let taken: Option<i64> =
        tx.exec_first("SELECT 1 FROM account WHERE name_key = ?", (name_key.as_bytes(),)).await?;
    if taken.is_some() {
        return Ok(None);
    }
    tx.exec_drop(
        "INSERT INTO account (id, name, name_key, password_hash, created_at_ms)
         VALUES (?, ?, ?, ?, ?)",
        (id, account.name.as_str(), name_key.as_bytes(), account.stored_hash(), account.now_ms),
    )
    .await?;
    devices::insert_first(tx, id, &account.device, account.now_ms).await?;
    log_ins::insert_role(tx, id, account.role).await?;
    if let Some((held, first)) = account.first_log_in(id) {
        let FirstLogIn { refresh_hash, expires_at_ms, .. } = first;
        log_ins::insert(tx, &held, refresh_hash, account.now_ms, *expires_at_ms).await?;
    }
    tx.exec_drop("UPDATE numbering SET last_id = ? WHERE name = 'account'", (id,)).await?;
    Ok(Some(id))
}

/// Locks both accounts; whether both exist. Whoever changes a friendship does this first.
async fn lock_accounts(tx: &mut Conn, one: i64, other: i64) -> mysql_async::Result<bool> {
    // One statement each: in which order a single one would lock them is the server's choice.
    for user_id in [one.min(other), one.max(other)] {
        tx.exec_drop(
            "UPDATE account SET friend_changes = friend_changes + 1 WHERE id = ?",
            (user_id,),
        )
        .await?;
        if tx.affected_rows() == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn are_friends(tx: &mut Conn, user_id: i64, friend_id: i64) -> mysql_async::Result<bool> {
    let found: Option<i64> = tx
        .exec_first(
            "SELECT 1 FROM friendship WHERE user_id = ? AND friend_id = ?",
            (user_id, friend_id),
        )
        .await?;
    Ok(found.is_some())
}

async fn friend_count(tx: &mut Conn, user_id: i64) -> mysql_async::Result<u32> {
    let count: Option<u32> =
        tx.exec_first("SELECT count(*) FROM friendship WHERE user_id = ?", (user_id,)).await?;
    Ok(count.unwrap_or_default())
}

#[cfg(test)]
mod tests;
