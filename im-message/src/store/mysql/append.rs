//! Writing a batch: a handful of statements, in the order of messaging.md, "Send", step 3.
//!
//! Two of them are left out at first. Most conversations exist, so they are locked without making
//! them; and most keys are new, so they are not looked up, and the unique index says if one is not.
//! Then, and where an answer depends on what was there before, the transaction is undone and run
//! with everything.

use std::sync::Arc;

use im_common::StoreError;
use im_common::mysql::OperationError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Value};

use super::locked::{self, Name};
use super::outbox::Untold;
use super::plan::{Locked, NewRow, Plan, UsedUp, plan};
use super::sql::{filled, pieces, repeated};
use super::{MysqlTimeline, cause, outbox};
use crate::conversation::ConvId;
use crate::entry::{Content, NewEntry};
use crate::store::{AppendError, Appended};

/// What one transaction did.
pub(super) struct Written {
    pub(super) answers: Vec<Result<Appended, AppendError>>,
    /// What is new of the batch.
    pub(super) untold: Option<Untold>,
}

/// What a transaction takes for granted to be short.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thorough {
    /// Conversations that are missing are made.
    pub(super) make: bool,
    /// Keys are looked up.
    pub(super) look_up: bool,
}

/// A key is there already.
const DUPLICATE: u16 = 1062;

