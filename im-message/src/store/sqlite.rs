//! Timelines in one SQLite file: the adapter for a machine without a database server.
//!
//! Its one writer thread is the lock order of messaging.md in its simplest form: everything
//! that `append` must do under locks, it does alone. The batches of all lanes that gather during
//! a commit share the next one.

mod append;
mod blocks;
mod cursors;
mod dead_letters;
mod devices;
mod members;
mod read;
mod read_state;
mod retention;

use std::sync::Arc;

use im_common::sqlite::{Database, DatabaseError};
use im_common::{DataDir, StoreError};
use rusqlite::{Connection, OptionalExtension};

use super::one_by_one::OneByOne;
use super::{
    AppendError, Appended, Earlier, Position, Progress, Range, RangeLimit, Reader, SharedRange,
    Timeline,
};
use crate::conversation::ConvId;
use crate::entry::NewEntry;

/// Steps of the schema; published ones are never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("sqlite/0001_timelines.sql"),
    include_str!("sqlite/0002_blocks.sql"),
    include_str!("sqlite/0003_devices.sql"),
    include_str!("sqlite/0004_dead_letters.sql"),
    include_str!("sqlite/0005_read_state.sql"),
    include_str!("sqlite/0006_retention.sql"),
    include_str!("sqlite/0007_keys_in_order.sql"),
    include_str!("sqlite/0008_receipts.sql"),
    include_str!("sqlite/0009_devices_begin.sql"),
    include_str!("sqlite/0010_refusals_by_age.sql"),
];

/// [`Timeline`] on a SQLite file. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SqliteTimeline {
    // Before the directory: it is dropped first, and the lock outlives the last write.
    db: Database,
    _data_dir: Arc<DataDir>,
}

impl SqliteTimeline {
    /// Opens or creates `message.db` in the directory. Blocks.
    pub(crate) fn open(data_dir: DataDir) -> Result<Self, DatabaseError> {
        let db = Database::open(data_dir.file("message.db"), MIGRATIONS)?;
        Ok(Self { db, _data_dir: Arc::new(data_dir) })
    }

    /// A slice of the batch as one job: if one entry of it cannot be written, none is.
    async fn append_slice(
        &self,
        batch: &Arc<[NewEntry]>,
        slice: std::ops::Range<usize>,
        now_ms: i64,
    ) -> Result<Vec<Result<Appended, AppendError>>, StoreError> {
        let batch = batch.clone();
        self.db.write("append", move |tx| append::append(tx, &batch[slice.clone()], now_ms)).await
    }
}

impl Timeline for SqliteTimeline {
    /// The batch is one job at first: to be able to undo an entry alone, which next to never happens,
    /// SQLite would have to copy every page that it touches.
    async fn append(
        &self,
        batch: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> Vec<Result<Appended, AppendError>> {
        match self.append_slice(&batch, 0..batch.len(), now_ms).await {
            Ok(answers) => answers,
            Err(failure) if batch.len() == 1 => vec![Err(failure.into())],
            Err(failure) => {
                // Each as a job of its own.
                let mut alone = OneByOne::begin(&batch, &failure);
                for (index, NewEntry { conv, .. }) in batch.iter().enumerate() {
                    if alone.may_write(*conv) {
                        let slice = index..index + 1;
                        alone.wrote(*conv, self.append_slice(&batch, slice, now_ms).await);
                    }
                }
                alone.answers()
            }
        }
    }

    async fn behind(
        &self,
        reader: &Reader,
        after: Option<ConvId>,
        limit: usize,
    ) -> Result<Option<(Vec<Position>, bool)>, StoreError> {
        let reader = reader.clone();
        self.db.read("list what is behind", move |db| read::behind(db, &reader, after, limit)).await
    }

    async fn positions(
        &self,
        reader: &Reader,
        convs: Vec<ConvId>,
    ) -> Result<Vec<Position>, StoreError> {
        let reader = reader.clone();
        self.db.read("get positions", move |db| read::positions(db, &reader, &convs)).await
    }

    async fn range(
        &self,
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Range>, StoreError> {
        self.db.read("fetch a range", move |db| read::range(db, uid, conv, after_seq, limit)).await
    }

    async fn range_for_many(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<SharedRange, StoreError> {
        let range = move |db: &_| read::range_for_many(db, &uids, conv, after_seq, limit);
        self.db.read("fetch a range for many", range).await
    }

    async fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Earlier>, StoreError> {
        let range = move |db: &Connection| read::range_before(db, uid, conv, before_seq, limit);
        self.db.read("fetch a range backwards", range).await
    }

    async fn exists(&self, conv: ConvId) -> Result<bool, StoreError> {
        self.db.read("look up a conversation", move |db| read::exists(db, conv)).await
    }

    async fn locate(&self, msg_ids: Vec<i64>) -> Result<Vec<(ConvId, i64)>, StoreError> {
        self.db.read("locate messages", move |db| read::locate(db, &msg_ids)).await
    }

    async fn advance_for_many(
        &self,
        moves: Vec<(Reader, ConvId, i64)>,
    ) -> Result<Vec<Progress>, StoreError> {
        self.db.write("advance cursors", move |tx| cursors::advance(tx, &moves)).await
    }

    async fn mark_given(
        &self,
        reader: &Reader,
        given: Vec<(ConvId, i64)>,
    ) -> Result<(), StoreError> {
        let reader = reader.clone();
        self.db
            .write("mark what was given", move |tx| cursors::mark_given(tx, &reader, &given))
            .await
    }

    async fn mark_given_next(&self, given: Vec<(Reader, ConvId, i64)>) -> Result<(), StoreError> {
        self.db
            .write("mark what was given next", move |tx| cursors::mark_given_next(tx, &given))
            .await
    }

    async fn confirm_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let reader = reader.clone();
        self.db.write("confirm what was given", move |tx| cursors::confirm_given(tx, &reader)).await
    }

    async fn withdraw_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let reader = reader.clone();
        self.db
            .write("withdraw what was given", move |tx| cursors::withdraw_given(tx, &reader))
            .await
    }
}

/// The id that a conversation has in this file.
fn conv_row(db: &Connection, conv: ConvId) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM conversation WHERE conv_id = ?")?
        .query_row([conv.to_string()], |row| row.get(0))
        .optional()
}

