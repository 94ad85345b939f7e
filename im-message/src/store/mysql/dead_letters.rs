//! Dispatches that were given up on.

use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Value};

use super::read::{ENTRY_COLUMNS, EntryRow, entry};
use super::sql::{LIST_MAX, filled, pieces, repeated};
use super::{MysqlTimeline, conv_id};
use crate::conversation::ConvId;
use crate::entry::Entry;
use crate::store::{DeadLetter, DeadLetters, NewDeadLetter};

const COLUMNS: &str = "id, conv_id, first_seq, last_seq, reason, tries, at_ms";
type Row = (i64, String, i64, i64, String, i64, i64);

impl DeadLetters for MysqlTimeline {
    async fn bury(
        &self,
        mut letters: Vec<NewDeadLetter>,
        count_max: usize,
    ) -> Result<usize, StoreError> {
        // One order of locks for all.
        letters.sort_by_key(|letter| (letter.conv.to_string(), letter.first_seq));
        let bury = async move |tx: &mut _| bury(tx, &letters, count_max).await;
        self.db.write("keep dead letters", bury).await
    }

    async fn dead_letters(
        &self,
        after_id: i64,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, bool), StoreError> {
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let list = async move |conn: &mut Conn| {
            let select =
                format!("SELECT {COLUMNS} FROM dead_letter WHERE id > ? ORDER BY id LIMIT ?");
            let rows: Vec<Row> = conn.exec(select, (after_id, one_more)).await?;
            let more = rows.len() > limit;
            let letters: Result<_, Error> = rows.into_iter().take(limit).map(letter).collect();
            Ok((letters?, more))
        };
        self.db.read("list dead letters", list).await
    }

    async fn dead_letters_of(&self, ids: Vec<i64>) -> Result<Vec<DeadLetter>, StoreError> {
        let find = async move |conn: &mut Conn| {
            let mut found = Vec::new();
            for ids in ids.chunks(LIST_MAX) {
                let (length, params) = filled(ids.iter().map(|id| (*id).into()).collect(), 1);
                let marks = repeated("?", length, ", ");
                let select = format!("SELECT {COLUMNS} FROM dead_letter WHERE id IN ({marks})");
                let rows: Vec<Row> = conn.exec(select, params).await?;
                for row in rows {
                    found.push(letter(row)?);
                }
            }
            found.sort_unstable_by_key(|letter| letter.id);
            found.dedup();
            Ok(found)
        };
        self.db.read("look up dead letters", find).await
    }

    async fn remove_dead_letters(&self, ids: Vec<i64>) -> Result<usize, StoreError> {
        let remove = async move |tx: &mut Conn| {
            let mut removed = 0;
            for ids in ids.chunks(LIST_MAX) {
                let (length, params) = filled(ids.iter().map(|id| (*id).into()).collect(), 1);
                let marks = repeated("?", length, ", ");
                tx.exec_drop(format!("DELETE FROM dead_letter WHERE id IN ({marks})"), params)
                    .await?;
                removed += usize::try_from(tx.affected_rows()).unwrap_or(usize::MAX);
            }
            Ok(removed)
        };
        self.db.write("remove dead letters", remove).await
    }

    async fn entries(
        &self,
        conv: ConvId,
        (first_seq, last_seq): (i64, i64),
        entries_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let read = async move |conn: &mut Conn| {
            let select = "SELECT id FROM conversation WHERE conv_id = ?";
            let found: Option<i64> = conn.exec_first(select, (conv.to_string(),)).await?;
            let Some(conv) = found else {
                return Ok(Vec::new());
            };
            let select = format!(
                "SELECT {ENTRY_COLUMNS} FROM entry WHERE conv = ? AND seq BETWEEN ? AND ?
                 ORDER BY seq LIMIT ?"
            );
            let limit = i64::try_from(entries_max).unwrap_or(i64::MAX);
            let rows: Vec<EntryRow> = conn.exec(select, (conv, first_seq, last_seq, limit)).await?;
            rows.into_iter().map(entry).collect()
        };
        self.db.read("read entries", read).await
    }
}

async fn bury(tx: &mut Conn, letters: &[NewDeadLetter], count_max: usize) -> Result<usize, Error> {
    let mut values: Vec<Value> = Vec::with_capacity(letters.len() * 6);
    for NewDeadLetter { conv, first_seq, last_seq, reason, tries, at_ms } in letters {
        values.extend([conv.to_string().into(), (*first_seq).into(), (*last_seq).into()]);
        values.extend([reason.as_str().into(), (*tries).into(), (*at_ms).into()]);
    }
    for (rows, params) in pieces(values, 6) {
        let upsert = format!(
            "INSERT INTO dead_letter (conv_id, first_seq, last_seq, reason, tries, at_ms) VALUES {}
             ON DUPLICATE KEY UPDATE last_seq = GREATEST(last_seq, VALUES(last_seq)),
             reason = VALUES(reason), tries = tries + VALUES(tries), at_ms = VALUES(at_ms)",
            repeated("(?, ?, ?, ?, ?, ?)", rows, ", ")
        );
        tx.exec_drop(upsert, params).await?;
    }
    let count: Option<usize> = tx.exec_first("SELECT COUNT(*) FROM dead_letter", ()).await?;
    let excess = count.unwrap_or(0).saturating_sub(count_max);
    if excess > 0 {
        tx.exec_drop("DELETE FROM dead_letter ORDER BY id LIMIT ?", (excess,)).await?;
    }
    Ok(excess)
}

fn letter(row: Row) -> Result<DeadLetter, Error> {
    let (id, name, first_seq, last_seq, reason, tries, at_ms) = row;
    let conv = conv_id(&name)?;
    Ok(DeadLetter { id, letter: NewDeadLetter { conv, first_seq, last_seq, reason, tries, at_ms } })
}
