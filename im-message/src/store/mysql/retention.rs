//! What is no longer kept. It goes in small batches, each under the lock of its conversation.

use std::time::Duration;

use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::locked::{self, Name};
use super::{MysqlTimeline, conv_id};
use crate::conversation::ConvId;
use crate::store::{Expired, Front, Retention};

/// Where conversations begin, by their short ids.
pub(super) const FRONTS: &str = "
    SELECT c.id, c.conv_id, c.min_seq, e.ts_ms, c.max_seq
    FROM conversation c FORCE INDEX (conversation_by_id)
    JOIN entry e FORCE INDEX (PRIMARY) ON e.conv = c.id AND e.seq = c.min_seq
    WHERE c.id > ? ORDER BY c.id LIMIT ?";

/// The oldest refusals.
pub(super) const OLD_REFUSALS: &str = "
    SELECT ts_ms, msg_id FROM refusal FORCE INDEX (PRIMARY)
    WHERE ts_ms < ? ORDER BY ts_ms, msg_id LIMIT ?";

/// All refusals up to one, with the rows that keep their keys. No conversation is locked: nothing else changes
/// such rows, and a try that meets one on its way out is refused, or is not.
pub(super) const FORGET_REFUSALS: &str = "
    DELETE r, e FROM refusal r FORCE INDEX (PRIMARY)
    LEFT JOIN entry e FORCE INDEX (PRIMARY) ON e.conv = r.conv AND e.seq = -r.msg_id
    WHERE r.ts_ms < ? OR (r.ts_ms = ? AND r.msg_id <= ?)";

impl Retention for MysqlTimeline {
    async fn fronts(&self, after: i64, limit: usize) -> Result<Vec<Front>, StoreError> {
        let fronts = async move |conn: &mut Conn| {
            let rows: Vec<(i64, String, i64, i64, i64)> = conn.exec(FRONTS, (after, limit)).await?;
            let front = |(place, name, first_seq, first_ts_ms, last_seq): (_, String, _, _, _)| {
                Ok(Front { place, conv: conv_id(&name)?, first_seq, first_ts_ms, last_seq })
            };
            rows.into_iter().map(front).collect::<Result<_, Error>>()
        };
        self.db.read("list where conversations begin", fronts).await
    }

    async fn trim(
        &self,
        conv: ConvId,
        expired: Expired,
        entries_max: usize,
    ) -> Result<usize, StoreError> {
        let name = Name { text: conv.to_string(), id: 0, may_begin: false };
        let trim = async move |tx: &mut _| trim(tx, &name, expired, entries_max).await;
        self.db.write("remove what has expired", trim).await
    }

    async fn forget_refusals(
        &self,
        before_ms: i64,
        refusals_max: usize,
    ) -> Result<usize, StoreError> {
        let forget = async move |tx: &mut Conn| {
            let old: Vec<(i64, i64)> = tx.exec(OLD_REFUSALS, (before_ms, refusals_max)).await?;
            if let Some((ts_ms, msg_id)) = old.last() {
                tx.exec_drop(FORGET_REFUSALS, (ts_ms, ts_ms, msg_id)).await?;
            }
            Ok(old.len())
        };
        self.db.write("forget old refusals", forget).await
    }

    async fn take_turn(&self, every: Duration) -> Result<bool, StoreError> {
        let every_us = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
        // One statement, and so a transaction of its own: the first who comes changes the row.
        let take = async move |conn: &mut Conn| {
            let update = "UPDATE retention SET next_at = UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND
                          WHERE only_row = 1 AND next_at <= UTC_TIMESTAMP(3)";
            conn.exec_drop(update, (every_us,)).await?;
            Ok(conn.affected_rows() == 1)
        };
        self.db.read("take the turn to remove what has expired", take).await
    }
}

async fn trim(
    tx: &mut Conn,
    name: &Name,
    expired: Expired,
    entries_max: usize,
) -> Result<usize, Error> {
    let found = locked::lock(tx, std::slice::from_ref(name), false).await?.unwrap_or_default();
    let Some((_, locked)) = found.first() else {
        return Ok(0);
    };
    let select = "SELECT min_seq FROM conversation WHERE conv_id = ?";
    let min_seq: Option<i64> = tx.exec_first(select, (&name.text,)).await?;
    let min_seq = min_seq.unwrap_or(1);
    let select = "SELECT seq, ts_ms FROM entry FORCE INDEX (PRIMARY)
                  WHERE conv = ? AND seq >= ? ORDER BY seq LIMIT ?";
    let front: Vec<(i64, i64)> = tx.exec(select, (locked.id, min_seq, entries_max)).await?;
    let count = expired.count(front);
    if count > 0 {
        let kept_from = min_seq + i64::try_from(count).unwrap_or(0);
        let delete = "DELETE FROM entry WHERE conv = ? AND seq >= ? AND seq < ?";
        tx.exec_drop(delete, (locked.id, min_seq, kept_from)).await?;
        let update = "UPDATE conversation SET min_seq = ? WHERE conv_id = ?";
        tx.exec_drop(update, (kept_from, &name.text)).await?;
    }
    Ok(count)
}
