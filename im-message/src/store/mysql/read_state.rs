//! Read positions, and the list of conversations.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use im_common::StoreError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::read::{ENTRY_COLUMNS, EntryRow, entry, seen};
use super::sql::{LIST_MAX, filled, pieces, repeated};
use super::{MysqlTimeline, conv_id};
use crate::conversation::ConvId;
use crate::store::read_state::unread_seqs;
use crate::store::{
    Conversation, MarkReadError, Marked, Place, Position, ReadState, Reader, Receipt, UNREAD_MAX,
};

/// One page of a user's conversations. Only those of the page are joined with where the user is.
pub(super) const LIST: &str = "
    SELECT p.conv_id, p.conv, p.first_seq, p.head, p.last_msg_id,
           COALESCE(k.seq, p.first_seq - 1), COALESCE(r.seq, p.first_seq - 1), p.min_seq
    FROM (
        SELECT c.conv_id, m.conv, m.first_seq, c.min_seq, COALESCE(m.left_seq, c.max_seq) AS head,
               IF(m.left_seq IS NULL, c.last_msg_id, COALESCE(e.msg_id, 0)) AS last_msg_id
        FROM (
            SELECT conv, MIN(from_seq) AS first_seq,
                   IF(COUNT(to_seq) = COUNT(*), MAX(to_seq), NULL) AS left_seq
            FROM span WHERE uid = ? GROUP BY conv
        ) m
        STRAIGHT_JOIN conversation c ON c.id = m.conv
        LEFT JOIN entry e ON e.conv = m.conv AND e.seq = m.left_seq
        WHERE IF(m.left_seq IS NULL, c.last_msg_id, COALESCE(e.msg_id, 0)) < ?
           OR (IF(m.left_seq IS NULL, c.last_msg_id, COALESCE(e.msg_id, 0)) = ? AND c.conv_id < ?)
        ORDER BY last_msg_id DESC, conv_id DESC LIMIT ?
    ) p
    LEFT JOIN device_cursor k ON k.uid = ? AND k.device = ? AND k.conv = p.conv
    LEFT JOIN read_position r ON r.conv = p.conv AND r.uid = ?
    ORDER BY p.last_msg_id DESC, p.conv_id DESC";

/// Texts of others between two seqs, the newest first. The index is named because the one of the
/// keys begins with the same columns, and would have to be read whole.
pub(super) const UNREAD: &str = "
    SELECT COUNT(*) FROM (
        SELECT 1 FROM entry FORCE INDEX (PRIMARY)
        WHERE conv = ? AND seq BETWEEN ? AND ? AND kind = 0 AND author <> ?
        ORDER BY seq DESC LIMIT ?
    ) newest";

/// Where the present members of a conversation are.
pub(super) const RECEIPTS: &str = "
    SELECT s.uid, s.from_seq, COALESCE(r.seq, 0), COALESCE(
               (SELECT MAX(k.seq) FROM device_cursor k FORCE INDEX (device_cursor_by_conv)
                WHERE k.conv = s.conv AND k.uid = s.uid AND k.seq > k.opened_seq), 0)
    FROM span s FORCE INDEX (span_by_conv)
    LEFT JOIN read_position r ON r.conv = s.conv AND r.uid = s.uid
    WHERE s.conv = ? AND s.to_seq IS NULL AND s.uid > ? AND s.uid <> ? ORDER BY s.uid LIMIT ?";

/// A row of [`LIST`].
type ListRow = (String, i64, i64, i64, i64, i64, i64, i64);

impl ReadState for MysqlTimeline {
    async fn mark_read(&self, uid: i64, conv: ConvId, seq: i64) -> Result<Marked, MarkReadError> {
        let mark = async move |conn: &mut _| mark_read(conn, uid, conv, seq).await;
        self.db.read("mark as read", mark).await?
    }

