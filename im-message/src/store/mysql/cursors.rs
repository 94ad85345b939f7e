//! Moving cursors. A cursor only grows, and never passes what its user sees.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Value};

use super::read::seen;
use super::sql::{LIST_MAX, filled, repeated};
use crate::conversation::ConvId;
use crate::store::{BETWEEN_MAX, Progress, Reader};

/// Which of a cursor's two numbers grows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    Seq,
    GivenSeq,
}

/// How far a cursor is to grow.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) reader: Reader,
    pub(super) conv: ConvId,
    pub(super) seq: i64,
    pub(super) column: Column,
}

/// (uid, device, conv, seq, given_seq)
type Row<'a> = (i64, &'a [u8], i64, i64, i64);

/// Moves cursors of any number of devices. Up to [`LIST_MAX`] of them are moved by one statement, and
/// so at once. Answers as [`Timeline::advance_for_many`](crate::store::Timeline::advance_for_many).
pub(super) async fn advance(conn: &mut Conn, moves: &[Move]) -> Result<Vec<Progress>, Error> {
    let conversations = conversations(conn, moves).await?;
    let of = |step: &Move| Some((step.reader.uid, conversations.get(&step.conv)?.id));
    let seen = spans(conn, moves.iter().filter_map(of)).await?;
    let asked_for = |step: &&Move| {
        let found = conversations.get(&step.conv);
        matches!(step.column, Column::Seq) && found.is_some_and(|found| found.receipt_seq > 0)
    };
    let before = delivered(conn, moves.iter().filter(asked_for).filter_map(of)).await?;
    // Who may come past something that was written with receipts, by user and short id.
    let mut coming: BTreeMap<(i64, i64), Progress> = BTreeMap::new();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(moves.len());
    for step in moves {
        let Reader { uid, device } = &step.reader;
        let Some(Found { id: conv, max_seq, receipt_seq }) = conversations.get(&step.conv) else {
            continue;
        };
        let Some((first_seq, last_seq)) = seen.get(&(*uid, *conv)) else {
            continue;
        };
        let (unread, seq) = (first_seq - 1, step.seq.min(last_seq.unwrap_or(*max_seq)));
        let (seq, given_seq) = match step.column {
            Column::Seq => (seq.max(unread), 0),
            Column::GivenSeq => (unread, seq),
        };
        if asked_for(&step) {
            let before = before.get(&(*uid, *conv)).copied().unwrap_or(unread);
            let progress = Progress::between(*uid, step.conv, before, seq, *receipt_seq);
            coming.extend(progress.map(|progress| ((*uid, *conv), progress)));
        }
        rows.push((*uid, device.as_bytes(), *conv, seq, given_seq));
    }
    upsert(conn, rows).await?;
    // What a device is moved to is not what its user has, if it only began there.
    let now = delivered(conn, coming.keys().copied()).await?;
    let came = coming.into_iter().filter_map(|(of, progress)| {
        let seq = *now.get(&of)?;
        (seq > progress.after_seq).then_some(Progress { seq, ..progress })
    });
    let mut came: Vec<Progress> = came.collect();
    came.sort_unstable();
    Ok(came)
}

async fn upsert(conn: &mut Conn, mut rows: Vec<Row<'_>>) -> Result<(), Error> {
    // One order of locks for all.
    rows.sort_unstable();
    for rows in rows.chunks(LIST_MAX) {
        let values = rows.iter().flat_map(|(uid, device, conv, seq, given_seq)| {
            let numbers = [*conv, *seq, *given_seq].map(Value::from);
            [(*uid).into(), (*device).into()].into_iter().chain(numbers)
        });
        let (length, params) = filled(values.collect(), 5);
        let upsert = format!(
            "INSERT INTO device_cursor (uid, device, conv, seq, given_seq) VALUES {} \
             ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq)), \
             given_seq = GREATEST(given_seq, VALUES(given_seq))",
            repeated("(?, ?, ?, ?, ?)", length, ", ")
        );
        conn.exec_drop(upsert, params).await?;
    }
    Ok(())
}

/// By user and conversation: how far that device is which is furthest, of those that got anything.
async fn delivered(
    conn: &mut Conn,
    of: impl Iterator<Item = (i64, i64)>,
) -> Result<HashMap<(i64, i64), i64, RandomState>, Error> {
    let of: Vec<(i64, i64)> = of.collect();
    let mut found = HashMap::default();
    for of in of.chunks(LIST_MAX) {
        let values = of.iter().flat_map(|(uid, conv)| [(*conv).into(), (*uid).into()]).collect();
        let (length, params) = filled(values, 2);
        let select = format!(
            "SELECT uid, conv, MAX(seq) FROM device_cursor FORCE INDEX (device_cursor_by_conv) \
             WHERE seq > opened_seq AND ({}) GROUP BY uid, conv",
            repeated("(conv = ? AND uid = ?)", length, " OR ")
        );
        let rows: Vec<(i64, i64, i64)> = conn.exec(select, params).await?;
        found.extend(rows.into_iter().map(|(uid, conv, seq)| ((uid, conv), seq)));
    }
    Ok(found)
}

