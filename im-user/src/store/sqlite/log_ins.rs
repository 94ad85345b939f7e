//! Log-ins, in the SQLite file.

use im_common::StoreError;
use mpim_proto::Role;
use rusqlite::{Connection, OptionalExtension as _, params};
use secrecy::ExposeSecret as _;

use super::auth::{Auth, auth, give_role};
use super::{SqliteStore, devices, revocations};
use crate::log_in_id::{Standing, standing};
use crate::store::log_ins::{
    DISABLED, EVERYWHERE, FORGOTTEN_AT_ONCE, LOGGED_OUT, PASSWORD_CHANGED, REPLACED, REUSED,
};
use crate::store::{
    Account, Change, EndedLogIns, Ending, Held, LogInStore, NewLogIn, Rotated, Rotation, Shown,
};

impl LogInStore for SqliteStore {
    async fn begin_log_in(&self, begun: NewLogIn) -> Result<Option<u32>, StoreError> {
        self.database.write("begin a log-in", move |tx| begin(tx, &begun)).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        self.database.write("refresh a log-in", move |tx| rotate(tx, &rotation)).await
    }

    async fn end_log_in(&self, ending: Ending) -> Result<bool, StoreError> {
        self.database
            .write("end a log-in", move |tx| {
                let Ending { user_id, due_at_ms, .. } = ending;
                let ended = match standing(&ending.log_in_id) {
                    Standing::Unwritten => revoke(tx, &ending)?,
                    Standing::Written => delete(tx, user_id, &ending.log_in_id)?,
                    Standing::Key => false,
                };
                if let (true, Some(due_at_ms)) = (ended, due_at_ms) {
                    note_one(tx, user_id, ending.log_in_id.clone(), LOGGED_OUT, due_at_ms)?;
                }
                Ok(ended)
            })
            .await
    }

    async fn end_all_log_ins(
        &self,
        user_id: i64,
        epoch: i64,
        due_at_ms: i64,
    ) -> Result<bool, StoreError> {
        self.database
            .write("end all log-ins", move |tx| {
                let ends = auth(tx, user_id)?.epoch == epoch;
                if ends {
                    end_all(tx, user_id, "", EVERYWHERE, due_at_ms)?;
                }
                Ok(ends)
            })
            .await
    }

    async fn change_password(&self, change: Change) -> Result<Option<i64>, StoreError> {
        self.database.write("change a password", move |tx| change_password(tx, &change)).await
    }

    async fn set_disabled(
        &self,
        user_id: i64,
        disabled: bool,
        due_at_ms: i64,
    ) -> Result<bool, StoreError> {
        self.database
            .write("disable an account", move |tx| {
                if !super::account_exists(tx, user_id)? {
                    return Ok(false);
                }
                if disabled {
                    end_all(tx, user_id, "", DISABLED, due_at_ms)?;
                }
                tx.prepare_cached("UPDATE account_auth SET disabled = ?2 WHERE user_id = ?1")?
                    .execute(params![user_id, disabled])?;
                Ok(true)
            })
            .await
    }

    async fn set_role(&self, user_id: i64, role: Role) -> Result<bool, StoreError> {
        self.database
            .write("give a role", move |tx| {
                if !super::account_exists(tx, user_id)? {
                    return Ok(false);
                }
                give_role(tx, user_id, role)?;
                Ok(true)
            })
            .await
    }

    async fn account_of(&self, held: Held, shown: Shown) -> Result<Option<Account>, StoreError> {
        self.database.read("look up a log-in", move |conn| account_of(conn, &held, shown)).await
    }
}

fn account_of(conn: &Connection, held: &Held, shown: Shown) -> rusqlite::Result<Option<Account>> {
    let Held { user_id, log_in_id, .. } = held;
    let stands = match standing(log_in_id) {
        Standing::Unwritten => !conn
            .prepare_cached("SELECT 1 FROM revoked_token WHERE token_id = ?1")?
            .exists([log_in_id])?,
        Standing::Written => conn
            .prepare_cached("SELECT 1 FROM log_in WHERE log_in_id = ?1 AND user_id = ?2")?
            .exists(params![log_in_id, user_id])?,
        Standing::Key => conn
            .prepare_cached("SELECT 1 FROM api_key WHERE key_id = ?1 AND user_id = ?2")?
            .exists(params![log_in_id, user_id])?,
    };
    if stands { account_still(conn, held, shown) } else { Ok(None) }
}

