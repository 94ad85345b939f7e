//! Log-ins, on the server. Whoever changes a user's log-ins locks the row of their devices first; whoever
//! only reads one sees what was committed last.

use im_common::StoreError;
use mpim_proto::Role;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};
use secrecy::ExposeSecret as _;

use super::{MysqlStore, devices, revocations};
use crate::log_in_id::{Standing, standing};
use crate::store::log_ins::{
    DISABLED, EVERYWHERE, FORGOTTEN_AT_ONCE, LOGGED_OUT, PASSWORD_CHANGED, REPLACED, REUSED,
};
use crate::store::{
    Account, Change, EndedLogIns, Ending, FIRST_EPOCH, Held, LogInStore, NewLogIn, Rotated,
    Rotation, Shown,
};

impl LogInStore for MysqlStore {
    async fn begin_log_in(&self, begun: NewLogIn) -> std::result::Result<Option<u32>, StoreError> {
        let begin = async move |tx: &mut Conn| begin(tx, &begun).await;
        self.database.write("begin a log-in", begin).await
    }

    async fn rotate(&self, rotation: Rotation) -> std::result::Result<Rotated, StoreError> {
        let rotate = async move |tx: &mut Conn| rotate(tx, &rotation).await;
        self.database.write("refresh a log-in", rotate).await
    }

    async fn end_log_in(&self, ending: Ending) -> std::result::Result<bool, StoreError> {
        let end = async move |tx: &mut Conn| {
            let Ending { user_id, log_in_id, due_at_ms, .. } = &ending;
            devices::lock(tx, *user_id).await?;
            let ended = match standing(log_in_id) {
                Standing::Unwritten => revoke(tx, &ending).await?,
                Standing::Written => delete(tx, *user_id, log_in_id).await?,
                Standing::Key => false,
            };
            if let (true, Some(due_at_ms)) = (ended, due_at_ms) {
                note_one(tx, *user_id, log_in_id.clone(), LOGGED_OUT, *due_at_ms).await?;
            }
            Ok(ended)
        };
        self.database.write("end a log-in", end).await
    }

    async fn end_all_log_ins(
        &self,
        user_id: i64,
        epoch: i64,
        due_at_ms: i64,
    ) -> std::result::Result<bool, StoreError> {
        let end = async move |tx: &mut Conn| {
            devices::lock(tx, user_id).await?;
            let ends = epoch_of(tx, user_id).await? == epoch;
            if ends {
                end_all(tx, user_id, "", EVERYWHERE, due_at_ms).await?;
            }
            Ok(ends)
        };
        self.database.write("end all log-ins", end).await
    }

    async fn change_password(
        &self,
        change: Change,
    ) -> std::result::Result<Option<i64>, StoreError> {
        let change = async move |tx: &mut Conn| change_password(tx, &change).await;
        self.database.write("change a password", change).await
    }

    async fn set_disabled(
        &self,
        user_id: i64,
        disabled: bool,
        due_at_ms: i64,
    ) -> std::result::Result<bool, StoreError> {
        let set = async move |tx: &mut Conn| {
            let select = "SELECT 1 FROM account WHERE id = ?";
            let exists: Option<i64> = tx.exec_first(select, (user_id,)).await?;
            if exists.is_none() {
                return Ok(false);
            }
            devices::lock(tx, user_id).await?;
            if disabled {
                end_all(tx, user_id, "", DISABLED, due_at_ms).await?;
            }
            let update = "UPDATE account_auth SET disabled = ? WHERE user_id = ?";
            tx.exec_drop(update, (disabled, user_id)).await?;
            Ok(true)
        };
        self.database.write("disable an account", set).await
    }

    async fn set_role(&self, user_id: i64, role: Role) -> std::result::Result<bool, StoreError> {
        let set = async move |tx: &mut Conn| {
            let select = "SELECT 1 FROM account WHERE id = ?";
            let exists: Option<i64> = tx.exec_first(select, (user_id,)).await?;
            if exists.is_none() {
                return Ok(false);
            }
            devices::lock(tx, user_id).await?;
            give_role(tx, user_id, role).await?;
            Ok(true)
        };
        self.database.write("give a role", set).await
    }

