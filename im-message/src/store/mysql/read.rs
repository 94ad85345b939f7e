//! Questions. Each statement sees what was committed before it; entries that come between two
//! statements are above the head that the first one found.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::sql::{LIST_MAX, filled, repeated};
use super::{content, conv_id};
use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::shared::{Spans, distinct};
use crate::store::{Earlier, Position, Range, RangeLimit, Reader, SharedRange};

/// A row of `entry` as it is read.
pub(super) type EntryRow = (i64, i64, i64, i64, i64, String, String);

pub(super) const ENTRY_COLUMNS: &str = "seq, msg_id, author, ts_ms, kind, text, device";

pub(super) fn entry(row: EntryRow) -> Result<Entry, Error> {
    let (seq, msg_id, author, ts_ms, kind, text, device) = row;
    Ok(Entry { seq, msg_id, author, ts_ms, content: content(kind, text)?, device })
}

/// A pair may have a row because of a block alone.
pub(super) async fn exists(conn: &mut Conn, conv: ConvId) -> Result<bool, Error> {
    let select = "SELECT 1 FROM conversation WHERE conv_id = ? AND max_seq > 0";
    let found: Option<i64> = conn.exec_first(select, (conv.to_string(),)).await?;
    Ok(found.is_some())
}

/// One page of the conversations in which a device lacks something.
pub(super) const BEHIND: &str = "
    SELECT MIN(c.conv_id), COALESCE(MIN(k.seq), MIN(s.from_seq) - 1) AS at_seq,
           IF(COUNT(s.to_seq) < COUNT(*), MIN(c.max_seq), MAX(s.to_seq)) AS head,
           MIN(c.min_seq) AS min_seq
    FROM span s JOIN conversation c ON c.id = s.conv
    LEFT JOIN device_cursor k ON k.uid = s.uid AND k.device = ? AND k.conv = s.conv
    WHERE s.uid = ? AND s.conv > ?
    GROUP BY s.conv HAVING at_seq < head AND min_seq <= head ORDER BY s.conv LIMIT ?";

/// Goes through the user's conversations by their short ids, which is the order in which they began.
pub(super) async fn behind(
    conn: &mut Conn,
    reader: &Reader,
    after: Option<ConvId>,
    limit: usize,
) -> Result<Option<(Vec<Position>, bool)>, Error> {
    let after: Option<i64> = match after {
        Some(conv) => {
            let select = "SELECT id FROM conversation WHERE conv_id = ?";
            conn.exec_first(select, (conv.to_string(),)).await?
        }
        None => Some(0),
    };
    let Some(after) = after else {
        return Ok(None);
    };
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows: Vec<(String, i64, i64, i64)> =
        conn.exec(BEHIND, (reader.device.as_bytes(), reader.uid, after, one_more)).await?;
    let more = rows.len() > limit;
    let positions = rows.into_iter().take(limit).map(position).collect::<Result<_, _>>()?;
    Ok(Some((positions, more)))
}

/// What is gone is nothing to wait for.
fn position((name, at, head, min_seq): (String, i64, i64, i64)) -> Result<Position, Error> {
    Ok(Position { conv: conv_id(&name)?, cursor: at.max(head.min(min_seq - 1)), head })
}

/// What a user sees of conversations, and where their device stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) position: Position,
    /// The conversation's short id.
    pub(super) conv: i64,
    /// The first seq that they see and that is kept, or one above their head.
    pub(super) first_seq: i64,
    /// The newest that was written with receipts, or 0.
    pub(super) receipt_seq: i64,
}

/// Those of `convs` that the reader's user ever saw something of, in no particular order.
pub(super) async fn seen(
    conn: &mut Conn,
    reader: &Reader,
    convs: &[ConvId],
) -> Result<Vec<Seen>, Error> {
    let mut all = Vec::with_capacity(convs.len());
    for convs in convs.chunks(LIST_MAX) {
        let names = convs.iter().map(|conv| conv.to_string().into()).collect();
        let (length, Params::Positional(names)) = filled(names, 1) else {
            continue;
        };
        let select = format!(
            "SELECT MIN(c.conv_id), COALESCE(MIN(k.seq), MIN(s.from_seq) - 1),
                    IF(COUNT(s.to_seq) < COUNT(*), MIN(c.max_seq), MAX(s.to_seq)),
                    c.id, MIN(s.from_seq), MIN(c.min_seq), MIN(c.receipt_seq)
             FROM conversation c JOIN span s ON s.uid = ? AND s.conv = c.id
             LEFT JOIN device_cursor k ON k.uid = s.uid AND k.device = ? AND k.conv = c.id
             WHERE c.conv_id IN ({}) GROUP BY c.id",
            repeated("?", length, ", ")
        );
        let mut params: Vec<Value> = vec![reader.uid.into(), reader.device.as_bytes().into()];
        params.extend(names);
        let rows: Vec<(String, i64, i64, i64, i64, i64, i64)> =
            conn.exec(select, Params::Positional(params)).await?;
        for (name, cursor, head, conv, from_seq, min_seq, receipt_seq) in rows {
            let first_seq = from_seq.max(min_seq.min(head + 1));
            let position = position((name, cursor, head, min_seq))?;
            all.push(Seen { position, conv, first_seq, receipt_seq });
        }
    }
    Ok(all)
}

