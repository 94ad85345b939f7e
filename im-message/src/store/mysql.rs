//! Timelines in a MySQL-compatible database, which any number of instances share.
//!
//! All order comes from the row of a conversation in `conversation`: whoever writes to it has it
//! locked, and everything that depends on what others wrote is read under that lock. Batches of
//! different instances, lanes and conversations commit side by side.

mod append;
mod blocks;
mod cursors;
mod dead_letters;
mod devices;
mod gather;
mod ids;
mod locked;
mod members;
mod outbox;
mod plan;
mod read;
mod read_state;
mod retention;
mod sql;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::sync::Arc;

use im_common::mysql::{DatabaseConfig, MySql, OpenError, OperationError};
use im_common::{Readiness, Shutdown, StoreError};
use mysql_async::Error;

use self::append::Thorough;
use self::cursors::{Column, Move};
use self::gather::{CursorMover, Gathering};
use self::ids::MsgIds;
use self::outbox::Outbox;
use super::one_by_one::OneByOne;
use super::{
    AppendError, Appended, Earlier, Position, Progress, Range, RangeLimit, Reader, SharedRange,
    Timeline,
};
use crate::conversation::ConvId;
use crate::entry::{Content, Entry, NewEntry};

/// Steps of the schema; published ones are never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("mysql/0001_timelines.sql"),
    include_str!("mysql/0002_blocks.sql"),
    include_str!("mysql/0003_devices.sql"),
    include_str!("mysql/0004_dead_letters.sql"),
    include_str!("mysql/0005_read_state.sql"),
    include_str!("mysql/0006_retention.sql"),
    include_str!("mysql/0007_receipts.sql"),
    include_str!("mysql/0008_devices_begin.sql"),
    include_str!("mysql/0009_refusals_by_age.sql"),
];
/// How often a batch is written again because nobody knows whether it was committed. The keys of
/// its entries make that safe.
const UNKNOWN_MAX: usize = 3;

/// [`Timeline`] on a database server.
#[derive(Debug)]
pub(crate) struct MysqlTimeline {
    db: MySql,
    msg_ids: Arc<MsgIds>,
    outbox: Arc<Outbox>,
    gathering: Gathering,
}

impl MysqlTimeline {
    /// Connects, and waits for the server if it has to. With what moves its cursors, which is to be run
    /// and ends once the store is dropped.
    pub(crate) async fn open(
        config: &DatabaseConfig,
        readiness: &Readiness,
        shutdown: &Shutdown,
    ) -> Result<(Self, CursorMover), OpenError> {
        let db = MySql::open(config, MIGRATIONS, readiness, shutdown).await?;
        let (gathering, mover) = Gathering::prepare(&db);
        let (msg_ids, outbox) = (Arc::default(), Arc::default());
        Ok((Self { db, msg_ids, outbox, gathering }, mover))
    }

    /// Writes entries in one transaction, whose outcome is then known.
    async fn write(
        &self,
        entries: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> Result<Vec<Result<Appended, AppendError>>, StoreError> {
        let mut unknown = 0;
        let mut thorough = Thorough::default();
        loop {
            match self.append_together(&entries, now_ms, thorough).await {
                Ok(written) => {
                    if let Some(untold) = written.untold {
                        self.outbox.wrote(untold);
                    }
                    return Ok(written.answers);
                }
                // If it was committed, the next run finds that out, and its entries are told of by
                // whoever sweeps the outbox.
                Err(failure) => match cause(&failure) {
                    Some(OperationError::CommitUnknown(_)) if unknown < UNKNOWN_MAX => {
                        unknown += 1;
                        thorough.look_up = true;
                    }
                    _ => return Err(failure),
                },
            }
        }
    }
}

fn cause(failure: &StoreError) -> Option<&OperationError> {
    failure.source().and_then(|source| source.downcast_ref())
}

/// Whether a statement failed, and so what was to be written may be at fault, and not the server.
/// An operation within another one, such as taking msg_ids, says nothing about what is written.
fn is_of_statement(failure: &StoreError) -> bool {
    match cause(failure) {
        Some(OperationError::Statement(Error::Other(other))) => !other.is::<StoreError>(),
        Some(OperationError::Statement(_)) => true,
        _ => false,
    }
}

impl Timeline for MysqlTimeline {
    const KEEPS_UNTOLD: bool = true;