    async fn account_of(
        &self,
        held: Held,
        shown: Shown,
    ) -> std::result::Result<Option<Account>, StoreError> {
        let look = async move |conn: &mut Conn| account_of(conn, &held, shown).await;
        self.database.read("look up a log-in", look).await
    }
}

/// What an account that is being made may do; most have no row for it.
pub(super) async fn insert_role(tx: &mut Conn, user_id: i64, role: Role) -> Result<()> {
    if role == Role::User { Ok(()) } else { give_role(tx, user_id, role).await }
}

async fn give_role(tx: &mut Conn, user_id: i64, role: Role) -> Result<()> {
    let insert = "INSERT INTO account_auth (user_id, epoch, kept_log_in_id, role, disabled)
                  VALUES (?, ?, '', ?, 0) ON DUPLICATE KEY UPDATE role = VALUES(role)";
    tx.exec_drop(insert, (user_id, FIRST_EPOCH, i32::from(role))).await
}

/// From columns that are NULL where there is no row.
pub(super) fn account(
    user_id: i64,
    name: String,
    epoch: Option<i64>,
    role: Option<i32>,
) -> Account {
    let role = role.and_then(|role| Role::try_from(role).ok()).unwrap_or_default();
    Account { user_id, name, role, epoch: epoch.unwrap_or(FIRST_EPOCH) }
}

async fn account_of(conn: &mut Conn, held: &Held, shown: Shown) -> Result<Option<Account>> {
    let stands = match standing(&held.log_in_id) {
        Standing::Unwritten => "NOT EXISTS (SELECT 1 FROM revoked_token WHERE token_id = ?)",
        Standing::Written => {
            "EXISTS (SELECT 1 FROM log_in WHERE log_in_id = ? AND log_in.user_id = id)"
        }
        Standing::Key => "EXISTS (SELECT 1 FROM api_key WHERE key_id = ? AND api_key.user_id = id)",
    };
    account_where(conn, stands, held, shown).await
}

/// Whose log-in it is, if neither its device nor all the user's log-ins have ended, and what is said of
/// its id holds.
async fn account_where(
    conn: &mut Conn,
    holds: &str,
    held: &Held,
    shown: Shown,
) -> Result<Option<Account>> {
    let Held { user_id, device, generation, log_in_id, epoch } = held;
    let select = format!(
        "SELECT id, account.name, epoch, role, kept_log_in_id FROM account
         JOIN device ON device.user_id = id AND device.name = ? AND generation = ?
         LEFT JOIN account_auth ON account_auth.user_id = id
         WHERE id = ? AND COALESCE(disabled, 0) = 0 AND {holds}"
    );
    type Row = (i64, String, Option<i64>, Option<i32>, Option<String>);
    let of = (device, generation, user_id, log_in_id.as_bytes());
    let found: Option<Row> = conn.exec_first(select, of).await?;
    Ok(found.and_then(|(user_id, name, now, role, kept_log_in_id)| {
        let account = account(user_id, name, now, role);
        let kept = shown == Shown::Session
            && kept_log_in_id.as_ref() == Some(log_in_id)
            && !log_in_id.is_empty();
        (*epoch == account.epoch || kept).then_some(account)
    }))
}

async fn begin(tx: &mut Conn, begun: &NewLogIn) -> Result<Option<u32>> {
    let Held { user_id, device, log_in_id, .. } = &begun.held;
    let user_id = *user_id;
    devices::lock(tx, user_id).await?;
    if account_where(tx, "? <> ''", &begun.held, Shown::Token).await?.is_none() {
        return Ok(None);
    }
    let known: Option<i64> =
        tx.exec_first("SELECT 1 FROM log_in WHERE log_in_id = ?", (log_in_id,)).await?;
    if known.is_some() {
        return Ok(Some(0));
    }
    let mut ended = 0;
    if begun.replaces {
        let former = "SELECT log_in_id FROM log_in WHERE user_id = ? AND device = ?";
        let former = tx.exec(former, (user_id, device)).await?;
        ended += end_each(tx, user_id, former, REPLACED, begun.now_ms).await?;
    }
    let too_many = "SELECT log_in_id FROM log_in WHERE user_id = ?
                    ORDER BY refreshed_at_ms DESC, log_in_id LIMIT 1000000 OFFSET ?";
    let others_max = begun.per_user_max.saturating_sub(1);
    let too_many = tx.exec(too_many, (user_id, others_max)).await?;
    ended += end_each(tx, user_id, too_many, REPLACED, begun.now_ms).await?;
    let NewLogIn { held, refresh_hash, now_ms, expires_at_ms, .. } = begun;
    insert(tx, held, refresh_hash, *now_ms, *expires_at_ms).await?;
    forget(tx, begun).await?;
    Ok(Some(ended))
}

