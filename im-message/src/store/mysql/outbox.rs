//! What was committed and perhaps not told to others: the adapter's side of
//! [`Timeline::claim_untold`](crate::store::Timeline::claim_untold).
//!
//! A batch has one row, written in its transaction. In memory is which of them this instance still
//! has to tell; what it told is removed now and then, many rows at once. So in the usual course the
//! outbox costs a row to insert and a share of a delete, and nobody reads it. A row whose lease ran out
//! belongs to an instance that died, or that does not know that its commit succeeded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::conv_id;
use super::plan::{Locked, Plan};
use super::read::{ENTRY_COLUMNS, entry};
use super::sql::{LIST_MAX, filled, repeated};
use crate::conversation::ConvId;
use crate::entry::Entry;

/// For how long the instance that wrote a batch has it to itself.
const LEASE_S: u32 = 2;
/// For how long one that claimed it has.
const CLAIM_S: u32 = 5;
/// Rows to be removed that are remembered; others are told of again, and removed after that.
const DONE_MAX: usize = 1 << 16;

/// What this instance knows of the outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<State>);

/// A batch whose row is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Untold {
    /// The id of its row, which is its first msg_id.
    pub(super) row: i64,
    pub(super) last_msg_id: i64,
    /// Its entries that were not told of yet.
    pub(super) entries: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Committed here, and on its way to being told; by their last msg_ids. Batches have msg_ids from
    /// ranges that do not overlap.
    own: BTreeMap<i64, Untold>,
    claimed: BTreeMap<i64, Untold>,
    /// Told; the row is no longer needed.
    done: Vec<i64>,
}

impl Outbox {
    /// A batch was committed.
    pub(super) fn wrote(&self, batch: Untold) {
        self.lock().own.insert(batch.last_msg_id, batch);
    }

    /// Each entry once, in any order: of a batch, some may be more urgent than others.
    pub(super) fn told(&self, msg_ids: &[i64]) {
        let mut state = self.lock();
        let State { own, claimed, done } = &mut *state;
        for msg_id in msg_ids {
            let row = told_of(own, *msg_id).or_else(|| told_of(claimed, *msg_id));
            done.extend(row.filter(|_| done.len() < DONE_MAX));
        }
    }

    /// Removes the rows of what was told.
    pub(super) async fn remove_told(&self, conn: &mut Conn) -> Result<(), Error> {
        loop {
            let mut rows = std::mem::take(&mut self.lock().done);
            if rows.is_empty() {
                return Ok(());
            }
            let rest = rows.split_off(rows.len().min(LIST_MAX));
            let removed = remove(conn, &rows).await;
            let mut state = self.lock();
            state.done.extend(rest);
            if removed.is_err() {
                state.done.extend(rows);
                return removed;
            }
        }
    }

    /// Entries of rows whose lease ran out; they are this instance's for a while.
    pub(super) async fn claim(
        &self,
        conn: &mut Conn,
        rows_max: usize,
    ) -> Result<Vec<(ConvId, Entry)>, Error> {
        // What was claimed before and not told of may be another's by now.
        self.lock().claimed.clear();
        let mut entries = Vec::new();
        let mut rows: BTreeMap<i64, String> =
            claim(conn, rows_max.min(LIST_MAX)).await?.into_iter().collect();
        // Ours: they are on their way, only slowly.
        self.lock().own.values().for_each(|own| drop(rows.remove(&own.row)));
        for (row, lines) in rows {
            let of_row = match read(conn, &lines).await {
                // Somebody edited it: nobody can tell of it, and it must not hold up the others.
                Err(error @ Error::Other(_)) => {
                    tracing::warn!(row, %error, "a row of the outbox is dropped");
                    Vec::new()
                }
                read => read?,
            };
            let last = of_row.iter().map(|(_, entry)| entry.msg_id).max();
            let mut state = self.lock();
            match last {
                Some(last_msg_id) => {
                    let entries = of_row.len();
                    state.claimed.insert(last_msg_id, Untold { row, last_msg_id, entries });
                }
                None => state.done.push(row),
            }
            drop(state);
            entries.extend(of_row);
        }
        Ok(entries)
    }

