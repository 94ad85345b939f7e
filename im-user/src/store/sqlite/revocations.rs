//! Whom to tell of what ended, in the SQLite file.

use im_common::StoreError;
use rusqlite::{Connection, params};

use super::SqliteStore;
use crate::store::revocations::{PLAIN, most_urgent};
use crate::store::{DueTime, EndedLogIns, Revocation, RevocationStore, RevokedDevice};

impl RevocationStore for SqliteStore {
    async fn due_revocations(
        &self,
        time: DueTime,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        self.database
            .read("list revocations that are due", move |conn| {
                let devices = due_devices(conn, time, limit)?;
                Ok(most_urgent(devices, due_log_ins(conn, time, limit)?, limit))
            })
            .await
    }

    async fn claim_revocations(
        &self,
        revocations: Vec<Revocation>,
        time: DueTime,
        until_ms: i64,
    ) -> Result<Vec<Revocation>, StoreError> {
        self.database
            .write("claim revocations", move |tx| {
                let mut claimed = Vec::new();
                for revocation in &revocations {
                    if claim(tx, revocation, time, until_ms)? {
                        claimed.push(revocation.clone());
                    }
                }
                Ok(claimed)
            })
            .await
    }

    async fn revocations_told(&self, revocations: Vec<Revocation>) -> Result<(), StoreError> {
        self.database
            .write("end revocations", move |tx| {
                revocations.iter().try_for_each(|revocation| forget(tx, revocation))
            })
            .await
    }

    async fn revocations_untold(&self) -> Result<u32, StoreError> {
        self.database
            .read("count revocations", |conn| {
                conn.prepare_cached(
                    "SELECT (SELECT COUNT(*) FROM revoked_device)
                          + (SELECT COUNT(*) FROM ended_log_in)",
                )?
                .query_row([], |row| row.get(0))
            })
            .await
    }
}

/// Whether it was still due.
fn claim(
    tx: &Connection,
    revocation: &Revocation,
    time: DueTime,
    until_ms: i64,
) -> rusqlite::Result<bool> {
    let DueTime { now_ms, latest_ms } = time;
    let claimed = match revocation {
        Revocation::Device(RevokedDevice { user_id, generation, .. }) => tx
            .prepare_cached(
                "UPDATE revoked_device SET due_at_ms = ?3
                 WHERE user_id = ?1 AND generation = ?2 AND (due_at_ms <= ?4 OR due_at_ms > ?5)",
            )?
            .execute([*user_id, *generation, until_ms, now_ms, latest_ms])?,
        Revocation::LogIns(EndedLogIns { user_id, log_in_id, epoch, .. }) => tx
            .prepare_cached(
                "UPDATE ended_log_in SET due_at_ms = ?4
                 WHERE user_id = ?1 AND log_in_id = ?2 AND epoch = ?3
                   AND (due_at_ms <= ?5 OR due_at_ms > ?6)",
            )?
            .execute(params![user_id, log_in_id, epoch, until_ms, now_ms, latest_ms])?,
    };
    Ok(claimed > 0)
}

fn forget(tx: &Connection, revocation: &Revocation) -> rusqlite::Result<()> {
    match revocation {
        Revocation::Device(RevokedDevice { user_id, generation, .. }) => tx
            .prepare_cached("DELETE FROM revoked_device WHERE user_id = ?1 AND generation = ?2")?
            .execute([user_id, generation])?,
        Revocation::LogIns(EndedLogIns { user_id, log_in_id, epoch, .. }) => tx
            .prepare_cached(
                "DELETE FROM ended_log_in WHERE user_id = ?1 AND log_in_id = ?2 AND epoch = ?3",
            )?
            .execute(params![user_id, log_in_id, epoch])?,
    };
    Ok(())
}

/// Notes that others have to be told.
pub(super) fn note(tx: &Connection, ended: &EndedLogIns, due_at_ms: i64) -> rusqlite::Result<()> {
    let EndedLogIns { user_id, log_in_id, epoch, except_log_in_id, reason } = ended;
    tx.prepare_cached(
        "INSERT INTO ended_log_in
             (user_id, log_in_id, epoch, except_log_in_id, reason, due_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![user_id, log_in_id, epoch, except_log_in_id, reason, due_at_ms])?;
    Ok(())
}

fn due_devices(
    conn: &Connection,
    time: DueTime,
    limit: u32,
) -> rusqlite::Result<Vec<(i64, RevokedDevice)>> {
    conn.prepare_cached(
        "SELECT due_at_ms, user_id, name, generation FROM revoked_device
         WHERE due_at_ms <= ?1 OR due_at_ms > ?2 ORDER BY due_at_ms LIMIT ?3",
    )?
    .query_map(params![time.now_ms, time.latest_ms, limit], |row| {
        let (user_id, name, generation) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get(0)?, RevokedDevice { user_id, name, generation }))
    })?
    .collect()
}

fn due_log_ins(
    conn: &Connection,
    time: DueTime,
    limit: u32,
) -> rusqlite::Result<Vec<(i64, EndedLogIns)>> {
    conn.prepare_cached(
        "SELECT due_at_ms, user_id, log_in_id, epoch, except_log_in_id, reason FROM ended_log_in
         WHERE due_at_ms <= ?1 OR due_at_ms > ?2
         ORDER BY reason IN (?4, ?5), due_at_ms LIMIT ?3",
    )?
    .query_map(params![time.now_ms, time.latest_ms, limit, PLAIN[0], PLAIN[1]], |row| {
        let ended = EndedLogIns {
            user_id: row.get(1)?,
            log_in_id: row.get(2)?,
            epoch: row.get(3)?,
            except_log_in_id: row.get(4)?,
            reason: row.get(5)?,
        };
        Ok((row.get(0)?, ended))
    })?
    .collect()
}
