//! Whom to tell of what ended, on the server.

use im_common::StoreError;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Result};

use super::MysqlStore;
use crate::store::revocations::{PLAIN, most_urgent};
use crate::store::{DueTime, EndedLogIns, Revocation, RevocationStore, RevokedDevice};

impl RevocationStore for MysqlStore {
    async fn due_revocations(
        &self,
        time: DueTime,
        limit: u32,
    ) -> std::result::Result<Vec<Revocation>, StoreError> {
        let list = async move |conn: &mut Conn| {
            let devices = due_devices(conn, time, limit).await?;
            Ok(most_urgent(devices, due_log_ins(conn, time, limit).await?, limit))
        };
        self.database.read("list revocations that are due", list).await
    }

    async fn claim_revocations(
        &self,
        mut revocations: Vec<Revocation>,
        time: DueTime,
        until_ms: i64,
    ) -> std::result::Result<Vec<Revocation>, StoreError> {
        // Everybody in one order, or two of them would wait for each other.
        revocations.sort_unstable();
        let claim = async move |tx: &mut Conn| {
            let mut claimed = Vec::new();
            for revocation in &revocations {
                if claim(tx, revocation, time, until_ms).await? {
                    claimed.push(revocation.clone());
                }
            }
            Ok(claimed)
        };
        self.database.write("claim revocations", claim).await
    }

    async fn revocations_told(
        &self,
        mut revocations: Vec<Revocation>,
    ) -> std::result::Result<(), StoreError> {
        revocations.sort_unstable();
        let told = async move |tx: &mut Conn| {
            for revocation in &revocations {
                forget(tx, revocation).await?;
            }
            Ok(())
        };
        self.database.write("end revocations", told).await
    }

    async fn revocations_untold(&self) -> std::result::Result<u32, StoreError> {
        let count = async move |conn: &mut Conn| {
            let select = "SELECT (SELECT COUNT(*) FROM revoked_device)
                               + (SELECT COUNT(*) FROM ended_log_in)";
            let count: Option<u32> = conn.exec_first(select, ()).await?;
            Ok(count.unwrap_or_default())
        };
        self.database.read("count revocations", count).await
    }
}

/// Whether it was still due.
async fn claim(
    tx: &mut Conn,
    revocation: &Revocation,
    time: DueTime,
    until_ms: i64,
) -> Result<bool> {
    let DueTime { now_ms, latest_ms } = time;
    match revocation {
        Revocation::Device(RevokedDevice { user_id, generation, .. }) => {
            let update = "UPDATE revoked_device SET due_at_ms = ?
                          WHERE user_id = ? AND generation = ?
                            AND (due_at_ms <= ? OR due_at_ms > ?)";
            let of = (until_ms, user_id, generation, now_ms, latest_ms);
            tx.exec_drop(update, of).await?;
        }
        Revocation::LogIns(EndedLogIns { user_id, log_in_id, epoch, .. }) => {
            let update = "UPDATE ended_log_in SET due_at_ms = ?
                          WHERE user_id = ? AND log_in_id = ? AND epoch = ?
                            AND (due_at_ms <= ? OR due_at_ms > ?)";
            let of = (until_ms, user_id, log_in_id, epoch, now_ms, latest_ms);
            tx.exec_drop(update, of).await?;
        }
    }
    Ok(tx.affected_rows() > 0)
}

async fn forget(tx: &mut Conn, revocation: &Revocation) -> Result<()> {
    match revocation {
        Revocation::Device(RevokedDevice { user_id, generation, .. }) => {
            let delete = "DELETE FROM revoked_device WHERE user_id = ? AND generation = ?";
            tx.exec_drop(delete, (user_id, generation)).await
        }
        Revocation::LogIns(EndedLogIns { user_id, log_in_id, epoch, .. }) => {
            let delete = "DELETE FROM ended_log_in
                          WHERE user_id = ? AND log_in_id = ? AND epoch = ?";
            tx.exec_drop(delete, (user_id, log_in_id, epoch)).await
        }
    }
}

/// Notes that others have to be told.
pub(super) async fn note(tx: &mut Conn, ended: &EndedLogIns, due_at_ms: i64) -> Result<()> {
    let EndedLogIns { user_id, log_in_id, epoch, except_log_in_id, reason } = ended;
    let insert = "INSERT INTO ended_log_in
                      (user_id, log_in_id, epoch, except_log_in_id, reason, due_at_ms)
                  VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE epoch = epoch";
    let row = (user_id, log_in_id, epoch, except_log_in_id, reason, due_at_ms);
    tx.exec_drop(insert, row).await
}

async fn due_devices(
    conn: &mut Conn,
    time: DueTime,
    limit: u32,
) -> Result<Vec<(i64, RevokedDevice)>> {
    let select = "SELECT due_at_ms, user_id, name, generation FROM revoked_device
                  WHERE due_at_ms <= ? OR due_at_ms > ? ORDER BY due_at_ms LIMIT ?";
    let device = |(due_at_ms, user_id, name, generation)| {
        (due_at_ms, RevokedDevice { user_id, name, generation })
    };
    conn.exec_map(select, (time.now_ms, time.latest_ms, limit), device).await
}

async fn due_log_ins(
    conn: &mut Conn,
    time: DueTime,
    limit: u32,
) -> Result<Vec<(i64, EndedLogIns)>> {
    let select = "SELECT due_at_ms, user_id, log_in_id, epoch, except_log_in_id, reason
                  FROM ended_log_in
                  WHERE due_at_ms <= ? OR due_at_ms > ?
                  ORDER BY reason IN (?, ?), due_at_ms LIMIT ?";
    let ended = |(due_at_ms, user_id, log_in_id, epoch, except_log_in_id, reason)| {
        (due_at_ms, EndedLogIns { user_id, log_in_id, epoch, except_log_in_id, reason })
    };
    let of = (time.now_ms, time.latest_ms, PLAIN[0], PLAIN[1], limit);
    conn.exec_map(select, of, ended).await
}
