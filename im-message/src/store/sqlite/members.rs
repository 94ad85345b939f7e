//! Who is in a conversation now.

use im_common::StoreError;
use rusqlite::Connection;

use super::{SqliteTimeline, conv_row};
use crate::conversation::ConvId;
use crate::store::Members;
use crate::store::shared::distinct;

impl Members for SqliteTimeline {
    async fn members(&self, conv: ConvId) -> Result<Vec<i64>, StoreError> {
        self.db.read("list members", move |db| first(db, conv, i64::MAX)).await
    }

    async fn few_members(&self, conv: ConvId, most: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let one_more = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let members =
            self.db.read("list a few members", move |db| first(db, conv, one_more)).await?;
        Ok((members.len() <= most).then_some(members))
    }

    async fn members_among(&self, conv: ConvId, uids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        self.db.read("look up members", move |db| among(db, conv, &uids)).await
    }
}

/// Some of the present members of a conversation.
pub(super) const FIRST: &str = "
    SELECT s.uid FROM conversation c JOIN span s ON s.conv = c.id AND s.to_seq IS NULL
    WHERE c.conv_id = ? LIMIT ?";

fn first(db: &Connection, conv: ConvId, limit: i64) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(FIRST)?.query_map((conv.to_string(), limit), |row| row.get(0))?.collect()
}

fn among(db: &Connection, conv: ConvId, uids: &[i64]) -> rusqlite::Result<Vec<i64>> {
    let Some(conv) = conv_row(db, conv)? else {
        return Ok(Vec::new());
    };
    let mut present = db.prepare_cached(
        "SELECT 1 FROM span INDEXED BY span_open WHERE conv = ? AND uid = ? AND to_seq IS NULL",
    )?;
    let mut found = Vec::new();
    for uid in distinct(uids) {
        if present.exists([conv, uid])? {
            found.push(uid);
        }
    }
    Ok(found)
}
