//! Read positions, and the list of conversations.

use im_common::StoreError;
use rusqlite::{Connection, OptionalExtension as _};

use super::read::{FORWARD, entry, spans};
use super::{Seen, SqliteTimeline, conv_id, seen};
use crate::conversation::ConvId;
use crate::store::read_state::unread_seqs;
use crate::store::{
    Conversation, MarkReadError, Marked, Place, Position, ReadState, Reader, Receipt, UNREAD_MAX,
};

/// One page of a user's conversations. Only those of the page are joined with where the user is.
pub(super) const LIST: &str = "
    SELECT p.conv_id, p.conv, p.first_seq, p.head, p.last_msg_id,
           coalesce(k.seq, p.first_seq - 1), coalesce(r.seq, p.first_seq - 1), p.min_seq
    FROM (
        SELECT c.conv_id, m.conv, m.first_seq, c.min_seq,
               CASE WHEN m.left_seq IS NULL THEN c.max_seq ELSE m.left_seq END AS head,
               CASE WHEN m.left_seq IS NULL THEN c.last_msg_id ELSE coalesce(e.msg_id, 0) END
                   AS last_msg_id
        FROM (
            SELECT conv, min(from_seq) AS first_seq,
                   CASE WHEN count(to_seq) = count(*) THEN max(to_seq) END AS left_seq
            FROM span WHERE uid = ?1 GROUP BY conv
        ) m
        CROSS JOIN conversation c ON c.id = m.conv
        LEFT JOIN entry e ON e.conv = m.conv AND e.seq = m.left_seq
        WHERE (CASE WHEN m.left_seq IS NULL THEN c.last_msg_id ELSE coalesce(e.msg_id, 0) END,
               c.conv_id) < (?3, ?4)
        ORDER BY 6 DESC, 1 DESC LIMIT ?5
    ) p
    LEFT JOIN cursor k ON k.uid = ?1 AND k.device = ?2 AND k.conv = p.conv
    LEFT JOIN read_position r ON r.conv = p.conv AND r.uid = ?1
    ORDER BY p.last_msg_id DESC, p.conv_id DESC";

/// Texts of others between two seqs, the newest first. The index is named because the one of the
/// keys begins with the same columns, and would have to be read whole.
pub(super) const UNREAD: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM entry INDEXED BY entry_by_seq
        WHERE conv = ? AND seq BETWEEN ? AND ? AND kind = 0 AND author <> ?
        ORDER BY seq DESC LIMIT ?
    )";

/// Where the present members of a conversation are.
pub(super) const RECEIPTS: &str = "
    SELECT s.uid, s.from_seq, coalesce(r.seq, 0), coalesce(
               (SELECT max(k.seq) FROM cursor k INDEXED BY cursor_by_conv
                WHERE k.conv = s.conv AND k.uid = s.uid AND k.seq > k.opened_seq), 0)
    FROM span s INDEXED BY span_open
    LEFT JOIN read_position r ON r.conv = s.conv AND r.uid = s.uid
    WHERE s.conv = ? AND s.to_seq IS NULL AND s.uid > ? AND s.uid <> ? ORDER BY s.uid LIMIT ?";

impl ReadState for SqliteTimeline {
    async fn mark_read(&self, uid: i64, conv: ConvId, seq: i64) -> Result<Marked, MarkReadError> {
        self.db.write("mark as read", move |tx| mark_read(tx, uid, conv, seq)).await?
    }

    async fn conversations(
        &self,
        reader: &Reader,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, bool), StoreError> {
        let reader = reader.clone();
        let list = move |db: &Connection| conversations(db, &reader, after, limit);
        self.db.read("list conversations", list).await
    }

    async fn receipts(
        &self,
        uid: i64,
        conv: ConvId,
        after_uid: i64,
        limit: usize,
    ) -> Result<Option<(Vec<Receipt>, bool)>, StoreError> {
        let receipts = move |db: &Connection| receipts(db, uid, conv, after_uid, limit);
        self.db.read("get receipts", receipts).await
    }
}

