//! API keys, on the server. Whoever changes a bot's keys locks the row of its devices first.

use im_common::StoreError;
use mpim_proto::Role;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};

use super::{MysqlStore, devices, log_ins};
use crate::store::{ApiKey, ApiKeyStore, HeldKey, KeyMade, NewApiKey};

impl ApiKeyStore for MysqlStore {
    async fn make_key(&self, made: NewApiKey) -> std::result::Result<KeyMade, StoreError> {
        let make = async move |tx: &mut Conn| make(tx, &made).await;
        self.database.write("make an API key", make).await
    }

    async fn keys(&self, user_id: i64) -> std::result::Result<Vec<ApiKey>, StoreError> {
        let list = async move |conn: &mut Conn| {
            let select = "SELECT key_id, user_id, device, created_at_ms, expires_at_ms,
                                 last_used_at_ms
                          FROM api_key WHERE user_id = ? ORDER BY created_at_ms, key_id";
            conn.exec_map(select, (user_id,), key_from).await
        };
        self.database.read("list API keys", list).await
    }

    async fn key(&self, key_id: String) -> std::result::Result<Option<HeldKey>, StoreError> {
        let look = async move |conn: &mut Conn| held(conn, &key_id).await;
        self.database.read("look up an API key", look).await
    }

    async fn key_used(&self, key_id: String, now_ms: i64) -> std::result::Result<(), StoreError> {
        let used = async move |tx: &mut Conn| {
            let update = "UPDATE api_key SET last_used_at_ms = GREATEST(last_used_at_ms, ?)
                          WHERE key_id = ?";
            tx.exec_drop(update, (now_ms, &key_id)).await
        };
        self.database.write("note that an API key is used", used).await
    }

    async fn end_key(
        &self,
        key_id: String,
        reason: &'static str,
        due_at_ms: i64,
    ) -> std::result::Result<bool, StoreError> {
        let reason = reason.to_owned();
        let end = async move |tx: &mut Conn| {
            // Whose it is does not change, and says which row to lock.
            let of = "SELECT user_id FROM api_key WHERE key_id = ?";
            let Some(user_id) = tx.exec_first(of, (&key_id,)).await? else { return Ok(false) };
            devices::lock(tx, user_id).await?;
            tx.exec_drop("DELETE FROM api_key WHERE key_id = ?", (&key_id,)).await?;
            let ended = tx.affected_rows() > 0;
            if ended {
                log_ins::note_one(tx, user_id, key_id.clone(), &reason, due_at_ms).await?;
            }
            Ok(ended)
        };
        self.database.write("end an API key", end).await
    }

    async fn keys_over(
        &self,
        now_ms: i64,
        limit: u32,
    ) -> std::result::Result<Vec<String>, StoreError> {
        let list = async move |conn: &mut Conn| {
            let select = "SELECT key_id FROM api_key WHERE expires_at_ms BETWEEN 1 AND ?
                          ORDER BY expires_at_ms LIMIT ?";
            conn.exec(select, (now_ms, limit)).await
        };
        self.database.read("list API keys that are over", list).await
    }
}

/// The columns of a key, in the order of its fields.
type KeyRow = (String, i64, String, i64, i64, i64);

fn key_from(row: KeyRow) -> ApiKey {
    let (key_id, user_id, device, created_at_ms, expires_at_ms, last_used_at_ms) = row;
    ApiKey { key_id, user_id, device, created_at_ms, expires_at_ms, last_used_at_ms }
}

async fn make(tx: &mut Conn, made: &NewApiKey) -> Result<KeyMade> {
    let ApiKey { key_id, user_id, device, created_at_ms, expires_at_ms, .. } = &made.key;
    let exists: Option<i64> =
        tx.exec_first("SELECT 1 FROM account WHERE id = ?", (user_id,)).await?;
    if exists.is_none() {
        return Ok(KeyMade::NoSuchUser);
    }
    devices::lock(tx, *user_id).await?;
    let role = "SELECT role FROM account_auth WHERE user_id = ?";
    let role: Option<i32> = tx.exec_first(role, (user_id,)).await?;
    if role != Some(Role::Bot.into()) {
        return Ok(KeyMade::NoBot);
    }
    let others = "SELECT COUNT(*) FROM api_key WHERE user_id = ? AND key_id <> ?";
    let others: Option<u32> = tx.exec_first(others, (user_id, key_id)).await?;
    if others.unwrap_or_default() >= made.per_bot_max {
        return Ok(KeyMade::TooMany);
    }
    let insert = "INSERT INTO api_key (key_id, user_id, secret_hash, device, created_at_ms,
                                       expires_at_ms, last_used_at_ms)
                  VALUES (?, ?, ?, ?, ?, ?, 0) ON DUPLICATE KEY UPDATE key_id = key_id";
    let hash = made.secret_hash.as_slice();
    let row = (key_id, user_id, hash, device, created_at_ms, expires_at_ms);
    tx.exec_drop(insert, row).await?;
    Ok(KeyMade::Made)
}

async fn held(conn: &mut Conn, key_id: &str) -> Result<Option<HeldKey>> {
    let select = "SELECT user_id, device, api_key.created_at_ms, expires_at_ms, last_used_at_ms,
                         secret_hash, account.name, epoch, role, disabled
                  FROM api_key JOIN account ON account.id = user_id
                  LEFT JOIN account_auth USING (user_id) WHERE key_id = ?";
    type Row =
        (i64, String, i64, i64, i64, Vec<u8>, String, Option<i64>, Option<i32>, Option<bool>);
    let found: Option<Row> = conn.exec_first(select, (key_id,)).await?;
    Ok(found.and_then(|row| {
        let (user_id, device, created_at_ms, expires_at_ms, last_used_at_ms, ..) = row;
        let (.., hash, name, epoch, role, disabled) = row;
        let key_id = key_id.to_owned();
        Some(HeldKey {
            key: ApiKey { key_id, user_id, device, created_at_ms, expires_at_ms, last_used_at_ms },
            secret_hash: hash.try_into().ok()?,
            account: log_ins::account(user_id, name, epoch, role),
            disabled: disabled.unwrap_or_default(),
        })
    }))
}
