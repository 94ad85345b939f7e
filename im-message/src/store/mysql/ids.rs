//! msg_ids, taken from the database in blocks and given out from memory.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use im_common::StoreError;
use im_common::mysql::MySql;
use mysql_async::prelude::Queryable;

/// Ids of one block. There is room for 64 of them in the ids of one millisecond.
const BLOCK: i64 = 1 << 16;
/// A block is not used for longer, by the caller's clock: this is how far ids lag behind the time.
const AGE_MS_MAX: i64 = 1_000;

/// Where the msg_ids of this instance come from.
#[derive(Debug, Default)]
pub(super) struct MsgIds {
    block: Mutex<Block>,
    /// One refill at a time; the others find what it brought.
    refilling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Block {
    next: i64,
    end: i64,
    taken_ms: i64,
}

impl MsgIds {
    /// `count` ids that nobody else has, above `above`, and above all that this gave before.
    ///
    /// Cancel safe: ids may be left unused.
    pub(super) async fn take(
        &self,
        db: &MySql,
        count: usize,
        above: i64,
        now_ms: i64,
    ) -> Result<Range<i64>, StoreError> {
        let count = i64::try_from(count).unwrap_or(BLOCK).min(BLOCK);
        if let Some(ids) = self.in_block(count, above, now_ms) {
            return Ok(ids);
        }
        let _turn = self.refilling.lock().await;
        loop {
            if let Some(ids) = self.in_block(count, above, now_ms) {
                return Ok(ids);
            }
            // What other instances have is below the end of the last block, so a new one is above.
            let start = refill(db, now_ms).await?;
            let mut block = self.lock();
            // A clock that goes back must not make every block an old one.
            let taken_ms = now_ms.max(block.taken_ms);
            *block = Block { next: start, end: start + BLOCK, taken_ms };
        }
    }

    fn in_block(&self, count: i64, above: i64, now_ms: i64) -> Option<Range<i64>> {
        let mut block = self.lock();
        let fresh = now_ms.saturating_sub(block.taken_ms) < AGE_MS_MAX;
        if block.end - block.next < count || block.next <= above || !fresh {
            return None;
        }
        let start = block.next;
        block.next += count;
        Some(start..block.next)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Block> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to it holds the value before the addition.
const TAKE: &str = "UPDATE msg_id_block SET next = LAST_INSERT_ID(GREATEST(next, ?)) + ?";

/// Takes a block; its first id. One statement, and so a transaction of its own: the row is locked
/// for no longer than that.
async fn refill(db: &MySql, now_ms: i64) -> Result<i64, StoreError> {
    // 22 bits leave room for four million ids a millisecond. A clock so far ahead that the shift
    // overflows gives a negative number, and the maximum ignores it.
    let time = now_ms << 22;
    db.read("take msg_ids", async move |conn| {
        conn.exec_drop(TAKE, (time, BLOCK)).await?;
        let start = conn.last_insert_id().and_then(|id| i64::try_from(id).ok());
        start.ok_or_else(|| mysql_async::Error::Other("msg_id_block has no row".into()))
    })
    .await
}
