//! What is no longer kept.

use std::time::Duration;

use im_common::StoreError;
use rusqlite::{Connection, OptionalExtension};

use super::{SqliteTimeline, conv_id};
use crate::conversation::ConvId;
use crate::store::{Expired, Front, Retention};

/// By the index of them.
pub(super) const FORGET_REFUSALS: &str = "
    DELETE FROM entry WHERE msg_id IN
        (SELECT msg_id FROM entry WHERE seq < 0 AND ts_ms < ? ORDER BY ts_ms LIMIT ?)";

impl Retention for SqliteTimeline {
    async fn fronts(&self, after: i64, limit: usize) -> Result<Vec<Front>, StoreError> {
        self.db.read("list where conversations begin", move |db| fronts(db, after, limit)).await
    }

    async fn trim(
        &self,
        conv: ConvId,
        expired: Expired,
        entries_max: usize,
    ) -> Result<usize, StoreError> {
        let trim = move |tx: &Connection| trim(tx, conv, expired, entries_max);
        self.db.write("remove what has expired", trim).await
    }

    async fn forget_refusals(
        &self,
        before_ms: i64,
        refusals_max: usize,
    ) -> Result<usize, StoreError> {
        let refusals_max = i64::try_from(refusals_max).unwrap_or(i64::MAX);
        let forget = move |tx: &Connection| {
            tx.prepare_cached(FORGET_REFUSALS)?.execute([before_ms, refusals_max])
        };
        self.db.write("forget old refusals", forget).await
    }

    /// The file has one process.
    async fn take_turn(&self, _every: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }
}

fn fronts(db: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<Front>> {
    db.prepare_cached(
        "SELECT c.id, c.conv_id, c.min_seq, e.ts_ms, c.max_seq
         FROM conversation c JOIN entry e ON e.conv = c.id AND e.seq = c.min_seq
         WHERE c.id > ? ORDER BY c.id LIMIT ?",
    )?
    .query_map([after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(Front {
            place: row.get(0)?,
            conv: conv_id(row, 1)?,
            first_seq: row.get(2)?,
            first_ts_ms: row.get(3)?,
            last_seq: row.get(4)?,
        })
    })?
    .collect()
}

fn trim(
    tx: &Connection,
    conv: ConvId,
    expired: Expired,
    entries_max: usize,
) -> rusqlite::Result<usize> {
    let found = tx
        .prepare_cached("SELECT id, min_seq FROM conversation WHERE conv_id = ?")?
        .query_row([conv.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((row, min_seq)) = found else {
        return Ok(0);
    };
    let row: i64 = row;
    let min_seq: i64 = min_seq;
    let front = tx
        .prepare_cached(
            "SELECT seq, ts_ms FROM entry WHERE conv = ? AND seq >= ? ORDER BY seq LIMIT ?",
        )?
        .query_map([row, min_seq, i64::try_from(entries_max).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let count = expired.count(front);
    if count > 0 {
        let kept_from = min_seq + i64::try_from(count).unwrap_or(0);
        tx.prepare_cached("DELETE FROM entry WHERE conv = ? AND seq BETWEEN ? AND ?")?
            .execute([row, min_seq, kept_from - 1])?;
        tx.prepare_cached("UPDATE conversation SET min_seq = ? WHERE id = ?")?
            .execute([kept_from, row])?;
    }
    Ok(count)
}