    async fn conversations(
        &self,
        reader: &Reader,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, bool), StoreError> {
        let reader = reader.clone();
        let list =
            async move |conn: &mut _| conversations(conn, &reader, after.as_ref(), limit).await;
        self.db.read("list conversations", list).await
    }

    async fn receipts(
        &self,
        uid: i64,
        conv: ConvId,
        after_uid: i64,
        limit: usize,
    ) -> Result<Option<(Vec<Receipt>, bool)>, StoreError> {
        let receipts = async move |conn: &mut _| receipts(conn, uid, conv, after_uid, limit).await;
        self.db.read("get receipts", receipts).await
    }
}

/// A head only grows, so it may be looked at before; and the only statement that writes makes the
/// position grow whatever others have written meanwhile.
async fn mark_read(
    conn: &mut Conn,
    uid: i64,
    conv: ConvId,
    seq: i64,
) -> Result<Result<Marked, MarkReadError>, Error> {
    // Any device: its cursor is not looked at.
    let reader = Reader { uid, device: String::new() };
    let Some(seen) = seen(conn, &reader, &[conv]).await?.pop() else {
        return Ok(Err(MarkReadError::NotSeen));
    };
    if seq > seen.position.head {
        return Ok(Err(MarkReadError::BeyondHead));
    }
    let read = "SELECT seq FROM read_position WHERE conv = ? AND uid = ?";
    let read: Option<i64> = conn.exec_first(read, (seen.conv, uid)).await?;
    let read = read.unwrap_or(0).max(seen.first_seq - 1);
    if seq < read {
        return Ok(Err(MarkReadError::AlreadyRead));
    }
    if seq > read {
        let upsert = "INSERT INTO read_position (conv, uid, seq) VALUES (?, ?, ?)
                      ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq))";
        conn.exec_drop(upsert, (seen.conv, uid, seq)).await?;
    }
    Ok(Ok(Marked::from(uid, conv, read, seq, seen.receipt_seq)))
}

async fn conversations(
    conn: &mut Conn,
    reader: &Reader,
    after: Option<&Place>,
    limit: usize,
) -> Result<(Vec<Conversation>, bool), Error> {
    let (last_msg_id, name) = match after {
        Some(Place { last_msg_id, conv }) => (*last_msg_id, conv.to_string()),
        None => (i64::MAX, String::new()),
    };
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let Reader { uid, device } = reader;
    let device = device.as_bytes();
    let params = (uid, last_msg_id, last_msg_id, name, one_more, uid, device, uid);
    let mut rows: Vec<ListRow> = conn.exec(LIST, params).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut found = Vec::with_capacity(rows.len());
    let mut of = Vec::with_capacity(rows.len());
    for (name, short, from_seq, head, last_msg_id, cursor, read_seq, min_seq) in rows {
        let conv = conv_id(&name)?;
        // What is gone is nothing to wait for, and nothing to read.
        let first_seq = from_seq.max(min_seq.min(head + 1));
        let (cursor, read_seq) = (cursor.max(first_seq - 1), read_seq.max(first_seq - 1));
        of.push(short);
        found.push(Conversation {
            position: Position { conv, cursor, head },
            place: Place { last_msg_id, conv },
            first_seq,
            read_seq,
            unread: 0,
            last: None,
        });
    }
    last_entries(conn, &of, &mut found).await?;
    unread(conn, *uid, &of, &mut found).await?;
    Ok((found, more))
}

/// Adds the entries at the heads. `of` are the short ids of `found`.
async fn last_entries(
    conn: &mut Conn,
    of: &[i64],
    found: &mut [Conversation],
) -> Result<(), Error> {
    let places: HashMap<i64, usize, RandomState> = of.iter().copied().zip(0..).collect();
    let heads: Vec<Value> = of
        .iter()
        .zip(found.iter())
        .flat_map(|(conv, found)| [(*conv).into(), found.position.head.into()])
        .collect();
    for heads in heads.chunks(LIST_MAX * 2) {
        let (length, params) = filled(heads.to_vec(), 2);
        let select = format!(
            "SELECT conv, {ENTRY_COLUMNS} FROM entry WHERE {}",
            repeated("(conv = ? AND seq = ?)", length, " OR ")
        );
        type Row = (i64, i64, i64, i64, i64, i64, String, String);
        let rows: Vec<Row> = conn.exec(select, params).await?;
        for (conv, seq, msg_id, author, ts_ms, kind, text, device) in rows {
            let row: EntryRow = (seq, msg_id, author, ts_ms, kind, text, device);
            if let Some(found) = places.get(&conv).and_then(|place| found.get_mut(*place)) {
                found.last = Some(entry(row)?);
            }
        }
    }
    Ok(())
}