/// Whose log-in it is, if neither its device nor all the user's log-ins have ended.
fn account_still(
    conn: &Connection,
    held: &Held,
    shown: Shown,
) -> rusqlite::Result<Option<Account>> {
    let Held { user_id, log_in_id, .. } = held;
    let device = devices::device(conn, *user_id, &held.device)?;
    if device.is_none_or(|device| device.generation != held.generation) {
        return Ok(None);
    }
    let Auth { epoch, kept_log_in_id, role, disabled } = auth(conn, *user_id)?;
    let kept = shown == Shown::Session && kept_log_in_id == *log_in_id && !log_in_id.is_empty();
    if disabled || (held.epoch != epoch && !kept) {
        return Ok(None);
    }
    let name = conn
        .prepare_cached("SELECT name FROM account WHERE id = ?1")?
        .query_row([user_id], |row| row.get(0))
        .optional()?;
    Ok(name.map(|name| Account { user_id: *user_id, name, role, epoch }))
}

fn begin(tx: &Connection, begun: &NewLogIn) -> rusqlite::Result<Option<u32>> {
    let Held { user_id, device, log_in_id, .. } = &begun.held;
    if account_still(tx, &begun.held, Shown::Token)?.is_none() {
        return Ok(None);
    }
    forget(tx, begun)?;
    if !insert(tx, &begun.held, &begun.refresh_hash, begun.now_ms, begun.expires_at_ms)? {
        return Ok(Some(0));
    }
    let mut ended = 0;
    if begun.replaces {
        let former = select_ids(
            tx,
            "SELECT log_in_id FROM log_in WHERE user_id = ?1 AND device = ?2 AND log_in_id <> ?3",
            params![user_id, device, log_in_id],
        )?;
        ended += end_each(tx, *user_id, former, REPLACED, begun.now_ms)?;
    }
    let too_many = select_ids(
        tx,
        "SELECT log_in_id FROM log_in WHERE user_id = ?1 AND log_in_id <> ?2
         ORDER BY refreshed_at_ms DESC, log_in_id LIMIT -1 OFFSET ?3",
        params![user_id, log_in_id, begun.per_user_max.saturating_sub(1)],
    )?;
    ended += end_each(tx, *user_id, too_many, REPLACED, begun.now_ms)?;
    Ok(Some(ended))
}

/// Whether it was not there before.
pub(super) fn insert(
    tx: &Connection,
    held: &Held,
    refresh_hash: &[u8; 32],
    now_ms: i64,
    expires_at_ms: i64,
) -> rusqlite::Result<bool> {
    let Held { user_id, device, generation, log_in_id, epoch } = held;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO log_in (log_in_id, user_id, device, generation, epoch, refresh_hash,
                                 refreshed_at_ms, expires_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            log_in_id,
            user_id,
            device,
            generation,
            epoch,
            refresh_hash,
            now_ms,
            expires_at_ms
        ])?;
    Ok(inserted > 0)
}