    async fn append(
        &self,
        batch: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> Vec<Result<Appended, AppendError>> {
        match self.write(batch.clone(), now_ms).await {
            Ok(answers) => answers,
            Err(failure) if is_of_statement(&failure) && batch.len() > 1 => {
                let mut alone = OneByOne::begin(&batch, &failure);
                for entry in batch.iter() {
                    if alone.may_write(entry.conv) {
                        let outcome = self.write(Arc::from([entry.clone()]), now_ms).await;
                        if let Some(failure) = outcome.as_ref().err()
                            && !is_of_statement(failure)
                        {
                            alone.give_up(failure);
                        }
                        alone.wrote(entry.conv, outcome);
                    }
                }
                alone.answers()
            }
            // The server, not an entry.
            Err(failure) => batch.iter().map(|_| Err(failure.clone().into())).collect(),
        }
    }

    async fn behind(
        &self,
        reader: &Reader,
        after: Option<ConvId>,
        limit: usize,
    ) -> Result<Option<(Vec<Position>, bool)>, StoreError> {
        let reader = reader.clone();
        let behind = async move |conn: &mut _| read::behind(conn, &reader, after, limit).await;
        self.db.read("list what is behind", behind).await
    }

    async fn positions(
        &self,
        reader: &Reader,
        convs: Vec<ConvId>,
    ) -> Result<Vec<Position>, StoreError> {
        let reader = reader.clone();
        let positions = async move |conn: &mut _| read::positions(conn, &reader, &convs).await;
        self.db.read("get positions", positions).await
    }

    async fn range(
        &self,
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Range>, StoreError> {
        let range = async move |conn: &mut _| read::range(conn, uid, conv, after_seq, limit).await;
        self.db.read("fetch a range", range).await
    }

    async fn range_for_many(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<SharedRange, StoreError> {
        let range = async move |conn: &mut _| {
            read::range_for_many(conn, &uids, conv, after_seq, limit).await
        };
        self.db.read("fetch a range for many", range).await
    }

    async fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Earlier>, StoreError> {
        let range =
            async move |conn: &mut _| read::range_before(conn, uid, conv, before_seq, limit).await;
        self.db.read("fetch a range backwards", range).await
    }

    async fn exists(&self, conv: ConvId) -> Result<bool, StoreError> {
        let exists = async move |conn: &mut _| read::exists(conn, conv).await;
        self.db.read("look up a conversation", exists).await
    }

    async fn locate(&self, msg_ids: Vec<i64>) -> Result<Vec<(ConvId, i64)>, StoreError> {
        let locate = async move |conn: &mut _| read::locate(conn, &msg_ids).await;
        self.db.read("locate messages", locate).await
    }

    async fn advance_for_many(
        &self,
        moves: Vec<(Reader, ConvId, i64)>,
    ) -> Result<Vec<Progress>, StoreError> {
        let step = |(reader, conv, seq)| Move { reader, conv, seq, column: Column::Seq };
        self.gathering.advance(moves.into_iter().map(step).collect()).await
    }

    async fn mark_given(
        &self,
        reader: &Reader,
        given: Vec<(ConvId, i64)>,
    ) -> Result<(), StoreError> {
        let (reader, column) = (reader.clone(), Column::GivenSeq);
        let step = |(conv, seq)| Move { reader: reader.clone(), conv, seq, column };
        self.gathering.advance(given.into_iter().map(step).collect()).await.map(drop)
    }

    async fn mark_given_next(&self, given: Vec<(Reader, ConvId, i64)>) -> Result<(), StoreError> {
        let mark = async move |tx: &mut _| cursors::mark_given_next(tx, &given).await;
        self.db.write("mark what was given next", mark).await
    }

    async fn confirm_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let reader = reader.clone();
        let confirm = async move |conn: &mut _| cursors::confirm_given(conn, &reader).await;
        self.db.read("confirm what was given", confirm).await
    }

    async fn withdraw_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let reader = reader.clone();
        let withdraw = async move |conn: &mut _| cursors::withdraw_given(conn, &reader).await;
        self.db.read("withdraw what was given", withdraw).await
    }

    fn told(&self, msg_ids: &[i64]) {
        self.outbox.told(msg_ids);
    }

    async fn remove_told(&self) -> Result<(), StoreError> {
        let outbox = self.outbox.clone();
        let remove = async move |conn: &mut _| outbox.remove_told(conn).await;
        self.db.read("remove what was told", remove).await
    }

    async fn claim_untold(&self, batches_max: usize) -> Result<Vec<(ConvId, Entry)>, StoreError> {
        let outbox = self.outbox.clone();
        let claim = async move |conn: &mut _| outbox.claim(conn, batches_max).await;
        self.db.read("claim what was not told", claim).await
    }
}

/// A stored conversation id. Nothing but this adapter writes them, so a malformed one means that
/// somebody edited the table.
fn conv_id(name: &str) -> Result<ConvId, Error> {
    let malformed = |error| Error::Other(format!("conversation {name:?}: {error}").into());
    name.parse().map_err(malformed)
}

/// A stored content.
fn content(kind: i64, text: String) -> Result<Content, Error> {
    match kind {
        0 => Ok(Content::Text(text)),
        1 => Ok(Content::Joined),
        2 => Ok(Content::Left),
        kind => Err(Error::Other(format!("no kind of entry is {kind}").into())),
    }
}
