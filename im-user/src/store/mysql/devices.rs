//! Devices, on the server. Whoever changes a user's devices locks the row of their numbering first.

use im_common::StoreError;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};

use super::MysqlStore;
use crate::store::{Device, DeviceStore, Noted, Room};

impl DeviceStore for MysqlStore {
    async fn device(
        &self,
        user_id: i64,
        name: String,
    ) -> std::result::Result<Option<Device>, StoreError> {
        let read = async move |conn: &mut Conn| device(conn, user_id, &name).await;
        self.database.read("read a device", read).await
    }

    async fn devices(&self, user_id: i64) -> std::result::Result<Vec<Device>, StoreError> {
        let list = async move |conn: &mut Conn| {
            let select = "SELECT name, generation, opened, since_ms, last_login_ms FROM device
                          WHERE user_id = ? ORDER BY name";
            conn.exec_map(select, (user_id,), device_from).await
        };
        self.database.read("list devices", list).await
    }

    async fn note_log_in(
        &self,
        user_id: i64,
        name: String,
        room: Room,
        now_ms: i64,
    ) -> std::result::Result<Noted, StoreError> {
        let note = async move |tx: &mut Conn| note_log_in(tx, user_id, &name, room, now_ms).await;
        self.database.write("note a log-in", note).await
    }

    async fn device_opened(
        &self,
        user_id: i64,
        name: String,
        generation: i64,
    ) -> std::result::Result<(), StoreError> {
        let opened = async move |conn: &mut Conn| {
            let update = "UPDATE device SET opened = 1
                          WHERE user_id = ? AND name = ? AND generation = ?";
            conn.exec_drop(update, (user_id, &name, generation)).await
        };
        self.database.write("note that a device is opened", opened).await
    }

    async fn revoke_device(
        &self,
        user_id: i64,
        name: String,
        due_at_ms: i64,
    ) -> std::result::Result<bool, StoreError> {
        let revoke = async move |tx: &mut Conn| {
            lock(tx, user_id).await?;
            let Some(device) = device(tx, user_id, &name).await? else { return Ok(false) };
            revoke(tx, user_id, &device, due_at_ms).await?;
            Ok(true)
        };
        self.database.write("revoke a device", revoke).await
    }
}

/// The first device of an account that is being made: nobody else knows of the user, and nothing can
/// wait for it yet.
pub(super) async fn insert_first(
    tx: &mut Conn,
    user_id: i64,
    name: &str,
    now_ms: i64,
) -> Result<i64> {
    let number = "INSERT INTO device_numbering (user_id, last_generation) VALUES (?, 1)";
    tx.exec_drop(number, (user_id,)).await?;
    insert(tx, user_id, name, 1, true, now_ms).await?;
    Ok(1)
}

async fn note_log_in(
    tx: &mut Conn,
    user_id: i64,
    name: &str,
    room: Room,
    now_ms: i64,
) -> Result<Noted> {
    lock(tx, user_id).await?;
    if let Some(known) = device(tx, user_id, name).await? {
        let update = "UPDATE device SET last_login_ms = GREATEST(last_login_ms, ?)
                      WHERE user_id = ? AND name = ?";
        tx.exec_drop(update, (now_ms, user_id, name)).await?;
        let last_login_ms = known.last_login_ms.max(now_ms);
        return Ok(Noted::Device(Device { last_login_ms, ..known }));
    }
    let count = "SELECT COUNT(*) FROM device WHERE user_id = ?";
    let count: Option<u32> = tx.exec_first(count, (user_id,)).await?;
    let mut instead_of = None;
    if count.unwrap_or_default() >= room.devices_max {
        let Some(unused) = longest_unused(tx, user_id, room.unused_before_ms).await? else {
            return Ok(Noted::TooMany);
        };
        revoke(tx, user_id, &unused, now_ms).await?;
        instead_of = Some(unused.name);
    }
    let last = "SELECT last_generation FROM device_numbering WHERE user_id = ?";
    let last: Option<i64> = tx.exec_first(last, (user_id,)).await?;
    let generation = last.unwrap_or_default() + 1;
    let update = "UPDATE device_numbering SET last_generation = ? WHERE user_id = ?";
    tx.exec_drop(update, (generation, user_id)).await?;
    insert(tx, user_id, name, generation, false, now_ms).await?;
    let (since_ms, last_login_ms, name) = (now_ms, now_ms, name.to_owned());
    let device = Device { name, generation, opened: false, since_ms, last_login_ms };
    Ok(match instead_of {
        Some(unused) => Noted::Instead(device, unused),
        None => Noted::Device(device),
    })
}

async fn longest_unused(tx: &mut Conn, user_id: i64, before_ms: i64) -> Result<Option<Device>> {
    let select = "SELECT name, generation, opened, since_ms, last_login_ms FROM device
                  WHERE user_id = ? AND last_login_ms < ?
                  ORDER BY last_login_ms, generation LIMIT 1";
    let found: Option<DeviceRow> = tx.exec_first(select, (user_id, before_ms)).await?;
    Ok(found.map(device_from))
}

async fn revoke(tx: &mut Conn, user_id: i64, device: &Device, due_at_ms: i64) -> Result<()> {
    let Device { name, generation, .. } = device;
    tx.exec_drop("DELETE FROM device WHERE user_id = ? AND name = ?", (user_id, name)).await?;
    // They would be good for nothing, and keep the place of others.
    tx.exec_drop("DELETE FROM log_in WHERE user_id = ? AND device = ?", (user_id, name)).await?;
    let insert = "INSERT INTO revoked_device (user_id, generation, name, due_at_ms)
                  VALUES (?, ?, ?, ?)";
    tx.exec_drop(insert, (user_id, generation, name, due_at_ms)).await
}

/// Everything else that changes the user's devices and log-ins waits until this has committed.
pub(super) async fn lock(tx: &mut Conn, user_id: i64) -> Result<()> {
    let lock = "INSERT INTO device_numbering (user_id, last_generation) VALUES (?, 0)
                ON DUPLICATE KEY UPDATE last_generation = last_generation";
    tx.exec_drop(lock, (user_id,)).await
}

async fn insert(
    tx: &mut Conn,
    user_id: i64,
    name: &str,
    generation: i64,
    opened: bool,
    now_ms: i64,
) -> Result<()> {
    let insert = "INSERT INTO device (user_id, name, generation, opened, since_ms, last_login_ms)
                  VALUES (?, ?, ?, ?, ?, ?)";
    tx.exec_drop(insert, (user_id, name, generation, opened, now_ms, now_ms)).await
}

/// The columns of a device, in the order of its fields.
type DeviceRow = (String, i64, bool, i64, i64);

fn device_from((name, generation, opened, since_ms, last_login_ms): DeviceRow) -> Device {
    Device { name, generation, opened, since_ms, last_login_ms }
}

async fn device(conn: &mut Conn, user_id: i64, name: &str) -> Result<Option<Device>> {
    let select = "SELECT name, generation, opened, since_ms, last_login_ms FROM device
                  WHERE user_id = ? AND name = ?";
    let found: Option<DeviceRow> = conn.exec_first(select, (user_id, name)).await?;
    Ok(found.map(device_from))
}
