//! Moving cursors. A cursor only grows, and never passes what its user sees.

use rusqlite::{Connection, OptionalExtension as _};

use super::{Seen, seen};
use crate::conversation::ConvId;
use crate::store::progress::Arrivals;
use crate::store::{BETWEEN_MAX, Progress, Reader};

pub(super) fn advance(
    tx: &Connection,
    moves: &[(Reader, ConvId, i64)],
) -> rusqlite::Result<Vec<Progress>> {
    let mut arrivals = Arrivals::default();
    let mut upsert = tx.prepare_cached(
        "INSERT INTO cursor (uid, device, conv, seq, given_seq) VALUES (?, ?, ?, ?, 0)
         ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq",
    )?;
    for (reader, conv, seq) in moves {
        let Some(seen) = seen(tx, reader.uid, *conv)? else {
            continue;
        };
        let seq = seen.head.min(*seq).max(seen.from_seq - 1);
        let asked_for = seen.receipt_seq > 0;
        let before = asked_for.then(|| delivered(tx, reader.uid, seen)).transpose()?;
        let moved = upsert.execute((reader.uid, &reader.device, seen.conv, seq))? > 0;
        if let Some(before) = before.filter(|_| moved) {
            let now = delivered(tx, reader.uid, seen)?;
            arrivals.add(reader.uid, *conv, before, now, seen.receipt_seq);
        }
    }
    Ok(arrivals.progress())
}

/// How far that device of the user is which is furthest, of those that got anything.
fn delivered(tx: &Connection, uid: i64, seen: Seen) -> rusqlite::Result<i64> {
    tx.prepare_cached(DELIVERED)?
        .query_row([seen.conv, uid], |row| row.get::<_, Option<i64>>(0))
        .map(|furthest| furthest.unwrap_or(seen.from_seq - 1))
}

pub(super) const DELIVERED: &str = "SELECT max(seq) FROM cursor INDEXED BY cursor_by_conv
     WHERE conv = ? AND uid = ? AND seq > opened_seq";

pub(super) fn mark_given(
    tx: &Connection,
    reader: &Reader,
    given: &[(ConvId, i64)],
) -> rusqlite::Result<()> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO cursor (uid, device, conv, seq, given_seq) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET given_seq = excluded.given_seq
         WHERE excluded.given_seq > given_seq",
    )?;
    for &(conv, seq) in given {
        let Some(seen) = seen(tx, reader.uid, conv)? else {
            continue;
        };
        let unread = seen.from_seq - 1;
        let given_seq = seq.min(seen.head);
        upsert.execute((reader.uid, &reader.device, seen.conv, unread, given_seq))?;
    }
    Ok(())
}

pub(super) fn mark_given_next(
    tx: &Connection,
    given: &[(Reader, ConvId, i64)],
) -> rusqlite::Result<()> {
    let mut last = tx.prepare_cached(
        "SELECT max(seq, given_seq) FROM cursor WHERE uid = ? AND device = ? AND conv = ?",
    )?;
    let mut between = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM entry
         WHERE conv = ? AND seq > ? AND seq < ? AND author <> ? AND kind = 0)",
    )?;
    for (reader, conv, seq) in given {
        let Some(seen) = seen(tx, reader.uid, *conv)? else {
            continue;
        };
        let at = last.query_row((reader.uid, &reader.device, seen.conv), |row| row.get(0));
        let at: i64 = at.optional()?.unwrap_or(0).max(seen.first_seq - 1);
        if *seq > at
            && *seq - at <= BETWEEN_MAX
            && !between.query_row((seen.conv, at, seq, reader.uid), |row| row.get(0))?
        {
            mark_given(tx, reader, &[(*conv, *seq)])?;
        }
    }
    Ok(())
}

pub(super) fn confirm_given(tx: &Connection, reader: &Reader) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE cursor SET seq = given_seq WHERE uid = ? AND device = ? AND given_seq > seq",
    )?
    .execute((reader.uid, &reader.device))?;
    Ok(())
}

pub(super) fn withdraw_given(tx: &Connection, reader: &Reader) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE cursor SET given_seq = 0 WHERE uid = ? AND device = ? AND given_seq > seq",
    )?
    .execute((reader.uid, &reader.device))?;
    Ok(())
}