pub(super) async fn positions(
    conn: &mut Conn,
    reader: &Reader,
    convs: &[ConvId],
) -> Result<Vec<Position>, Error> {
    let seen = seen(conn, reader, convs).await?;
    let find = |conv: &ConvId| seen.iter().find(|seen| seen.position.conv == *conv);
    Ok(convs.iter().filter_map(find).map(|seen| seen.position).collect())
}

pub(super) async fn range(
    conn: &mut Conn,
    uid: i64,
    conv: ConvId,
    after_seq: i64,
    limit: RangeLimit,
) -> Result<Option<Range>, Error> {
    let Some(Sees { conv, head, first_seq, spans }) = spans(conn, uid, conv).await? else {
        return Ok(None);
    };
    let first = after_seq.saturating_add(1);
    let pieces: Vec<_> = spans.into_iter().map(|(from, to)| (from.max(first), to)).collect();
    let (entries, cut) = entries(conn, FORWARD, conv, &pieces, limit).await?;
    Ok(Some(Range { entries, complete_to: cut.unwrap_or(head.max(after_seq)), head, first_seq }))
}

pub(super) async fn range_before(
    conn: &mut Conn,
    uid: i64,
    conv: ConvId,
    before_seq: i64,
    limit: RangeLimit,
) -> Result<Option<Earlier>, Error> {
    let Some(Sees { conv, head, first_seq, spans }) = spans(conn, uid, conv).await? else {
        return Ok(None);
    };
    let last = before_seq.saturating_sub(1);
    let pieces: Vec<_> = spans.into_iter().rev().map(|(from, to)| (from, to.min(last))).collect();
    let (mut entries, cut) = entries(conn, BACKWARD, conv, &pieces, limit).await?;
    entries.reverse();
    let complete_from = cut.unwrap_or(first_seq.min(before_seq));
    Ok(Some(Earlier { entries, complete_from, first_seq, head }))
}

/// When a user sees a conversation.
struct Sees {
    /// The conversation's short id.
    conv: i64,
    head: i64,
    /// The first seq that they see and that is kept, or one above `head`.
    first_seq: i64,
    /// First and last seq of each span, in order.
    spans: Vec<(i64, i64)>,
}

/// `None` if the user never saw anything of it.
async fn spans(conn: &mut Conn, uid: i64, conv: ConvId) -> Result<Option<Sees>, Error> {
    let rows: Vec<(i64, i64, i64, i64, Option<i64>)> = conn
        .exec(
            "SELECT c.id, c.min_seq, c.max_seq, s.from_seq, s.to_seq
             FROM conversation c JOIN span s ON s.uid = ? AND s.conv = c.id
             WHERE c.conv_id = ? ORDER BY s.from_seq",
            (uid, conv.to_string()),
        )
        .await?;
    let Some((conv, min_seq, _, from_seq, _)) = rows.first().copied() else {
        return Ok(None);
    };
    let span = |(_, _, max_seq, from_seq, to_seq): (i64, i64, i64, i64, Option<i64>)| {
        (from_seq, to_seq.unwrap_or(max_seq))
    };
    let spans: Vec<(i64, i64)> = rows.into_iter().map(span).collect();
    let head = spans.iter().map(|(_, to_seq)| *to_seq).max().unwrap_or(0);
    let first_seq = from_seq.max(min_seq.min(head + 1));
    Ok(Some(Sees { conv, head, first_seq, spans }))
}