/// Adds how many are unread. `of` are the short ids of `found`.
async fn unread(
    conn: &mut Conn,
    uid: i64,
    of: &[i64],
    found: &mut [Conversation],
) -> Result<(), Error> {
    // Those in which anything may be unread, by short id: where it is, and from which seq.
    let mut may: HashMap<i64, (usize, i64, i64), RandomState> = HashMap::default();
    for (place, (conv, found)) in of.iter().zip(found.iter()).enumerate() {
        let (from_seq, to_seq) = unread_seqs(found.read_seq, found.position.head);
        if from_seq <= to_seq {
            may.insert(*conv, (place, from_seq, to_seq));
        }
    }
    let convs: Vec<Value> = may.keys().map(|conv| (*conv).into()).collect();
    let mut counts: Vec<Value> = Vec::new();
    let mut counted: Vec<usize> = Vec::new();
    for convs in convs.chunks(LIST_MAX) {
        let (length, Params::Positional(convs)) = filled(convs.to_vec(), 1) else {
            continue;
        };
        let select = format!(
            "SELECT conv, from_seq, to_seq FROM span WHERE uid = ? AND conv IN ({})",
            repeated("?", length, ", ")
        );
        let params = [uid.into()].into_iter().chain(convs).collect();
        let rows: Vec<(i64, i64, Option<i64>)> =
            conn.exec(select, Params::Positional(params)).await?;
        for (conv, span_from, span_to) in rows {
            let Some((place, from_seq, to_seq)) = may.get(&conv) else {
                continue;
            };
            let from_seq = span_from.max(*from_seq);
            let to_seq = span_to.map_or(*to_seq, |span_to| span_to.min(*to_seq));
            if from_seq <= to_seq {
                let of = [conv, from_seq, to_seq, uid, UNREAD_MAX];
                counts.extend(of.map(Value::from));
                counted.push(*place);
            }
        }
    }
    let mut counted = counted.into_iter();
    for (length, params) in pieces(counts, 5) {
        let rows: Vec<i64> = conn.exec(repeated(UNREAD, length, " UNION ALL "), params).await?;
        for (count, place) in rows.into_iter().zip(counted.by_ref()) {
            if let Some(found) = found.get_mut(place) {
                found.unread = (found.unread + count).min(UNREAD_MAX);
            }
        }
    }
    Ok(())
}

async fn receipts(
    conn: &mut Conn,
    uid: i64,
    conv: ConvId,
    after_uid: i64,
    limit: usize,
) -> Result<Option<(Vec<Receipt>, bool)>, Error> {
    let member = "SELECT c.id FROM conversation c JOIN span s ON s.uid = ? AND s.conv = c.id
                  WHERE c.conv_id = ? AND s.to_seq IS NULL";
    let conv: Option<i64> = conn.exec_first(member, (uid, conv.to_string())).await?;
    let Some(conv) = conv else {
        return Ok(None);
    };
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows: Vec<(i64, i64, i64, i64)> =
        conn.exec(RECEIPTS, (conv, after_uid, uid, one_more)).await?;
    let more = rows.len() > limit;
    let receipt = |(uid, from_seq, read_seq, cursor)| Receipt::of(uid, from_seq, read_seq, cursor);
    Ok(Some((rows.into_iter().take(limit).map(receipt).collect(), more)))
}
