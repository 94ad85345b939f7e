//! What an account is beside its name and password, in the SQLite file.

use mpim_proto::Role;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::FIRST_EPOCH;

/// What an account that is being made may do; most have no row for it.
pub(super) fn insert_role(tx: &Connection, user_id: i64, role: Role) -> rusqlite::Result<()> {
    if role == Role::User { Ok(()) } else { give_role(tx, user_id, role) }
}

pub(super) fn give_role(tx: &Connection, user_id: i64, role: Role) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO account_auth (user_id, epoch, kept_log_in_id, role, disabled)
         VALUES (?1, ?2, '', ?3, 0) ON CONFLICT (user_id) DO UPDATE SET role = ?3",
    )?
    .execute(params![user_id, FIRST_EPOCH, i32::from(role)])?;
    Ok(())
}

/// See the module.
pub(super) struct Auth {
    pub(super) epoch: i64,
    pub(super) kept_log_in_id: String,
    pub(super) role: Role,
    pub(super) disabled: bool,
}

pub(super) fn auth(conn: &Connection, user_id: i64) -> rusqlite::Result<Auth> {
    let found = conn
        .prepare_cached(
            "SELECT epoch, kept_log_in_id, role, disabled FROM account_auth WHERE user_id = ?1",
        )?
        .query_row([user_id], |row| {
            let role = Role::try_from(row.get::<_, i32>(2)?).unwrap_or_default();
            let (epoch, kept_log_in_id) = (row.get(0)?, row.get(1)?);
            Ok(Auth { epoch, kept_log_in_id, role, disabled: row.get(3)? })
        })
        .optional()?;
    Ok(found.unwrap_or_else(|| Auth {
        epoch: FIRST_EPOCH,
        kept_log_in_id: String::new(),
        role: Role::User,
        disabled: false,
    }))
}