impl MysqlTimeline {
    /// Writes the batch in one transaction.
    pub(super) async fn append_together(
        &self,
        batch: &Arc<[NewEntry]>,
        now_ms: i64,
        mut thorough: Thorough,
    ) -> Result<Written, StoreError> {
        let convs = locked::in_order_of_beginning(batch);
        if convs.is_empty() {
            let answers = batch.iter().map(|_| Err(AppendError::NotMember)).collect();
            return Ok(Written { answers, untold: None });
        }
        let ids = self.msg_ids.take(&self.db, convs.len(), 0, now_ms).await?;
        let mut names: Vec<Name> = convs
            .into_iter()
            .zip(ids)
            .map(|((conv, may_begin), id)| Name { text: conv.to_string(), id, may_begin })
            .collect();
        // Sorted, as they are locked: two orders would be deadlocks.
        names.sort_unstable();
        let names: Arc<[Name]> = Arc::from(names);
        loop {
            match self.transaction(batch, &names, now_ms, thorough).await {
                Ok(Some(written)) => return Ok(written),
                Ok(None) => thorough.make = true,
                Err(failure) if !thorough.look_up && is_duplicate(&failure) => {
                    thorough.look_up = true;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// `None`: nothing was done, because a conversation has to be made.
    async fn transaction(
        &self,
        batch: &Arc<[NewEntry]>,
        names: &Arc<[Name]>,
        now_ms: i64,
        thorough: Thorough,
    ) -> Result<Option<Written>, StoreError> {
        let (db, msg_ids) = (self.db.clone(), self.msg_ids.clone());
        let (batch, names) = (batch.clone(), names.clone());
        self.db
            .write("append", async move |tx| {
                let Some(conversations) = locked::lock(tx, &names, thorough.make).await? else {
                    return Ok(None);
                };
                let newest = conversations.iter().map(|(_, locked)| locked.last_msg_id).max();
                let ids = msg_ids.take(&db, batch.len(), newest.unwrap_or(0), now_ms).await;
                let ids = ids.map_err(|error| Error::Other(error.into()))?;
                let mut loaded = locked::members(tx, &batch, conversations).await?;
                let optimistic = (!thorough.look_up)
                    .then(|| plan(&batch, loaded.clone(), ids.clone(), now_ms))
                    // What is refused may be the repetition of something that was not.
                    .filter(|plan| plan.answers.iter().all(Result::is_ok));
                let plan = match optimistic {
                    Some(plan) => plan,
                    None => {
                        locked::look_up(tx, &batch, &mut loaded).await?;
                        plan(&batch, loaded, ids, now_ms)
                    }
                };
                write(tx, &batch, &plan, now_ms).await?;
                let of = |row: Option<&NewRow>| row.map(|row| row.appended.msg_id);
                let untold = of(plan.rows.first()).zip(of(plan.rows.last()));
                let entries = plan.rows.len();
                let untold = untold.map(|(row, last_msg_id)| Untold { row, last_msg_id, entries });
                Ok(Some(Written { answers: plan.answers, untold }))
            })
            .await
    }
}

fn is_duplicate(failure: &StoreError) -> bool {
    let cause = cause(failure);
    matches!(cause, Some(OperationError::Statement(Error::Server(s))) if s.code == DUPLICATE)
}

async fn write(tx: &mut Conn, batch: &[NewEntry], plan: &Plan, now_ms: i64) -> Result<(), Error> {
    if !plan.unused.is_empty() {
        locked::remove_unused(tx, plan.unused.iter().map(ConvId::to_string)).await?;
    }
    insert_rows(tx, batch, plan, now_ms).await?;
    if plan.rows.is_empty() {
        return Ok(());
    }
    change_spans(tx, plan).await?;
    let advanced: Vec<Value> = plan
        .advanced
        .iter()
        .flat_map(|(conv, Locked { id, max_seq, last_msg_id, .. }, _)| {
            [conv.to_string().into(), (*id).into(), (*max_seq).into(), (*last_msg_id).into()]
        })
        .collect();
    let (length, params) = filled(advanced, 4);
    let advance = format!(
        "INSERT INTO conversation (conv_id, id, max_seq, last_msg_id) VALUES {} ON DUPLICATE KEY \
         UPDATE max_seq = VALUES(max_seq), last_msg_id = VALUES(last_msg_id)",
        repeated("(?, ?, ?, ?)", length, ", ")
    );
    tx.exec_drop(advance, params).await?;
    for (conv, receipt_seq) in &plan.receipts {
        let update = "UPDATE conversation SET receipt_seq = ? WHERE conv_id = ?";
        tx.exec_drop(update, (receipt_seq, conv.to_string())).await?;
    }
    outbox::put(tx, plan).await
}

async fn insert_rows(
    tx: &mut Conn,
    batch: &[NewEntry],
    plan: &Plan,
    now_ms: i64,
) -> Result<(), Error> {
    let mut rows: Vec<Value> = Vec::with_capacity((plan.rows.len() + plan.used_up.len()) * 9);
    let mut row =
        |conv: i64, seq: i64, msg_id: i64, entry: &NewEntry, (kind, text): (i64, &str)| {
            rows.extend([conv.into(), seq.into(), msg_id.into(), entry.author.into()]);
            rows.extend([entry.key.as_bytes().into(), kind.into(), now_ms.into(), text.into()]);
            rows.push(entry.device.as_bytes().into());
        };
    for NewRow { index, conv, appended: Appended { seq, msg_id, .. } } in &plan.rows {
        row(*conv, *seq, *msg_id, &batch[*index], columns(&batch[*index].content));
    }
    for UsedUp { index, conv, msg_id, kind } in &plan.used_up {
        row(*conv, -msg_id, *msg_id, &batch[*index], (*kind, ""));
    }
    let insert = "INSERT INTO entry (conv, seq, msg_id, author, dedup_key, kind, ts_ms, text, device) VALUES ";
    for (length, params) in pieces(rows, 9) {
        let insert = format!("{insert}{}", repeated("(?, ?, ?, ?, ?, ?, ?, ?, ?)", length, ", "));
        changed(tx, insert, params, length).await?;
    }
    let refusals = plan
        .used_up
        .iter()
        .flat_map(|UsedUp { conv, msg_id, .. }| [now_ms.into(), (*msg_id).into(), (*conv).into()])
        .collect();
    for (length, params) in pieces(refusals, 3) {
        let insert = format!(
            "INSERT INTO refusal (ts_ms, msg_id, conv) VALUES {}",
            repeated("(?, ?, ?)", length, ", ")
        );
        changed(tx, insert, params, length).await?;
    }
    Ok(())
}

async fn change_spans(tx: &mut Conn, plan: &Plan) -> Result<(), Error> {
    // One may begin and end in the same batch, so the ends come after the beginnings.
    let begun: Vec<Value> = plan
        .spans_begun
        .iter()
        .flat_map(|(uid, conv, from_seq)| [(*uid).into(), (*conv).into(), (*from_seq).into()])
        .collect();
    for (length, params) in pieces(begun, 3) {
        let insert = format!(
            "INSERT INTO span (uid, conv, from_seq) VALUES {}",
            repeated("(?, ?, ?)", length, ", ")
        );
        changed(tx, insert, params, length).await?;
    }
    for (to_seq, uid, conv) in &plan.spans_ended {
        // Not one that began after this end, in the same batch.
        let update = "UPDATE span SET to_seq = ? \
                      WHERE uid = ? AND conv = ? AND to_seq IS NULL AND from_seq < ?";
        let params = Params::from((to_seq, uid, conv, to_seq));
        changed(tx, update.to_owned(), params, 1).await?;
    }
    Ok(())
}

/// Runs a statement that has to change `rows` rows.
async fn changed(tx: &mut Conn, sql: String, params: Params, rows: usize) -> Result<(), Error> {
    tx.exec_drop(sql, params).await?;
    let found = tx.affected_rows();
    if found == rows as u64 {
        return Ok(());
    }
    Err(Error::Other(format!("a statement changed {found} rows instead of {rows}").into()))
}

/// How contents are stored.
fn columns(content: &Content) -> (i64, &str) {
    match content {
        Content::Text(text) => (0, text),
        Content::Joined => (1, ""),
        Content::Left => (2, ""),
    }
}