pub(super) async fn range_for_many(
    conn: &mut Conn,
    uids: &[i64],
    conv: ConvId,
    after_seq: i64,
    limit: RangeLimit,
) -> Result<SharedRange, Error> {
    let select = "SELECT id, max_seq FROM conversation WHERE conv_id = ?";
    let found: Option<(i64, i64)> = conn.exec_first(select, (conv.to_string(),)).await?;
    let Some((conv, max_seq)) = found else {
        return Ok(SharedRange { entries: Vec::new(), sights: vec![None; uids.len()] });
    };
    let mut all = Spans::new(max_seq);
    for uids in distinct(uids).chunks(LIST_MAX) {
        let values = uids.iter().map(|uid| (*uid).into()).collect();
        let (length, Params::Positional(values)) = filled(values, 1) else {
            continue;
        };
        let select = format!(
            "SELECT uid, from_seq, to_seq FROM span WHERE conv = ? AND uid IN ({})
             ORDER BY uid, from_seq",
            repeated("?", length, ", ")
        );
        let mut params: Vec<Value> = vec![conv.into()];
        params.extend(values);
        let rows: Vec<(i64, i64, Option<i64>)> =
            conn.exec(select, Params::Positional(params)).await?;
        for (uid, from_seq, to_seq) in rows {
            // One that began after the conversation was looked at is heard of when it is pushed.
            if from_seq <= max_seq {
                all.add(uid, from_seq, to_seq);
            }
        }
    }
    let (entries, cut) = entries(conn, FORWARD, conv, &all.pieces(after_seq), limit).await?;
    Ok(SharedRange { entries, sights: all.sights(uids, after_seq, cut) })
}

/// Entries between two seqs, onwards. The index is named because the one of the keys begins with the
/// same column.
pub(super) const FORWARD: &str = "SELECT seq, msg_id, author, ts_ms, kind, text, device
     FROM entry FORCE INDEX (PRIMARY) WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?";

/// Entries between two seqs, backwards.
pub(super) const BACKWARD: &str = "SELECT seq, msg_id, author, ts_ms, kind, text, device
     FROM entry FORCE INDEX (PRIMARY) WHERE conv = ? AND seq BETWEEN ? AND ?
     ORDER BY seq DESC LIMIT ?";

/// What stands in these pieces of a conversation, and the seq of the last entry if it is a limit
/// that ended them.
async fn entries(
    conn: &mut Conn,
    direction: &str,
    conv: i64,
    pieces: &[(i64, i64)],
    limit: RangeLimit,
) -> Result<(Vec<Entry>, Option<i64>), Error> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for (from_seq, to_seq) in pieces {
        if from_seq > to_seq {
            continue;
        }
        let room = limit.entries_max.saturating_sub(entries.len());
        // One more says whether there is more.
        let room = i64::try_from(room).unwrap_or(i64::MAX).saturating_add(1);
        let rows: Vec<EntryRow> = conn.exec(direction, (conv, from_seq, to_seq, room)).await?;
        for row in rows {
            let entry = entry(row)?;
            if let Content::Text(text) = &entry.content {
                bytes += text.len();
            }
            let full = entries.len() == limit.entries_max || bytes > limit.bytes_max;
            match entries.last() {
                Some(Entry { seq, .. }) if full => {
                    let cut = *seq;
                    return Ok((entries, Some(cut)));
                }
                _ => entries.push(entry),
            }
        }
    }
    Ok((entries, None))
}

pub(super) async fn locate(conn: &mut Conn, msg_ids: &[i64]) -> Result<Vec<(ConvId, i64)>, Error> {
    let mut found: Vec<(i64, ConvId, i64)> = Vec::with_capacity(msg_ids.len());
    for msg_ids in msg_ids.chunks(LIST_MAX) {
        let (length, params) = filled(msg_ids.iter().map(|id| (*id).into()).collect(), 1);
        let select = format!(
            "SELECT e.msg_id, c.conv_id, e.seq FROM entry e JOIN conversation c ON c.id = e.conv
             WHERE e.msg_id IN ({}) AND e.seq > 0",
            repeated("?", length, ", ")
        );
        let rows: Vec<(i64, String, i64)> = conn.exec(select, params).await?;
        for (msg_id, name, seq) in rows {
            found.push((msg_id, conv_id(&name)?, seq));
        }
    }
    found.sort_unstable();
    let find = |msg_id: &i64| {
        let at = found.binary_search_by_key(msg_id, |(found, _, _)| *found).ok()?;
        Some((found[at].1, found[at].2))
    };
    Ok(msg_ids.iter().filter_map(find).collect())
}