    /// How many rows it claimed and did not tell of yet.
    #[cfg(test)]
    pub(super) fn claimed(&self) -> usize {
        self.lock().claimed.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The row of the batch in which the entry is, if it was the last of it.
fn told_of(batches: &mut BTreeMap<i64, Untold>, msg_id: i64) -> Option<i64> {
    let (_, batch) = batches.range_mut(msg_id..).next()?;
    let Untold { row, last_msg_id, .. } = *batch;
    if msg_id < row {
        return None;
    }
    batch.entries = batch.entries.saturating_sub(1);
    if batch.entries > 0 {
        return None;
    }
    batches.remove(&last_msg_id);
    Some(row)
}

/// Adds the row of a batch to its transaction.
pub(super) async fn put(tx: &mut Conn, plan: &Plan) -> Result<(), Error> {
    let Some(first) = plan.rows.first() else {
        return Ok(());
    };
    let line = |(conv, Locked { id, max_seq, .. }, first_seq): &(ConvId, Locked, i64)| {
        format!("{conv} {id} {first_seq} {max_seq}\n")
    };
    let lines: String = plan.advanced.iter().map(line).collect();
    let insert = format!(
        "INSERT INTO outbox (id, lease_until, holder, entries)
         VALUES (?, UTC_TIMESTAMP(3) + INTERVAL {LEASE_S} SECOND, 0, ?)"
    );
    tx.exec_drop(insert, (first.appended.msg_id, lines)).await
}

async fn remove(conn: &mut Conn, rows: &[i64]) -> Result<(), Error> {
    let (length, params) = filled(rows.iter().map(|row| (*row).into()).collect(), 1);
    let delete = format!("DELETE FROM outbox WHERE id IN ({})", repeated("?", length, ", "));
    conn.exec_drop(delete, params).await
}

async fn claim(conn: &mut Conn, rows_max: usize) -> Result<Vec<(i64, String)>, Error> {
    let expired = "SELECT id FROM outbox WHERE lease_until < UTC_TIMESTAMP(3)
                   ORDER BY lease_until LIMIT ?";
    let rows: Vec<i64> = conn.exec(expired, (rows_max,)).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    // Others look at the same rows; the condition decides who has which.
    let holder = fastrand::i64(1..);
    let (length, Params::Positional(rows)) = filled(rows.into_iter().map(Value::from).collect(), 1)
    else {
        return Ok(Vec::new());
    };
    let marks = repeated("?", length, ", ");
    let with_holder = |rows: &[Value]| {
        let holder = std::iter::once(Value::from(holder));
        Params::Positional(holder.chain(rows.iter().cloned()).collect())
    };
    let claim = format!(
        "UPDATE outbox SET lease_until = UTC_TIMESTAMP(3) + INTERVAL {CLAIM_S} SECOND, holder = ?
         WHERE lease_until < UTC_TIMESTAMP(3) AND id IN ({marks})"
    );
    conn.exec_drop(claim, with_holder(&rows)).await?;
    let claimed = format!("SELECT id, entries FROM outbox WHERE holder = ? AND id IN ({marks})");
    conn.exec(claimed, with_holder(&rows)).await
}

/// The entries that a row names, in the order in which they were committed.
async fn read(conn: &mut Conn, lines: &str) -> Result<Vec<(ConvId, Entry)>, Error> {
    let mut entries = Vec::new();
    for line in lines.lines() {
        let malformed = || Error::Other(format!("outbox: {line:?} is no line of it").into());
        let (name, numbers) = line.split_once(' ').ok_or_else(malformed)?;
        let conv = conv_id(name)?;
        let numbers = numbers.split(' ').map(|number| number.parse::<i64>().ok());
        let numbers: Option<Vec<i64>> = numbers.collect();
        let Some(&[id, first_seq, last_seq]) = numbers.as_deref() else {
            return Err(malformed());
        };
        let select = format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE conv = ? AND seq BETWEEN ? AND ? ORDER BY seq"
        );
        for row in conn.exec(select, (id, first_seq, last_seq)).await? {
            entries.push((conv, entry(row)?));
        }
    }
    entries.sort_by_key(|(_, entry)| entry.msg_id);
    Ok(entries)
}