fn mark_read(
    tx: &Connection,
    uid: i64,
    name: ConvId,
    seq: i64,
) -> rusqlite::Result<Result<Marked, MarkReadError>> {
    let Some(Seen { conv, first_seq, head, receipt_seq, .. }) = seen(tx, uid, name)? else {
        return Ok(Err(MarkReadError::NotSeen));
    };
    let read = "SELECT seq FROM read_position WHERE conv = ? AND uid = ?";
    let read = tx.prepare_cached(read)?.query_row([conv, uid], |row| row.get(0)).optional()?;
    let read = read.unwrap_or(0).max(first_seq - 1);
    if seq > head {
        return Ok(Err(MarkReadError::BeyondHead));
    }
    if seq < read {
        return Ok(Err(MarkReadError::AlreadyRead));
    }
    if seq > read {
        tx.prepare_cached(
            "INSERT INTO read_position (conv, uid, seq) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET seq = excluded.seq",
        )?
        .execute([conv, uid, seq])?;
    }
    Ok(Ok(Marked::from(uid, name, read, seq, receipt_seq)))
}

fn conversations(
    db: &Connection,
    reader: &Reader,
    after: Option<Place>,
    limit: usize,
) -> rusqlite::Result<(Vec<Conversation>, bool)> {
    let (last_msg_id, name) = match after {
        Some(Place { last_msg_id, conv }) => (last_msg_id, conv.to_string()),
        None => (i64::MAX, String::new()),
    };
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut list = db.prepare_cached(LIST)?;
    let mut rows = list.query((reader.uid, &reader.device, last_msg_id, name, one_more))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() == limit {
            return Ok((found, true));
        }
        let (conv, row_id, from_seq, head): (_, i64, i64, i64) =
            (conv_id(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let last_msg_id = row.get(4)?;
        let (cursor, read_seq, min_seq): (i64, i64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
        // What is gone is nothing to wait for, and nothing to read.
        let first_seq = from_seq.max(min_seq.min(head + 1));
        let (cursor, read_seq) = (cursor.max(first_seq - 1), read_seq.max(first_seq - 1));
        let mut last = db.prepare_cached(FORWARD)?;
        let last = last.query_row([row_id, head, head], entry).optional()?;
        found.push(Conversation {
            position: Position { conv, cursor, head },
            place: Place { last_msg_id, conv },
            first_seq,
            read_seq,
            unread: unread(db, reader.uid, row_id, unread_seqs(read_seq, head))?,
            last,
        });
    }
    Ok((found, false))
}

fn unread(
    db: &Connection,
    uid: i64,
    conv: i64,
    (from_seq, to_seq): (i64, i64),
) -> rusqlite::Result<i64> {
    let mut count = 0;
    if from_seq > to_seq {
        return Ok(count);
    }
    let mut unread = db.prepare_cached(UNREAD)?;
    for (span_from, span_to) in spans(db, uid, conv)? {
        let (from_seq, to_seq) = (span_from.max(from_seq), span_to.unwrap_or(to_seq).min(to_seq));
        let room = UNREAD_MAX - count;
        let of = [conv, from_seq, to_seq, uid, room];
        count += unread.query_row(of, |row| row.get::<_, i64>(0))?;
    }
    Ok(count)
}

fn receipts(
    db: &Connection,
    uid: i64,
    conv: ConvId,
    after_uid: i64,
    limit: usize,
) -> rusqlite::Result<Option<(Vec<Receipt>, bool)>> {
    let member = "SELECT c.id FROM conversation c JOIN span s ON s.uid = ?1 AND s.conv = c.id
                  WHERE c.conv_id = ?2 AND s.to_seq IS NULL";
    let member = db.prepare_cached(member)?.query_row((uid, conv.to_string()), |row| row.get(0));
    let Some(conv) = member.optional()? else {
        return Ok(None);
    };
    let conv: i64 = conv;
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found: Vec<Receipt> = db
        .prepare_cached(RECEIPTS)?
        .query_map([conv, after_uid, uid, one_more], |row| {
            let (read_seq, cursor) = (row.get(2)?, row.get(3)?);
            Ok(Receipt::of(row.get(0)?, row.get(1)?, read_seq, cursor))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Some((found, more)))
}
