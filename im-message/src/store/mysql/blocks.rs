//! Who shuts out whom. The bits change under the lock of the conversation, and the index with them.

use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::MysqlTimeline;
use super::locked::{self, Name};
use super::plan::Locked;
use crate::conversation::ConvId;
use crate::store::{Blocks, PairBlocks};

impl Blocks for MysqlTimeline {
    async fn block(
        &self,
        by: i64,
        whom: i64,
        now_ms: i64,
        blocked_max: usize,
    ) -> Result<bool, StoreError> {
        let conv = ConvId::pair(by, whom);
        let ids = self.msg_ids.take(&self.db, 1, 0, now_ms).await?;
        let name = Name { text: conv.to_string(), id: ids.start, may_begin: true };
        let block = async move |tx: &mut _| block(tx, conv, &name, (by, whom), blocked_max).await;
        self.db.write("block a user", block).await
    }

    async fn unblock(&self, by: i64, whom: i64) -> Result<(), StoreError> {
        let conv = ConvId::pair(by, whom);
        let name = Name { text: conv.to_string(), id: 0, may_begin: false };
        let unblock = async move |tx: &mut _| unblock(tx, conv, &name, (by, whom)).await;
        self.db.write("unblock a user", unblock).await
    }

    async fn blocked(
        &self,
        by: i64,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, bool), StoreError> {
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let blocked = async move |conn: &mut Conn| {
            let select = "SELECT blocked FROM block
                          WHERE uid = ? AND blocked > ? ORDER BY blocked LIMIT ?";
            conn.exec::<i64, _, _>(select, (by, after, one_more)).await
        };
        let mut found = self.db.read("list who is blocked", blocked).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }
}

async fn block(
    tx: &mut Conn,
    conv: ConvId,
    name: &Name,
    (by, whom): (i64, i64),
    blocked_max: usize,
) -> Result<bool, Error> {
    let found = lock(tx, name, true).await?.unwrap_or_default();
    if found.by(conv, by) {
        return Ok(true);
    }
    let count = "SELECT COUNT(*) FROM block WHERE uid = ?";
    let count: Option<usize> = tx.exec_first(count, (by,)).await?;
    if count.unwrap_or(0) >= blocked_max {
        // If it was made for this, it goes again.
        locked::remove_unused(tx, [name.text.clone()]).await?;
        return Ok(false);
    }
    let update = "UPDATE conversation SET blocks = blocks | ? WHERE conv_id = ?";
    tx.exec_drop(update, (PairBlocks::bit(conv, by), &name.text)).await?;
    tx.exec_drop("INSERT INTO block (uid, blocked) VALUES (?, ?)", (by, whom)).await?;
    Ok(true)
}

async fn unblock(
    tx: &mut Conn,
    conv: ConvId,
    name: &Name,
    (by, whom): (i64, i64),
) -> Result<(), Error> {
    if lock(tx, name, false).await?.is_none_or(|found| !found.by(conv, by)) {
        return Ok(());
    }
    let update = "UPDATE conversation SET blocks = blocks & ~? WHERE conv_id = ?";
    tx.exec_drop(update, (PairBlocks::bit(conv, by), &name.text)).await?;
    tx.exec_drop("DELETE FROM block WHERE uid = ? AND blocked = ?", (by, whom)).await
}

/// Locks the conversation, which `make` makes if it is missing; who shuts out whom in it.
async fn lock(tx: &mut Conn, name: &Name, make: bool) -> Result<Option<PairBlocks>, Error> {
    let found = locked::lock(tx, std::slice::from_ref(name), make).await?;
    let first = found.and_then(|found| found.into_iter().next());
    Ok(first.map(|(_, Locked { blocks, .. })| blocks))
}
