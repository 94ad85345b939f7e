//! API keys, in the SQLite file.

use im_common::StoreError;
use mpim_proto::Role;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::auth::{Auth, auth};
use super::{SqliteStore, account_exists, log_ins};
use crate::store::{Account, ApiKey, ApiKeyStore, HeldKey, KeyMade, NewApiKey};

impl ApiKeyStore for SqliteStore {
    async fn make_key(&self, made: NewApiKey) -> Result<KeyMade, StoreError> {
        self.database.write("make an API key", move |tx| make(tx, &made)).await
    }

    async fn keys(&self, user_id: i64) -> Result<Vec<ApiKey>, StoreError> {
        self.database
            .read("list API keys", move |conn| {
                conn.prepare_cached(
                    "SELECT key_id, user_id, device, created_at_ms, expires_at_ms, last_used_at_ms
                     FROM api_key WHERE user_id = ?1 ORDER BY created_at_ms, key_id",
                )?
                .query_map([user_id], key_from)?
                .collect()
            })
            .await
    }

    async fn key(&self, key_id: String) -> Result<Option<HeldKey>, StoreError> {
        self.database.read("look up an API key", move |conn| held(conn, &key_id)).await
    }

    async fn key_used(&self, key_id: String, now_ms: i64) -> Result<(), StoreError> {
        self.database
            .write("note that an API key is used", move |tx| {
                tx.prepare_cached(
                    "UPDATE api_key SET last_used_at_ms = MAX(last_used_at_ms, ?2)
                     WHERE key_id = ?1",
                )?
                .execute(params![key_id, now_ms])?;
                Ok(())
            })
            .await
    }

    async fn end_key(
        &self,
        key_id: String,
        reason: &'static str,
        due_at_ms: i64,
    ) -> Result<bool, StoreError> {
        self.database
            .write("end an API key", move |tx| {
                let deleted: Option<i64> = tx
                    .prepare_cached("SELECT user_id FROM api_key WHERE key_id = ?1")?
                    .query_row([&key_id], |row| row.get(0))
                    .optional()?;
                let Some(user_id) = deleted else { return Ok(false) };
                tx.prepare_cached("DELETE FROM api_key WHERE key_id = ?1")?.execute([&key_id])?;
                log_ins::note_one(tx, user_id, key_id.clone(), reason, due_at_ms)?;
                Ok(true)
            })
            .await
    }

    async fn keys_over(&self, now_ms: i64, limit: u32) -> Result<Vec<String>, StoreError> {
        self.database
            .read("list API keys that are over", move |conn| {
                conn.prepare_cached(
                    "SELECT key_id FROM api_key WHERE expires_at_ms BETWEEN 1 AND ?1
                     ORDER BY expires_at_ms LIMIT ?2",
                )?
                .query_map(params![now_ms, limit], |row| row.get(0))?
                .collect()
            })
            .await
    }
}

fn key_from(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        key_id: row.get(0)?,
        user_id: row.get(1)?,
        device: row.get(2)?,
        created_at_ms: row.get(3)?,
        expires_at_ms: row.get(4)?,
        last_used_at_ms: row.get(5)?,
    })
}

fn make(tx: &Connection, made: &NewApiKey) -> rusqlite::Result<KeyMade> {
    let ApiKey { key_id, user_id, device, created_at_ms, expires_at_ms, .. } = &made.key;
    if !account_exists(tx, *user_id)? {
        return Ok(KeyMade::NoSuchUser);
    }
    if auth(tx, *user_id)?.role != Role::Bot {
        return Ok(KeyMade::NoBot);
    }
    let others: u32 = tx
        .prepare_cached("SELECT COUNT(*) FROM api_key WHERE user_id = ?1 AND key_id <> ?2")?
        .query_row(params![user_id, key_id], |row| row.get(0))?;
    if others >= made.per_bot_max {
        return Ok(KeyMade::TooMany);
    }
    tx.prepare_cached(
        "INSERT INTO api_key (key_id, user_id, secret_hash, device, created_at_ms, expires_at_ms,
                              last_used_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (key_id) DO NOTHING",
    )?
    .execute(params![
        key_id,
        user_id,
        made.secret_hash,
        device,
        created_at_ms,
        expires_at_ms
    ])?;
    Ok(KeyMade::Made)
}

fn held(conn: &Connection, key_id: &str) -> rusqlite::Result<Option<HeldKey>> {
    let found = conn
        .prepare_cached(
            "SELECT key_id, user_id, device, api_key.created_at_ms, expires_at_ms,
                    last_used_at_ms, secret_hash, name
             FROM api_key JOIN account ON id = user_id WHERE key_id = ?1",
        )?
        .query_row([key_id], |row| Ok((key_from(row)?, row.get(6)?, row.get(7)?)))
        .optional()?;
    let Some((key, secret_hash, name)) = found else { return Ok(None) };
    let Auth { epoch, role, disabled, .. } = auth(conn, key.user_id)?;
    let account = Account { user_id: key.user_id, name, role, epoch };
    Ok(Some(HeldKey { key, secret_hash, account, disabled }))
}