/// What nobody has refreshed for long ends for good, with whatever it still has open.
fn forget(tx: &Connection, begun: &NewLogIn) -> rusqlite::Result<()> {
    let over: Vec<(i64, String)> = tx
        .prepare_cached(
            "SELECT user_id, log_in_id FROM log_in WHERE expires_at_ms < ?1
             ORDER BY expires_at_ms LIMIT ?2",
        )?
        .query_map(params![begun.forget_before_ms, FORGOTTEN_AT_ONCE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (user_id, log_in_id) in over {
        end_each(tx, user_id, vec![log_in_id], LOGGED_OUT, begun.now_ms)?;
    }
    Ok(())
}

fn rotate(tx: &Connection, rotation: &Rotation) -> rusqlite::Result<Rotated> {
    let found = tx
        .prepare_cached(
            "SELECT user_id, device, generation, epoch, refresh_hash, refreshed_at_ms,
                    expires_at_ms
             FROM log_in WHERE log_in_id = ?1",
        )?
        .query_row([&rotation.log_in_id], |row| {
            let log_in_id = rotation.log_in_id.clone();
            let (user_id, device, generation) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let held = Held { user_id, device, generation, log_in_id, epoch: row.get(3)? };
            Ok((held, row.get::<_, [u8; 32]>(4)?, row.get(5)?, row.get::<_, i64>(6)?))
        })
        .optional()?;
    let Some((held, hash, at_ms, expires_at_ms)) = found else { return Ok(Rotated::Unknown) };
    let repeated = rotation.is_repeated(&hash, at_ms);
    if !repeated && hash != rotation.shown_hash {
        end_each(tx, held.user_id, vec![held.log_in_id], REUSED, rotation.now_ms)?;
        return Ok(Rotated::Reused(held.user_id));
    }
    if expires_at_ms <= rotation.now_ms {
        return Ok(Rotated::Unknown);
    }
    let Some(account) = account_of(tx, &held, Shown::Token)? else { return Ok(Rotated::Unknown) };
    if repeated {
        return Ok(Rotated::Done(held, account, expires_at_ms));
    }
    let Rotation { log_in_id, next_hash, now_ms, expires_at_ms, .. } = rotation;
    tx.prepare_cached(
        "UPDATE log_in SET refresh_hash = ?2, refreshed_at_ms = ?3, expires_at_ms = ?4
         WHERE log_in_id = ?1",
    )?
    .execute(params![log_in_id, next_hash, now_ms, expires_at_ms])?;
    tx.prepare_cached(
        "UPDATE device SET last_login_ms = ?3
         WHERE user_id = ?1 AND name = ?2 AND last_login_ms < ?4",
    )?
    .execute(params![held.user_id, held.device, now_ms, rotation.noted_before_ms])?;
    Ok(Rotated::Done(held, account, *expires_at_ms))
}

fn change_password(tx: &Connection, change: &Change) -> rusqlite::Result<Option<i64>> {
    let Change { user_id, old_hash, new_hash, log_in_id, .. } = change;
    let changed = tx
        .prepare_cached(
            "UPDATE account SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
        )?
        .execute(params![user_id, old_hash.expose_secret(), new_hash.expose_secret()])?;
    if changed == 0 {
        return Ok(None);
    }
    end_all(tx, *user_id, log_in_id, PASSWORD_CHANGED, change.now_ms)?;
    tx.prepare_cached(
        "UPDATE log_in SET refresh_hash = ?3, refreshed_at_ms = ?4, expires_at_ms = ?5
         WHERE log_in_id = ?1 AND user_id = ?2",
    )?
    .execute(params![
        log_in_id,
        user_id,
        change.refresh_hash,
        change.now_ms,
        change.expires_at_ms
    ])?;
    Ok(Some(auth(tx, *user_id)?.epoch))
}

/// All log-ins of a user end, but for that one.
pub(super) fn end_all(
    tx: &Connection,
    user_id: i64,
    except_log_in_id: &str,
    reason: &str,
    due_at_ms: i64,
) -> rusqlite::Result<()> {
    let epoch = auth(tx, user_id)?.epoch;
    tx.prepare_cached(
        "INSERT INTO account_auth (user_id, epoch, kept_log_in_id, role, disabled)
         VALUES (?1, ?2, ?3, 0, 0)
         ON CONFLICT (user_id) DO UPDATE SET epoch = ?2, kept_log_in_id = ?3",
    )?
    .execute(params![user_id, epoch + 1, except_log_in_id])?;
    tx.prepare_cached("DELETE FROM log_in WHERE user_id = ?1 AND log_in_id <> ?2")?
        .execute(params![user_id, except_log_in_id])?;
    tx.prepare_cached("UPDATE log_in SET epoch = ?2 WHERE user_id = ?1")?
        .execute([user_id, epoch + 1])?;
    let ended = EndedLogIns {
        user_id,
        log_in_id: String::new(),
        epoch,
        except_log_in_id: except_log_in_id.to_owned(),
        reason: reason.to_owned(),
    };
    revocations::note(tx, &ended, due_at_ms)
}

/// Whether it was good until now.
fn revoke(tx: &Connection, ending: &Ending) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "DELETE FROM revoked_token WHERE token_id IN (
             SELECT token_id FROM revoked_token WHERE expires_at_ms < ?1
             ORDER BY expires_at_ms LIMIT ?2)",
    )?
    .execute(params![ending.forget_before_ms, FORGOTTEN_AT_ONCE])?;
    let revoked = tx
        .prepare_cached(
            "INSERT INTO revoked_token (token_id, expires_at_ms) VALUES (?1, ?2)
             ON CONFLICT (token_id) DO NOTHING",
        )?
        .execute(params![ending.log_in_id, ending.expires_at_ms])?;
    Ok(revoked > 0)
}

fn delete(tx: &Connection, user_id: i64, log_in_id: &str) -> rusqlite::Result<bool> {
    let deleted = tx
        .prepare_cached("DELETE FROM log_in WHERE log_in_id = ?1 AND user_id = ?2")?
        .execute(params![log_in_id, user_id])?;
    Ok(deleted > 0)
}

fn end_each(
    tx: &Connection,
    user_id: i64,
    log_in_ids: Vec<String>,
    reason: &str,
    due_at_ms: i64,
) -> rusqlite::Result<u32> {
    let mut ended = 0;
    for log_in_id in log_in_ids {
        if delete(tx, user_id, &log_in_id)? {
            note_one(tx, user_id, log_in_id, reason, due_at_ms)?;
            ended += 1;
        }
    }
    Ok(ended)
}

pub(super) fn note_one(
    tx: &Connection,
    user_id: i64,
    log_in_id: String,
    reason: &str,
    due_at_ms: i64,
) -> rusqlite::Result<()> {
    let (except_log_in_id, reason) = (String::new(), reason.to_owned());
    let ended = EndedLogIns { user_id, log_in_id, epoch: 0, except_log_in_id, reason };
    revocations::note(tx, &ended, due_at_ms)
}

fn select_ids(
    tx: &Connection,
    query: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<Vec<String>> {
    tx.prepare_cached(query)?.query_map(params, |row| row.get(0))?.collect()
}