pub(super) async fn insert(
    tx: &mut Conn,
    held: &Held,
    refresh_hash: &[u8; 32],
    now_ms: i64,
    expires_at_ms: i64,
) -> Result<()> {
    let Held { user_id, device, generation, log_in_id, epoch } = held;
    let insert = "INSERT INTO log_in (log_in_id, user_id, device, generation, epoch, refresh_hash,
                                      refreshed_at_ms, expires_at_ms)
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let hash = refresh_hash.as_slice();
    let row = (log_in_id, user_id, device, generation, epoch, hash, now_ms, expires_at_ms);
    tx.exec_drop(insert, row).await
}

/// What nobody has refreshed for long ends for good, with whatever it still has open. Whose it was waits for
/// none of this: nothing of it is good any more.
async fn forget(tx: &mut Conn, begun: &NewLogIn) -> Result<()> {
    let over = "SELECT user_id, log_in_id FROM log_in WHERE expires_at_ms < ?
                ORDER BY expires_at_ms LIMIT ?";
    let of = (begun.forget_before_ms, FORGOTTEN_AT_ONCE);
    let over: Vec<(i64, String)> = tx.exec(over, of).await?;
    for (user_id, log_in_id) in over {
        end_each(tx, user_id, vec![log_in_id], LOGGED_OUT, begun.now_ms).await?;
    }
    Ok(())
}

async fn rotate(tx: &mut Conn, rotation: &Rotation) -> Result<Rotated> {
    let log_in_id = &rotation.log_in_id;
    // Whose it is does not change, and says which row to lock.
    let of = "SELECT user_id FROM log_in WHERE log_in_id = ?";
    let Some(user_id) = tx.exec_first(of, (log_in_id,)).await? else {
        return Ok(Rotated::Unknown);
    };
    devices::lock(tx, user_id).await?;
    let select = "SELECT device, generation, epoch, refresh_hash, refreshed_at_ms, expires_at_ms
                  FROM log_in WHERE log_in_id = ?";
    type Row = (String, i64, i64, Vec<u8>, i64, i64);
    let found: Option<Row> = tx.exec_first(select, (log_in_id,)).await?;
    let Some((device, generation, epoch, hash, at_ms, expires_at_ms)) = found else {
        return Ok(Rotated::Unknown);
    };
    let held = Held { user_id, device, generation, log_in_id: log_in_id.clone(), epoch };
    let repeated = rotation.is_repeated(&hash, at_ms);
    if !repeated && hash != rotation.shown_hash {
        end_each(tx, user_id, vec![held.log_in_id], REUSED, rotation.now_ms).await?;
        return Ok(Rotated::Reused(user_id));
    }
    if expires_at_ms <= rotation.now_ms {
        return Ok(Rotated::Unknown);
    }
    let Some(account) = account_of(tx, &held, Shown::Token).await? else {
        return Ok(Rotated::Unknown);
    };
    if repeated {
        return Ok(Rotated::Done(held, account, expires_at_ms));
    }
    let update = "UPDATE log_in SET refresh_hash = ?, refreshed_at_ms = ?, expires_at_ms = ?
                  WHERE log_in_id = ?";
    let Rotation { next_hash, now_ms, expires_at_ms, noted_before_ms, .. } = rotation;
    tx.exec_drop(update, (next_hash.as_slice(), now_ms, expires_at_ms, log_in_id)).await?;
    let update = "UPDATE device SET last_login_ms = ?
                  WHERE user_id = ? AND name = ? AND last_login_ms < ?";
    tx.exec_drop(update, (now_ms, user_id, &held.device, noted_before_ms)).await?;
    Ok(Rotated::Done(held, account, *expires_at_ms))
}

async fn epoch_of(tx: &mut Conn, user_id: i64) -> Result<i64> {
    let select = "SELECT epoch FROM account_auth WHERE user_id = ?";
    Ok(tx.exec_first(select, (user_id,)).await?.unwrap_or(FIRST_EPOCH))
}

