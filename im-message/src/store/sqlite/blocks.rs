//! Who shuts out whom.

use im_common::StoreError;
use rusqlite::Connection;

use super::SqliteTimeline;
use crate::conversation::ConvId;
use crate::store::{Blocks, PairBlocks};

impl Blocks for SqliteTimeline {
    async fn block(
        &self,
        by: i64,
        whom: i64,
        _now_ms: i64,
        blocked_max: usize,
    ) -> Result<bool, StoreError> {
        self.db.write("block a user", move |tx| block(tx, by, whom, blocked_max)).await
    }

    async fn unblock(&self, by: i64, whom: i64) -> Result<(), StoreError> {
        self.db.write("unblock a user", move |tx| unblock(tx, by, whom)).await
    }

    async fn blocked(
        &self,
        by: i64,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, bool), StoreError> {
        self.db.read("list who is blocked", move |db| blocked(db, by, after, limit)).await
    }
}

fn block(tx: &Connection, by: i64, whom: i64, blocked_max: usize) -> rusqlite::Result<bool> {
    let there = tx
        .prepare_cached("SELECT 1 FROM block WHERE uid = ? AND blocked = ?")?
        .exists([by, whom])?;
    if there {
        return Ok(true);
    }
    let count: i64 = tx
        .prepare_cached("SELECT count(*) FROM block WHERE uid = ?")?
        .query_row([by], |row| row.get(0))?;
    if usize::try_from(count).is_ok_and(|count| count >= blocked_max) {
        return Ok(false);
    }
    let conv = ConvId::pair(by, whom);
    tx.prepare_cached(
        "INSERT INTO conversation (conv_id, max_seq, blocks) VALUES (?, 0, ?)
         ON CONFLICT (conv_id) DO UPDATE SET blocks = blocks | excluded.blocks",
    )?
    .execute((conv.to_string(), PairBlocks::bit(conv, by)))?;
    tx.prepare_cached("INSERT INTO block (uid, blocked) VALUES (?, ?)")?.execute([by, whom])?;
    Ok(true)
}

fn unblock(tx: &Connection, by: i64, whom: i64) -> rusqlite::Result<()> {
    let conv = ConvId::pair(by, whom);
    tx.prepare_cached("UPDATE conversation SET blocks = blocks & ~?2 WHERE conv_id = ?1")?
        .execute((conv.to_string(), PairBlocks::bit(conv, by)))?;
    tx.prepare_cached("DELETE FROM block WHERE uid = ? AND blocked = ?")?.execute([by, whom])?;
    Ok(())
}

fn blocked(
    db: &Connection,
    by: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<(Vec<i64>, bool)> {
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found: Vec<i64> = db
        .prepare_cached(
            "SELECT blocked FROM block WHERE uid = ? AND blocked > ? ORDER BY blocked LIMIT ?",
        )?
        .query_map([by, after, one_more], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}
