//! Where devices begin.

use im_common::StoreError;
use rusqlite::{Connection, OptionalExtension as _};

use super::SqliteTimeline;
use crate::store::devices::{FORGOTTEN_MAX, Known, Opening};
use crate::store::{Devices, Reader};

impl Devices for SqliteTimeline {
    async fn open_device(&self, reader: &Reader, generation: i64) -> Result<bool, StoreError> {
        let reader = reader.clone();
        self.db.write("open a device", move |tx| open(tx, &reader, generation)).await
    }

    async fn forget_device(&self, reader: &Reader, generation: i64) -> Result<(), StoreError> {
        let reader = reader.clone();
        self.db.write("forget a device", move |tx| forget(tx, &reader, generation)).await
    }
}

fn open(tx: &Connection, reader: &Reader, generation: i64) -> rusqlite::Result<bool> {
    let at_heads = match Opening::of(known(tx, reader)?, generation) {
        Opening::Refused => return Ok(false),
        Opening::Done => return Ok(true),
        Opening::First => {
            let own = tx
                .prepare_cached("SELECT 1 FROM cursor WHERE uid = ? AND device = ? LIMIT 1")?
                .exists((reader.uid, &reader.device))?;
            let any = tx
                .prepare_cached("SELECT 1 FROM cursor WHERE uid = ? LIMIT 1")?
                .exists([reader.uid])?;
            !own && (any || generation > 1)
        }
        Opening::Anew => {
            remove_cursors(tx, reader)?;
            true
        }
    };
    if at_heads {
        tx.prepare_cached(
            "INSERT INTO cursor (uid, device, conv, seq, given_seq, opened_seq)
             SELECT ?1, ?2, conv, head, 0, head FROM (
                 SELECT s.conv, CASE WHEN count(s.to_seq) < count(*) THEN c.max_seq
                                     ELSE max(s.to_seq) END AS head
                 FROM span s JOIN conversation c ON c.id = s.conv
                 WHERE s.uid = ?1 GROUP BY s.conv)",
        )?
        .execute((reader.uid, &reader.device))?;
    }
    note(tx, reader, Known { generation, forgotten: false })?;
    Ok(true)
}

fn forget(tx: &Connection, reader: &Reader, generation: i64) -> rusqlite::Result<()> {
    if known(tx, reader)?.is_some_and(|known| known.generation > generation) {
        return Ok(());
    }
    remove_cursors(tx, reader)?;
    note(tx, reader, Known { generation, forgotten: true })?;
    let oldest = tx
        .prepare_cached(
            "SELECT generation FROM device WHERE uid = ? AND forgotten = 1
             ORDER BY generation DESC LIMIT 1 OFFSET ?",
        )?
        .query_row((reader.uid, FORGOTTEN_MAX), |row| row.get(0))
        .optional()?;
    let oldest: i64 = oldest.unwrap_or(0);
    tx.prepare_cached("DELETE FROM device WHERE uid = ? AND forgotten = 1 AND generation <= ?")?
        .execute([reader.uid, oldest])?;
    Ok(())
}

fn known(tx: &Connection, reader: &Reader) -> rusqlite::Result<Option<Known>> {
    tx.prepare_cached("SELECT generation, forgotten FROM device WHERE uid = ? AND device = ?")?
        .query_row((reader.uid, &reader.device), |row| {
            Ok(Known { generation: row.get(0)?, forgotten: row.get(1)? })
        })
        .optional()
}

fn note(tx: &Connection, reader: &Reader, known: Known) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO device (uid, device, generation, forgotten) VALUES (?, ?, ?, ?)
         ON CONFLICT (uid, device)
         DO UPDATE SET generation = excluded.generation, forgotten = excluded.forgotten",
    )?
    .execute((reader.uid, &reader.device, known.generation, known.forgotten))?;
    Ok(())
}

fn remove_cursors(tx: &Connection, reader: &Reader) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM cursor WHERE uid = ? AND device = ?")?
        .execute((reader.uid, &reader.device))?;
    Ok(())
}