async fn change_password(tx: &mut Conn, change: &Change) -> Result<Option<i64>> {
    let Change { user_id, old_hash, new_hash, log_in_id, now_ms, expires_at_ms, .. } = change;
    devices::lock(tx, *user_id).await?;
    let update = "UPDATE account SET password_hash = ? WHERE id = ? AND password_hash = ?";
    tx.exec_drop(update, (new_hash.expose_secret(), user_id, old_hash.expose_secret())).await?;
    if tx.affected_rows() == 0 {
        return Ok(None);
    }
    end_all(tx, *user_id, log_in_id, PASSWORD_CHANGED, *now_ms).await?;
    let update = "UPDATE log_in SET refresh_hash = ?, refreshed_at_ms = ?, expires_at_ms = ?
                  WHERE log_in_id = ? AND user_id = ?";
    let hash = change.refresh_hash.as_slice();
    tx.exec_drop(update, (hash, now_ms, expires_at_ms, log_in_id, user_id)).await?;
    tx.exec_first("SELECT epoch FROM account_auth WHERE user_id = ?", (user_id,)).await
}

/// All log-ins of a user end, but for that one. Their row must be locked.
pub(super) async fn end_all(
    tx: &mut Conn,
    user_id: i64,
    except_log_in_id: &str,
    reason: &str,
    due_at_ms: i64,
) -> Result<()> {
    let epoch = epoch_of(tx, user_id).await?;
    let update = "INSERT INTO account_auth (user_id, epoch, kept_log_in_id, role, disabled)
                  VALUES (?, ?, ?, 0, 0)
                  ON DUPLICATE KEY UPDATE epoch = VALUES(epoch),
                                          kept_log_in_id = VALUES(kept_log_in_id)";
    tx.exec_drop(update, (user_id, epoch + 1, except_log_in_id)).await?;
    let delete = "DELETE FROM log_in WHERE user_id = ? AND log_in_id <> ?";
    tx.exec_drop(delete, (user_id, except_log_in_id)).await?;
    let update = "UPDATE log_in SET epoch = ? WHERE user_id = ?";
    tx.exec_drop(update, (epoch + 1, user_id)).await?;
    let ended = EndedLogIns {
        user_id,
        log_in_id: String::new(),
        epoch,
        except_log_in_id: except_log_in_id.to_owned(),
        reason: reason.to_owned(),
    };
    revocations::note(tx, &ended, due_at_ms).await
}

/// Whether it was good until now.
async fn revoke(tx: &mut Conn, ending: &Ending) -> Result<bool> {
    let forget = "DELETE FROM revoked_token WHERE expires_at_ms < ?
                  ORDER BY expires_at_ms LIMIT ?";
    tx.exec_drop(forget, (ending.forget_before_ms, FORGOTTEN_AT_ONCE)).await?;
    let insert = "INSERT INTO revoked_token (token_id, expires_at_ms) VALUES (?, ?)
                  ON DUPLICATE KEY UPDATE token_id = token_id";
    tx.exec_drop(insert, (ending.log_in_id.as_bytes(), ending.expires_at_ms)).await?;
    Ok(tx.affected_rows() == 1)
}

async fn delete(tx: &mut Conn, user_id: i64, log_in_id: &str) -> Result<bool> {
    let delete = "DELETE FROM log_in WHERE log_in_id = ? AND user_id = ?";
    tx.exec_drop(delete, (log_in_id, user_id)).await?;
    Ok(tx.affected_rows() > 0)
}

async fn end_each(
    tx: &mut Conn,
    user_id: i64,
    log_in_ids: Vec<String>,
    reason: &str,
    due_at_ms: i64,
) -> Result<u32> {
    let mut ended = 0;
    for log_in_id in log_in_ids {
        if delete(tx, user_id, &log_in_id).await? {
            note_one(tx, user_id, log_in_id, reason, due_at_ms).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

pub(super) async fn note_one(
    tx: &mut Conn,
    user_id: i64,
    log_in_id: String,
    reason: &str,
    due_at_ms: i64,
) -> Result<()> {
    let (except_log_in_id, reason) = (String::new(), reason.to_owned());
    let ended = EndedLogIns { user_id, log_in_id, epoch: 0, except_log_in_id, reason };
    revocations::note(tx, &ended, due_at_ms).await
}
