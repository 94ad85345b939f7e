//! Questions: they run on read-only connections, each in one snapshot.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Seen, conv_id, conv_row, seen};
use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::shared::{Spans, distinct};
use crate::store::{Earlier, Position, Range, RangeLimit, Reader, SharedRange};

/// A pair may have a row because of a block alone.
pub(super) fn exists(db: &Connection, conv: ConvId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM conversation WHERE conv_id = ? AND max_seq > 0")?
        .exists([conv.to_string()])
}

/// One page of the conversations in which a device lacks something.
pub(super) const BEHIND: &str = "
    SELECT c.conv_id, coalesce(k.seq, min(s.from_seq) - 1) AS at,
           CASE WHEN count(s.to_seq) < count(*) THEN c.max_seq ELSE max(s.to_seq) END AS head,
           c.min_seq
    FROM span s JOIN conversation c ON c.id = s.conv
    LEFT JOIN cursor k ON k.uid = s.uid AND k.device = ?2 AND k.conv = s.conv
    WHERE s.uid = ?1 AND s.conv > ?3
    GROUP BY s.conv HAVING at < head AND c.min_seq <= head ORDER BY s.conv LIMIT ?4";

/// Goes through the user's conversations by the id they have in this file, which is the order
/// in which they began.
pub(super) fn behind(
    db: &Connection,
    reader: &Reader,
    after: Option<ConvId>,
    limit: usize,
) -> rusqlite::Result<Option<(Vec<Position>, bool)>> {
    let after_row = match after {
        Some(conv) => conv_row(db, conv)?,
        None => Some(0),
    };
    let Some(after_row) = after_row else {
        return Ok(None);
    };
    let mut statement = db.prepare_cached(BEHIND)?;
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut found: Vec<Position> = statement
        .query_map((reader.uid, &reader.device, after_row, one_more), |row| {
            let (at, head, min_seq): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
            // What is gone is nothing to wait for.
            Ok(Position { conv: conv_id(row, 0)?, cursor: at.max(min_seq - 1), head })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Some((found, more)))
}

pub(super) fn positions(
    db: &Connection,
    reader: &Reader,
    convs: &[ConvId],
) -> rusqlite::Result<Vec<Position>> {
    let mut cursor =
        db.prepare_cached("SELECT seq FROM cursor WHERE uid = ? AND device = ? AND conv = ?")?;
    let mut found = Vec::with_capacity(convs.len());
    for &conv in convs {
        let Some(seen) = seen(db, reader.uid, conv)? else {
            continue;
        };
        let at = cursor
            .query_row((reader.uid, &reader.device, seen.conv), |row| row.get(0))
            .optional()?
            .unwrap_or(0)
            .max(seen.first_seq - 1);
        found.push(Position { conv, cursor: at, head: seen.head });
    }
    Ok(found)
}

pub(super) fn range(
    db: &Connection,
    uid: i64,
    conv: ConvId,
    after_seq: i64,
    limit: RangeLimit,
) -> rusqlite::Result<Option<Range>> {
    let Some(seen) = seen(db, uid, conv)? else {
        return Ok(None);
    };
    let first = after_seq.saturating_add(1);
    let spans = spans(db, uid, seen.conv)?.into_iter();
    let pieces = spans.map(|(from, to)| (from.max(first), to.unwrap_or(seen.head)));
    let (entries, cut) = entries(db, FORWARD, seen.conv, pieces, limit)?;
    let complete_to = cut.unwrap_or(seen.head.max(after_seq));
    Ok(Some(Range { entries, complete_to, head: seen.head, first_seq: seen.first_seq }))
}

pub(super) fn range_for_many(
    db: &Connection,
    uids: &[i64],
    conv: ConvId,
    after_seq: i64,
    limit: RangeLimit,
) -> rusqlite::Result<SharedRange> {
    let found = db
        .prepare_cached("SELECT id, max_seq FROM conversation WHERE conv_id = ?")?
        .query_row([conv.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((conv, max_seq)) = found else {
        return Ok(SharedRange { entries: Vec::new(), sights: vec![None; uids.len()] });
    };
    let mut all = Spans::new(max_seq);
    for uid in distinct(uids) {
        for (from_seq, to_seq) in spans(db, uid, conv)? {
            all.add(uid, from_seq, to_seq);
        }
    }
    let (entries, cut) = entries(db, FORWARD, conv, all.pieces(after_seq), limit)?;
    Ok(SharedRange { entries, sights: all.sights(uids, after_seq, cut) })
}

pub(super) fn range_before(
    db: &Connection,
    uid: i64,
    conv: ConvId,
    before_seq: i64,
    limit: RangeLimit,
) -> rusqlite::Result<Option<Earlier>> {
    let Some(Seen { conv, first_seq, head, .. }) = seen(db, uid, conv)? else {
        return Ok(None);
    };
    let last = before_seq.saturating_sub(1);
    let spans = spans(db, uid, conv)?.into_iter().rev();
    let pieces = spans.map(|(from, to)| (from, to.unwrap_or(head).min(last)));
    let (mut entries, cut) = entries(db, BACKWARD, conv, pieces, limit)?;
    entries.reverse();
    let complete_from = cut.unwrap_or(first_seq.min(before_seq));
    Ok(Some(Earlier { entries, complete_from, first_seq, head }))
}

/// Entries between two seqs, onwards.
pub(super) const FORWARD: &str = "SELECT seq, msg_id, author, ts_ms, kind, text, device FROM entry
     WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq";

/// Entries between two seqs, backwards.
pub(super) const BACKWARD: &str = "SELECT seq, msg_id, author, ts_ms, kind, text, device FROM entry
     WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC";

/// What stands in these pieces of a conversation, and the seq of the last entry if it is a limit
/// that ended them. Piece by piece, and not as one join: that would sort all there is before giving
/// the first.
fn entries(
    db: &Connection,
    direction: &str,
    conv: i64,
    pieces: impl IntoIterator<Item = (i64, i64)>,
    limit: RangeLimit,
) -> rusqlite::Result<(Vec<Entry>, Option<i64>)> {
    let mut statement = db.prepare_cached(direction)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for (from_seq, to_seq) in pieces {
        let mut rows = statement.query([conv, from_seq, to_seq])?;
        while let Some(row) = rows.next()? {
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

/// When the user was a member, in order.
pub(super) fn spans(
    db: &Connection,
    uid: i64,
    conv: i64,
) -> rusqlite::Result<Vec<(i64, Option<i64>)>> {
    db.prepare_cached(
        "SELECT from_seq, to_seq FROM span WHERE uid = ? AND conv = ? ORDER BY from_seq",
    )?
    .query_map([uid, conv], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

pub(super) fn locate(db: &Connection, msg_ids: &[i64]) -> rusqlite::Result<Vec<(ConvId, i64)>> {
    let mut statement = db.prepare_cached(
        "SELECT c.conv_id, e.seq FROM entry e JOIN conversation c ON c.id = e.conv
         WHERE e.msg_id = ? AND e.seq > 0",
    )?;
    let mut found = Vec::with_capacity(msg_ids.len());
    for msg_id in msg_ids {
        found.extend(
            statement.query_row([msg_id], |row| Ok((conv_id(row, 0)?, row.get(1)?))).optional()?,
        );
    }
    Ok(found)
}

/// A row of the columns of [`FORWARD`].
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let kind: i64 = row.get(4)?;
    let content = match kind {
        0 => Content::Text(row.get(5)?),
        1 => Content::Joined,
        2 => Content::Left,
        kind => {
            let unknown = format!("no kind of entry is {kind}");
            return Err(rusqlite::Error::FromSqlConversionFailure(
                4,
                Type::Integer,
                unknown.into(),
            ));
        }
    };
    Ok(Entry {
        seq: row.get(0)?,
        msg_id: row.get(1)?,
        author: row.get(2)?,
        ts_ms: row.get(3)?,
        content,
        device: row.get(6)?,
    })
}
