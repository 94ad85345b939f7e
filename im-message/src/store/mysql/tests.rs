//! The contract on a real server, and what is this adapter's alone: several instances, and faults.

mod deadlocks;
mod faults;
mod gathering;
mod instances;
mod locks;
mod measure;
mod outbox;
mod plans;

use im_common::Priority;
use test_servers::Database;

use super::*;
use crate::entry::DedupKey;
use crate::store::conformance::timeline_conformance;

fn config(url: String) -> DatabaseConfig {
    DatabaseConfig { url: url.into(), ..DatabaseConfig::default() }
}

async fn open(url: String) -> MysqlTimeline {
    open_with(&config(url)).await
}

async fn open_with(config: &DatabaseConfig) -> MysqlTimeline {
    let (store, mover) = open_still(config).await;
    tokio::spawn(mover.run());
    store
}

/// A store whose cursors do not move yet.
async fn open_still(config: &DatabaseConfig) -> (MysqlTimeline, CursorMover) {
    MysqlTimeline::open(config, &Readiness::default(), &Shutdown::new()).await.unwrap()
}

/// An empty store, and the database under it.
async fn fresh() -> Option<(MysqlTimeline, Database)> {
    let database = test_servers::mariadb().await?.fresh_database("timeline");
    Some((open(database.url()).await, database))
}

mod conformance {
    super::timeline_conformance!(super::fresh().await);
}

fn text(conv: ConvId, author: i64, key: &str) -> NewEntry {
    let content = Content::Text(key.to_owned());
    let (key, device) = (DedupKey::client(key), String::new());
    let (receipts, repeatable, priority) = (false, false, Priority::Normal);
    NewEntry { conv, author, key, content, device, receipts, priority, repeatable }
}

/// The seqs and texts of a conversation, as a user sees them.
async fn history(store: &MysqlTimeline, uid: i64, conv: ConvId) -> Vec<(i64, String)> {
    let everything = RangeLimit { entries_max: usize::MAX, bytes_max: usize::MAX };
    let range = store.range(uid, conv, 0, everything).await.unwrap().unwrap();
    let text = |entry: Entry| match entry.content {
        Content::Text(text) => (entry.seq, text),
        other => (entry.seq, format!("{other:?}")),
    };
    range.entries.into_iter().map(text).collect()
}

#[tokio::test]
async fn a_group_that_does_not_exist_leaves_no_rows_when_strangers_send_to_it() {
    let Some((store, database)) = fresh().await else { return };
    let batch = [text(ConvId::Group(5), 1, "a"), text(ConvId::pair(1, 2), 3, "b")];
    for answer in store.append(Arc::from(batch), 1).await {
        answer.unwrap_err();
    }
    for table in ["conversation", "entry", "span", "outbox"] {
        let rows = database.execute(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(rows.trim(), "0", "{table}");
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_written_fails_alone_with_what_follows_it_there() {
    let Some((store, database)) = fresh().await else { return };
    let (broken, whole) = (ConvId::pair(1, 2), ConvId::pair(1, 3));
    store.append(Arc::from([text(broken, 1, "first")]), 1).await[0].as_ref().unwrap();
    // The server takes no text with this beginning.
    database.execute("ALTER TABLE entry ADD CONSTRAINT no_bad CHECK (text NOT LIKE 'bad%')");
    let batch =
        [text(whole, 1, "a"), text(broken, 1, "bad"), text(whole, 1, "b"), text(broken, 1, "c")];
    let answers = store.append(Arc::from(batch), 1).await;
    assert_eq!(answers[0].as_ref().unwrap().seq, 1);
    assert!(matches!(answers[1], Err(AppendError::Store(_))), "{answers:?}");
    assert_eq!(answers[2].as_ref().unwrap().seq, 2);
    // It could be written, but would stand where the sender's earlier one belongs.
    assert!(matches!(answers[3], Err(AppendError::Store(_))), "{answers:?}");
    let again = store.append(Arc::from([text(broken, 1, "c")]), 1).await;
    assert_eq!(again[0].as_ref().unwrap().seq, 2);
}

#[tokio::test]
async fn a_server_that_fails_while_entries_are_tried_one_by_one_is_not_waited_for_again_and_again()
{
    let Some((_, database)) = fresh().await else { return };
    let hasty = DatabaseConfig { operation_timeout_ms: 3_000, ..config(database.url()) };
    let store = open_with(&hasty).await;
    database.execute("ALTER TABLE entry ADD CONSTRAINT no_bad CHECK (text NOT LIKE 'bad%')");
    // As if the server froze there: no answer comes in time.
    database.execute(
        "CREATE TRIGGER slow AFTER INSERT ON entry FOR EACH ROW DO IF(NEW.text = 'slow', SLEEP(30), 0)",
    );
    let entry = |peer: i64, key| text(ConvId::pair(1, peer), 1, key);
    let batch = [entry(2, "a"), entry(3, "bad"), entry(4, "slow"), entry(5, "b"), entry(2, "c")];
    let answers = store.append(Arc::from(batch), 1).await;
    assert_eq!(answers[0].as_ref().unwrap().seq, 1);
    let failed = |index: usize| match &answers[index] {
        Err(AppendError::Store(failure)) => im_common::in_one_line(failure),
        other => panic!("{index}: {other:?}"),
    };
    assert!(failed(1).contains("no_bad"), "{}", failed(1));
    for index in 2..5 {
        assert_eq!(failed(index), "cannot append: not done within 3000 ms", "{index}");
    }
}

#[tokio::test]
async fn reading_and_locking_use_the_indexes() {
    let Some((store, database)) = fresh().await else { return };
    for n in 0..300 {
        let batch: Vec<_> =
            (0..3).map(|m| text(ConvId::pair(1, n + 2), 1, &m.to_string())).collect();
        store.append(Arc::from(batch), 1).await[0].as_ref().unwrap();
    }
    database.execute("ANALYZE TABLE conversation, entry, span");
    for (what, query) in [
        ("conversation", "SELECT * FROM conversation WHERE conv_id IN ('c2c_1_2', 'c2c_1_9')"),
        (
            "entry",
            "SELECT * FROM entry WHERE (conv = 5 AND author = 1 AND dedup_key = 'x') OR (conv = 6 AND author = 1 AND dedup_key = 'y')",
        ),
        (
            "span",
            "SELECT * FROM span WHERE to_seq IS NULL AND ((uid = 1 AND conv = 2) OR (uid = 7 AND conv = 3))",
        ),
        (
            "outbox",
            "SELECT id FROM outbox WHERE lease_until < UTC_TIMESTAMP(3) ORDER BY lease_until LIMIT 9",
        ),
    ] {
        let plan = database.execute(&format!("EXPLAIN {query}"));
        assert!(!plan.contains("\tALL\t"), "{what}: {plan}");
    }
}
