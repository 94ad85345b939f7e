//! Devices, in the SQLite file.

use im_common::StoreError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use crate::store::{Device, DeviceStore, Noted, Room};

impl DeviceStore for SqliteStore {
    async fn device(&self, user_id: i64, name: String) -> Result<Option<Device>, StoreError> {
        self.database.read("read a device", move |conn| device(conn, user_id, &name)).await
    }

    async fn devices(&self, user_id: i64) -> Result<Vec<Device>, StoreError> {
        self.database
            .read("list devices", move |conn| {
                conn.prepare_cached(
                    "SELECT name, generation, opened, since_ms, last_login_ms FROM device
                     WHERE user_id = ?1 ORDER BY name",
                )?
                .query_map([user_id], device_from)?
                .collect()
            })
            .await
    }

    async fn note_log_in(
        &self,
        user_id: i64,
        name: String,
        room: Room,
        now_ms: i64,
    ) -> Result<Noted, StoreError> {
        self.database
            .write("note a log-in", move |tx| note_log_in(tx, user_id, &name, room, now_ms))
            .await
    }

    async fn device_opened(
        &self,
        user_id: i64,
        name: String,
        generation: i64,
    ) -> Result<(), StoreError> {
        self.database
            .write("note that a device is opened", move |tx| {
                tx.prepare_cached(
                    "UPDATE device SET opened = 1
                     WHERE user_id = ?1 AND name = ?2 AND generation = ?3",
                )?
                .execute(params![user_id, name, generation])?;
                Ok(())
            })
            .await
    }

    async fn revoke_device(
        &self,
        user_id: i64,
        name: String,
        due_at_ms: i64,
    ) -> Result<bool, StoreError> {
        self.database
            .write("revoke a device", move |tx| {
                let Some(device) = device(tx, user_id, &name)? else { return Ok(false) };
                revoke(tx, user_id, &device, due_at_ms)?;
                Ok(true)
            })
            .await
    }
}

/// The first device of an account that is being made: nothing can wait for it yet.
pub(super) fn insert_first(
    tx: &Connection,
    user_id: i64,
    name: &str,
    now_ms: i64,
) -> rusqlite::Result<i64> {
    let generation = begin(tx, user_id, name, now_ms)?;
    tx.prepare_cached("UPDATE device SET opened = 1 WHERE user_id = ?1 AND name = ?2")?
        .execute(params![user_id, name])?;
    Ok(generation)
}

fn note_log_in(
    tx: &Connection,
    user_id: i64,
    name: &str,
    room: Room,
    now_ms: i64,
) -> rusqlite::Result<Noted> {
    if let Some(known) = device(tx, user_id, name)? {
        tx.prepare_cached(
            "UPDATE device SET last_login_ms = max(last_login_ms, ?3)
             WHERE user_id = ?1 AND name = ?2",
        )?
        .execute(params![user_id, name, now_ms])?;
        let last_login_ms = known.last_login_ms.max(now_ms);
        return Ok(Noted::Device(Device { last_login_ms, ..known }));
    }
    let count: u32 = tx
        .prepare_cached("SELECT count(*) FROM device WHERE user_id = ?1")?
        .query_row([user_id], |row| row.get(0))?;
    let mut instead_of = None;
    if count >= room.devices_max {
        let Some(unused) = longest_unused(tx, user_id, room.unused_before_ms)? else {
            return Ok(Noted::TooMany);
        };
        revoke(tx, user_id, &unused, now_ms)?;
        instead_of = Some(unused.name);
    }
    let generation = begin(tx, user_id, name, now_ms)?;
    let (since_ms, last_login_ms, name) = (now_ms, now_ms, name.to_owned());
    let device = Device { name, generation, opened: false, since_ms, last_login_ms };
    Ok(match instead_of {
        Some(unused) => Noted::Instead(device, unused),
        None => Noted::Device(device),
    })
}

fn longest_unused(
    conn: &Connection,
    user_id: i64,
    before_ms: i64,
) -> rusqlite::Result<Option<Device>> {
    conn.prepare_cached(
        "SELECT name, generation, opened, since_ms, last_login_ms FROM device
         WHERE user_id = ?1 AND last_login_ms < ?2 ORDER BY last_login_ms, generation LIMIT 1",
    )?
    .query_row([user_id, before_ms], device_from)
    .optional()
}

fn revoke(tx: &Connection, user_id: i64, device: &Device, due_at_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM device WHERE user_id = ?1 AND name = ?2")?
        .execute(params![user_id, device.name])?;
    // They would be good for nothing, and keep the place of others.
    tx.prepare_cached("DELETE FROM log_in WHERE user_id = ?1 AND device = ?2")?
        .execute(params![user_id, device.name])?;
    tx.prepare_cached(
        "INSERT INTO revoked_device (user_id, generation, name, due_at_ms)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![user_id, device.generation, device.name, due_at_ms])?;
    Ok(())
}

/// Gives a device its generation.
fn begin(tx: &Connection, user_id: i64, name: &str, now_ms: i64) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "INSERT INTO device_numbering (user_id, last_generation) VALUES (?1, 1)
         ON CONFLICT (user_id) DO UPDATE SET last_generation = last_generation + 1",
    )?
    .execute([user_id])?;
    let generation = tx
        .prepare_cached("SELECT last_generation FROM device_numbering WHERE user_id = ?1")?
        .query_row([user_id], |row| row.get(0))?;
    tx.prepare_cached(
        "INSERT INTO device (user_id, name, generation, opened, since_ms, last_login_ms)
         VALUES (?1, ?2, ?3, 0, ?4, ?4)",
    )?
    .execute(params![user_id, name, generation, now_ms])?;
    Ok(generation)
}

pub(super) fn device(
    conn: &Connection,
    user_id: i64,
    name: &str,
) -> rusqlite::Result<Option<Device>> {
    conn.prepare_cached(
        "SELECT name, generation, opened, since_ms, last_login_ms FROM device
         WHERE user_id = ?1 AND name = ?2",
    )?
    .query_row(params![user_id, name], device_from)
    .optional()
}

fn device_from(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        name: row.get(0)?,
        generation: row.get(1)?,
        opened: row.get(2)?,
        since_ms: row.get(3)?,
        last_login_ms: row.get(4)?,
    })
}