/// A stored conversation id. Nothing but this adapter writes them, so a malformed one means that
/// somebody edited the file.
fn conv_id(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<ConvId> {
    row.get_ref(column)?.as_str()?.parse().map_err(|malformed| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(malformed),
        )
    })
}

/// What a user sees of a conversation.
#[derive(Debug, Clone, Copy)]
struct Seen {
    conv: i64,
    /// The first seq that they see.
    from_seq: i64,
    /// The first of those that is kept, or one above `head`.
    first_seq: i64,
    head: i64,
    /// The newest that was written with receipts, or 0.
    receipt_seq: i64,
}

/// `None` if the user never saw anything of it.
fn seen(db: &Connection, uid: i64, conv: ConvId) -> rusqlite::Result<Option<Seen>> {
    db.prepare_cached(
        "SELECT c.id, min(s.from_seq),
                CASE WHEN count(s.to_seq) < count(*) THEN c.max_seq ELSE max(s.to_seq) END, c.min_seq,
                c.receipt_seq
         FROM conversation c JOIN span s ON s.uid = ?1 AND s.conv = c.id
         WHERE c.conv_id = ?2
         GROUP BY c.id",
    )?
    .query_row((uid, conv.to_string()), |row| {
        let (from_seq, head, min_seq): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let first_seq = from_seq.max(min_seq.min(head + 1));
        Ok(Seen { conv: row.get(0)?, from_seq, first_seq, head, receipt_seq: row.get(4)? })
    })
    .optional()
}

#[cfg(test)]
#[path = "sqlite/plans_tests.rs"]
mod plans;

#[cfg(test)]
mod tests {
    use im_common::Priority;

    use super::*;
    use crate::entry::{Content, DedupKey};
    use crate::store::conformance::timeline_conformance;
    use crate::store::model::Model;

    fn fresh() -> (SqliteTimeline, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (open(&directory), directory)
    }

    fn open(directory: &tempfile::TempDir) -> SqliteTimeline {
        SqliteTimeline::open(DataDir::open(directory.path()).unwrap()).unwrap()
    }

    mod sqlite {
        super::timeline_conformance!(Some(super::fresh()));
    }

    mod model {
        super::timeline_conformance!(Some((super::Model::new(), ())));
    }

    fn text(conv: ConvId, key: &str) -> NewEntry {
        let content = Content::Text(key.to_owned());
        let (key, device) = (DedupKey::client(key), String::new());
        NewEntry {
            conv,
            author: 1,
            key,
            content,
            device,
            receipts: false,
            priority: Priority::Normal,
            repeatable: false,
        }
    }

    #[tokio::test]
    async fn an_entry_that_cannot_be_written_fails_alone_with_what_follows_it_there() {
        let (store, _directory) = fresh();
        let (broken, whole) = (ConvId::pair(1, 2), ConvId::pair(1, 3));
        store.append(Arc::from([text(broken, "first")]), 1).await[0].as_ref().unwrap();
        store
            .db
            .write("make one text unwritable", |tx| {
                tx.execute_batch(
                    "CREATE TRIGGER unwritable BEFORE INSERT ON entry WHEN new.text = 'bad'
                     BEGIN SELECT raise(ABORT, 'unwritable'); END",
                )
            })
            .await
            .unwrap();
        let batch = [text(whole, "a"), text(broken, "bad"), text(whole, "b"), text(broken, "c")];
        let answers = store.append(Arc::from(batch), 1).await;
        assert_eq!(answers[0].as_ref().unwrap().seq, 1);
        assert!(matches!(answers[1], Err(AppendError::Store(_))), "{answers:?}");
        assert_eq!(answers[2].as_ref().unwrap().seq, 2);
        // It could be written, but would stand where the sender's earlier one belongs.
        assert!(matches!(answers[3], Err(AppendError::Store(_))), "{answers:?}");
        let again = store.append(Arc::from([text(broken, "c")]), 1).await;
        assert_eq!(again[0].as_ref().unwrap().seq, 2);
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_a_restart() {
        let (store, directory) = fresh();
        let conv = ConvId::pair(1, 2);
        let reader = Reader { uid: 2, device: "text".to_owned() };
        let first = store.append(Arc::from([text(conv, "a"), text(conv, "b")]), 1_000).await;
        store.advance_cursors(&reader, vec![(conv, 1)]).await.unwrap();
        drop(store);
        let store = open(&directory);
        let position = Position { conv, cursor: 1, head: 2 };
        assert_eq!(store.behind(&reader, None, 9).await.unwrap().unwrap(), (vec![position], false));
        let again = store.append(Arc::from([text(conv, "a"), text(conv, "c")]), 1).await;
        let (first_id, second_id) =
            (first[0].as_ref().unwrap().msg_id, first[1].as_ref().unwrap().msg_id);
        assert_eq!(again[0].as_ref().unwrap().msg_id, first_id);
        assert!(again[1].as_ref().unwrap().msg_id > second_id, "the clock went back meanwhile");
    }
}