/// A conversation as moving a cursor needs it.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Its short id.
    id: i64,
    max_seq: i64,
    receipt_seq: i64,
}

/// The conversations that are named.
async fn conversations(
    conn: &mut Conn,
    moves: &[Move],
) -> Result<HashMap<ConvId, Found, RandomState>, Error> {
    let mut convs: Vec<ConvId> = moves.iter().map(|step| step.conv).collect();
    convs.sort_unstable();
    convs.dedup();
    let mut found = HashMap::default();
    for convs in convs.chunks(LIST_MAX) {
        let names = convs.iter().map(|conv| conv.to_string().into()).collect();
        let (length, params) = filled(names, 1);
        let select = format!(
            "SELECT conv_id, id, max_seq, receipt_seq FROM conversation WHERE conv_id IN ({})",
            repeated("?", length, ", ")
        );
        let rows: Vec<(String, i64, i64, i64)> = conn.exec(select, params).await?;
        for (name, id, max_seq, receipt_seq) in rows {
            found.insert(super::conv_id(&name)?, Found { id, max_seq, receipt_seq });
        }
    }
    Ok(found)
}

/// By user and conversation: the first seq that they see, and the last if they left.
type Spans = HashMap<(i64, i64), (i64, Option<i64>), RandomState>;

async fn spans(conn: &mut Conn, of: impl Iterator<Item = (i64, i64)>) -> Result<Spans, Error> {
    let mut of: Vec<(i64, i64)> = of.collect();
    of.sort_unstable();
    of.dedup();
    let mut found = Spans::default();
    for of in of.chunks(LIST_MAX) {
        let values = of.iter().flat_map(|(uid, conv)| [(*uid).into(), (*conv).into()]).collect();
        let (length, params) = filled(values, 2);
        let select = format!(
            "SELECT uid, conv, MIN(from_seq), IF(COUNT(to_seq) < COUNT(*), NULL, MAX(to_seq)) \
             FROM span WHERE {} GROUP BY uid, conv",
            repeated("(uid = ? AND conv = ?)", length, " OR ")
        );
        let rows: Vec<(i64, i64, i64, Option<i64>)> = conn.exec(select, params).await?;
        found.extend(rows.into_iter().map(|(uid, conv, first, last)| ((uid, conv), (first, last))));
    }
    Ok(found)
}

pub(super) async fn mark_given_next(
    conn: &mut Conn,
    given: &[(Reader, ConvId, i64)],
) -> Result<(), Error> {
    let last = "SELECT GREATEST(seq, given_seq) FROM device_cursor
                WHERE uid = ? AND device = ? AND conv = ?";
    let between = "SELECT seq FROM entry
                   WHERE conv = ? AND seq > ? AND seq < ? AND author <> ? AND kind = 0 LIMIT 1";
    for (reader, conv, seq) in given {
        let Some(seen) = seen(conn, reader, &[*conv]).await?.pop() else {
            continue;
        };
        let of = (reader.uid, reader.device.as_bytes(), seen.conv);
        let at: Option<i64> = conn.exec_first(last, of).await?;
        let at = at.unwrap_or(0).max(seen.first_seq - 1);
        if *seq <= at || *seq - at > BETWEEN_MAX {
            continue;
        }
        let gap: Option<i64> = conn.exec_first(between, (seen.conv, at, seq, reader.uid)).await?;
        if gap.is_none() {
            let (reader, conv, seq) = (reader.clone(), *conv, *seq);
            advance(conn, &[Move { reader, conv, seq, column: Column::GivenSeq }]).await?;
        }
    }
    Ok(())
}

pub(super) async fn confirm_given(conn: &mut Conn, reader: &Reader) -> Result<(), Error> {
    let update = "UPDATE device_cursor SET seq = given_seq
                  WHERE uid = ? AND device = ? AND given_seq > seq";
    conn.exec_drop(update, (reader.uid, reader.device.as_bytes())).await
}

pub(super) async fn withdraw_given(conn: &mut Conn, reader: &Reader) -> Result<(), Error> {
    let update = "UPDATE device_cursor SET given_seq = 0
                  WHERE uid = ? AND device = ? AND given_seq > seq";
    conn.exec_drop(update, (reader.uid, reader.device.as_bytes())).await
}
