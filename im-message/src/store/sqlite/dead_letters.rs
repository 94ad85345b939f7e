//! Dispatches that were given up on.

use im_common::StoreError;
use rusqlite::{Connection, Row};

use super::read::entry;
use super::{SqliteTimeline, conv_id, conv_row};
use crate::conversation::ConvId;
use crate::entry::Entry;
use crate::store::{DeadLetter, DeadLetters, NewDeadLetter};

const COLUMNS: &str = "id, conv_id, first_seq, last_seq, reason, tries, at_ms";

impl DeadLetters for SqliteTimeline {
    async fn bury(
        &self,
        letters: Vec<NewDeadLetter>,
        count_max: usize,
    ) -> Result<usize, StoreError> {
        self.db.write("keep dead letters", move |tx| bury(tx, &letters, count_max)).await
    }

    async fn dead_letters(
        &self,
        after_id: i64,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, bool), StoreError> {
        let list = move |db: &Connection| {
            let select =
                format!("SELECT {COLUMNS} FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?");
            let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let mut found = db
                .prepare_cached(&select)?
                .query_map([after_id, one_more], letter)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let more = found.len() > limit;
            found.truncate(limit);
            Ok((found, more))
        };
        self.db.read("list dead letters", list).await
    }

    async fn dead_letters_of(&self, mut ids: Vec<i64>) -> Result<Vec<DeadLetter>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        let find = move |db: &Connection| {
            let select = format!("SELECT {COLUMNS} FROM dead_letter WHERE id = ?");
            let mut select = db.prepare_cached(&select)?;
            let mut found = Vec::new();
            for id in ids {
                found
                    .extend(select.query_map([id], letter)?.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(found)
        };
        self.db.read("look up dead letters", find).await
    }

    async fn remove_dead_letters(&self, ids: Vec<i64>) -> Result<usize, StoreError> {
        let remove = move |tx: &Connection| {
            let mut delete = tx.prepare_cached("DELETE FROM dead_letter WHERE id = ?")?;
            ids.iter().map(|id| delete.execute([id])).sum::<rusqlite::Result<usize>>()
        };
        self.db.write("remove dead letters", remove).await
    }

    async fn entries(
        &self,
        conv: ConvId,
        (first_seq, last_seq): (i64, i64),
        entries_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let read = move |db: &Connection| {
            let Some(conv) = conv_row(db, conv)? else {
                return Ok(Vec::new());
            };
            let limit = i64::try_from(entries_max).unwrap_or(i64::MAX);
            db.prepare_cached(
                "SELECT seq, msg_id, author, ts_ms, kind, text, device FROM entry
                 WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            )?
            .query_map([conv, first_seq, last_seq, limit], entry)?
            .collect()
        };
        self.db.read("read entries", read).await
    }
}

fn bury(tx: &Connection, letters: &[NewDeadLetter], count_max: usize) -> rusqlite::Result<usize> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO dead_letter (conv_id, first_seq, last_seq, reason, tries, at_ms)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET last_seq = max(last_seq, excluded.last_seq),
             reason = excluded.reason, tries = tries + excluded.tries, at_ms = excluded.at_ms",
    )?;
    for NewDeadLetter { conv, first_seq, last_seq, reason, tries, at_ms } in letters {
        upsert.execute((conv.to_string(), first_seq, last_seq, reason, tries, at_ms))?;
    }
    tx.prepare_cached(
        "DELETE FROM dead_letter WHERE id IN (
             SELECT id FROM dead_letter ORDER BY id
             LIMIT max(0, (SELECT count(*) FROM dead_letter) - ?))",
    )?
    .execute([i64::try_from(count_max).unwrap_or(i64::MAX)])
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let letter = NewDeadLetter {
        conv: conv_id(row, 1)?,
        first_seq: row.get(2)?,
        last_seq: row.get(3)?,
        reason: row.get(4)?,
        tries: row.get(5)?,
        at_ms: row.get(6)?,
    };
    Ok(DeadLetter { id: row.get(0)?, letter })
}
