//! What the statements cost that a log-in runs: steps of SQLite's machine, and not time.

use std::sync::Arc;

use im_common::{DataDir, Priority};
use rusqlite::{Connection, StatementStatus, params};

use super::{SqliteTimeline, members, read, read_state, retention};
use crate::conversation::ConvId;
use crate::entry::{Content, DedupKey, NewEntry};
use crate::store::{ReadState as _, Timeline as _};

/// Conversations of the user.
const CONVERSATIONS: i64 = 20;

/// The user 1 gets `count` messages in each of their conversations.
async fn write(store: &SqliteTimeline, from: i64, count: i64) {
    for peer in 2..CONVERSATIONS + 2 {
        let entry = |n: i64| NewEntry {
            conv: ConvId::pair(1, peer),
            author: peer,
            key: DedupKey::client(&n.to_string()),
            content: Content::Text("hello".to_owned()),
            device: String::new(),
            receipts: false,
            priority: Priority::Normal,
            repeatable: false,
        };
        let batch: Arc<[NewEntry]> = (from..from + count).map(entry).collect();
        store.append(batch, 1).await.into_iter().for_each(|answer| assert!(answer.is_ok()));
    }
    store.mark_read(1, ConvId::pair(1, 2), 2).await.unwrap();
}

/// What a statement did: its steps, and how often it went on to a next row without an index.
fn cost(db: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<(i32, i32)> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query(params)?;
    while rows.next()?.is_some() {}
    drop(rows);
    let scanned = statement.get_status(StatementStatus::FullscanStep);
    Ok((statement.get_status(StatementStatus::VmStep), scanned))
}

/// The cost of each statement of a log-in of user 1, in whose first conversation is read up to 2.
fn costs(db: &Connection) -> rusqlite::Result<Vec<(&'static str, (i32, i32))>> {
    let conv =
        db.query_row("SELECT id FROM conversation WHERE conv_id = 'c2c_1_2'", [], |row| {
            row.get::<_, i64>(0)
        })?;
    let max = i64::MAX;
    let page = |sql: &str| format!("{sql} LIMIT 101");
    Ok(vec![
        ("list", cost(db, read_state::LIST, params![1, "text", max, "", 21])?),
        ("behind", cost(db, read::BEHIND, params![1, "text", 0, 201])?),
        ("unread", cost(db, read_state::UNREAD, [conv, 3, max, 1, 100])?),
        ("receipts", cost(db, read_state::RECEIPTS, [conv, 0, 2, 100])?),
        ("first page", cost(db, &page(read::FORWARD), [conv, 1, max])?),
        ("last page", cost(db, &page(read::BACKWARD), [conv, 1, max])?),
    ])
}

#[tokio::test]
async fn a_log_in_takes_as_many_steps_however_many_messages_are_stored() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteTimeline::open(DataDir::open(directory.path()).unwrap()).unwrap();
    // As many as a page has.
    write(&store, 0, 110).await;
    let few = store.db.read("measure", costs).await.unwrap();
    write(&store, 110, 1_000).await;
    let many = store.db.read("measure", costs).await.unwrap();
    for ((what, few), (_, many)) in few.into_iter().zip(many) {
        // A few steps more where a limit ends it that was not reached before.
        assert!(many.0 <= few.0 + few.0 / 10, "{what}: {} steps instead of {}", many.0, few.0);
        // The page of a list is gone through as a whole.
        let listed = if what == "list" { i32::try_from(CONVERSATIONS).unwrap() } else { 0 };
        assert!(many.1 <= listed, "{what}: {} rows without an index", many.1);
    }
}

#[tokio::test]
async fn old_refusals_take_as_many_steps_to_find_however_many_messages_are_stored() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteTimeline::open(DataDir::open(directory.path()).unwrap()).unwrap();
    let cost = |db: &Connection| cost(db, retention::FORGET_REFUSALS, [1, 200]);
    write(&store, 0, 2).await;
    let few = store.db.write("measure", cost).await.unwrap();
    write(&store, 2, 500).await;
    assert_eq!(store.db.write("measure", cost).await.unwrap(), few);
}

#[tokio::test]
async fn a_few_members_take_as_many_steps_however_many_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteTimeline::open(DataDir::open(directory.path()).unwrap()).unwrap();
    let join = async |uids: std::ops::Range<i64>| {
        let joined = |uid| NewEntry {
            conv: ConvId::Group(7),
            author: uid,
            key: DedupKey::change("j"),
            content: Content::Joined,
            device: String::new(),
            receipts: false,
            priority: Priority::Normal,
            repeatable: false,
        };
        let answers = store.append(uids.map(joined).collect(), 1).await;
        answers.into_iter().for_each(|answer| assert!(answer.is_ok()));
    };
    let cost = |db: &Connection| cost(db, members::FIRST, params!["grp_7", 4]);
    join(1..11).await;
    let few = store.db.read("measure", cost).await.unwrap();
    join(11..500).await;
    assert_eq!(store.db.read("measure", cost).await.unwrap(), few);
}

/// Rows, of all tables together.
#[tokio::test]
async fn a_message_to_a_group_writes_as_many_rows_however_large_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteTimeline::open(DataDir::open(directory.path()).unwrap()).unwrap();
    let put = async |authors: std::ops::Range<i64>, key: &str, content: Content| {
        let entry = |author| NewEntry {
            conv: ConvId::Group(7),
            author,
            key: DedupKey::client(key),
            content: content.clone(),
            device: String::new(),
            receipts: false,
            priority: Priority::Normal,
            repeatable: false,
        };
        let answers = store.append(authors.map(entry).collect(), 1).await;
        answers.into_iter().for_each(|answer| assert!(answer.is_ok()));
    };
    let written = async || {
        let count = |db: &Connection| {
            db.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0))
        };
        store.db.write("count", count).await.unwrap()
    };
    let mut rows = Vec::new();
    for (joining, key) in [(1..3, "few"), (3..500, "many")] {
        put(joining, "j", Content::Joined).await;
        let before = written().await;
        put(1..2, key, Content::Text("hello".to_owned())).await;
        rows.push(written().await - before);
    }
    assert_eq!(rows[0], rows[1]);
}
