//! The database as a service uses it.

use std::error::Error;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::time::Duration;

use im_common::StoreError;
use im_common::sqlite::{Database, DatabaseError, ReadError, WriteError};
use rusqlite::Connection;
use tempfile::TempDir;

const SCHEMA: &[&str] = &[
    "CREATE TABLE item (name TEXT PRIMARY KEY)",
    // Checked at COMMIT only, so that a test can make COMMIT itself fail.
    "CREATE TABLE child (parent TEXT REFERENCES item (name) DEFERRABLE INITIALLY DEFERRED)",
];

fn fresh() -> (TempDir, Database) {
    let dir = TempDir::new().unwrap();
    let db = Database::open(dir.path().join("t.db"), SCHEMA).unwrap();
    (dir, db)
}

fn insert(tx: &Connection, name: &str) -> Result<(), rusqlite::Error> {
    tx.prepare_cached("INSERT INTO item VALUES (?)")?.execute([name])?;
    Ok(())
}

async fn names(db: &Database) -> Vec<String> {
    db.read("list", |conn| {
        let mut statement = conn.prepare_cached("SELECT name FROM item ORDER BY name")?;
        statement.query_map([], |row| row.get(0))?.collect()
    })
    .await
    .unwrap()
}

/// Why it failed.
fn cause<R: std::fmt::Debug, C: Error + 'static>(result: &Result<R, StoreError>) -> &C {
    result.as_ref().unwrap_err().source().and_then(|cause| cause.downcast_ref()).unwrap()
}

/// Holds the writer inside a job, so that what is sent meanwhile forms one batch.
struct Held {
    release: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn hold(db: &Database) -> Held {
    let (release, released) = mpsc::channel();
    let (entered, mut inside) = tokio::sync::mpsc::channel(1);
    let db = db.clone();
    let task = tokio::spawn(async move {
        db.write("wait", move |_| {
            entered.try_send(()).unwrap();
            released.recv_timeout(Duration::from_secs(10)).unwrap();
            Ok(())
        })
        .await
        .unwrap();
    });
    inside.recv().await.unwrap();
    Held { release, task }
}

impl Held {
    async fn release(self) {
        self.release.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// Polls a write once, so that it is in the queue.
macro_rules! queued {
    ($db:expr, $job:expr) => {{
        let db = $db.clone();
        let mut write = Box::pin(async move { db.write("test", $job).await });
        assert!(futures_poll_once(&mut write).await.is_none());
        write
    }};
}

async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn a_job_that_fails_takes_only_its_own_changes_with_it() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let before = queued!(db, |tx| insert(tx, "before"));
    let bad = queued!(db, |tx| {
        insert(tx, "undone")?;
        insert(tx, "before")
    });
    let after = queued!(db, |tx| insert(tx, "after"));
    held.release().await;
    before.await.unwrap();
    assert!(matches!(cause(&bad.await), WriteError::Job(_)));
    after.await.unwrap();
    assert_eq!(names(&db).await, ["after", "before"]);
}

#[tokio::test]
async fn a_job_that_panics_takes_only_its_own_changes_with_it() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let before = queued!(db, |tx| insert(tx, "before"));
    let bad = queued!(db, |tx| {
        insert(tx, "undone")?;
        if tx.changes() > 0 {
            panic!("a bug in a job");
        }
        Ok(())
    });
    let after = queued!(db, |tx| insert(tx, "after"));
    held.release().await;
    before.await.unwrap();
    assert!(matches!(cause(&bad.await), WriteError::Panicked));
    after.await.unwrap();
    assert_eq!(names(&db).await, ["after", "before"]);
}

#[tokio::test]
async fn a_commit_that_fails_fails_every_job_of_its_batch_and_no_later_one() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let innocent = queued!(db, |tx| insert(tx, "innocent"));
    let orphan = queued!(db, |tx| tx.execute("INSERT INTO child VALUES ('nobody')", []));
    held.release().await;
    assert!(matches!(cause(&innocent.await), WriteError::Transaction(_)));
    assert!(matches!(cause(&orphan.await), WriteError::Transaction(_)));
    db.write("insert", |tx| insert(tx, "later")).await.unwrap();
    assert_eq!(names(&db).await, ["later"]);
}

#[tokio::test]
async fn a_job_that_ends_the_transaction_fails_those_it_takes_with_it() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let before = queued!(db, |tx| insert(tx, "before"));
    let bad = queued!(db, |tx| tx.execute_batch("ROLLBACK"));
    let after = queued!(db, |tx| insert(tx, "after"));
    held.release().await;
    assert!(matches!(cause(&before.await), WriteError::Transaction(_)));
    assert!(matches!(cause(&bad.await), WriteError::Transaction(_)));
    after.await.unwrap();
    assert_eq!(names(&db).await, ["after"]);
}

#[tokio::test]
async fn a_failure_that_ends_the_transaction_is_told_to_the_job_that_met_it() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let before = queued!(db, |tx| insert(tx, "before"));
    // As a full disk does, which a test cannot order.
    let bad = queued!(db, |tx| tx.execute("INSERT OR ROLLBACK INTO item VALUES ('before')", []));
    held.release().await;
    assert!(matches!(cause(&before.await), WriteError::Transaction(_)));
    let bad = bad.await;
    assert!(matches!(cause(&bad), WriteError::Job(_)), "{bad:?}");
    assert!(names(&db).await.is_empty());
}

#[tokio::test]
async fn a_job_whose_caller_left_before_it_began_is_skipped() {
    let (_dir, db) = fresh();
    let held = hold(&db).await;
    let abandoned = queued!(db, |tx| insert(tx, "abandoned"));
    let kept = queued!(db, |tx| insert(tx, "kept"));
    drop(abandoned);
    held.release().await;
    kept.await.unwrap();
    assert_eq!(names(&db).await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_nothing_and_read_their_own_writes() {
    let (_dir, db) = fresh();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..500 {
        let db = db.clone();
        tasks.spawn(async move {
            let name = format!("{n:03}");
            let copy = name.clone();
            db.write("insert", move |tx| insert(tx, &copy)).await.unwrap();
            let seen: i64 = db
                .read("count", move |conn| {
                    conn.prepare_cached("SELECT count(*) FROM item WHERE name = ?")?
                        .query_row([name], |row| row.get(0))
                })
                .await
                .unwrap();
            assert_eq!(seen, 1, "a committed write must be visible to the next read");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(names(&db).await.len(), 500);
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let (dir, db) = fresh();
    db.write("insert", |tx| insert(tx, "kept")).await.unwrap();
    drop(db);
    let db = Database::open(dir.path().join("t.db"), SCHEMA).unwrap();
    assert_eq!(names(&db).await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_may_own_the_last_clone() {
    let (dir, db) = fresh();
    let (release, released) = mpsc::channel();
    let (entered, mut inside) = tokio::sync::mpsc::channel(1);
    let clone = db.clone();
    let caller = tokio::spawn(async move {
        let job = move |tx: &Connection| {
            let _owned = &clone;
            entered.try_send(()).unwrap();
            released.recv_timeout(Duration::from_secs(10)).unwrap();
            insert(tx, "kept")
        };
        db.write("insert", job).await
    });
    inside.recv().await.unwrap();
    // The caller goes away with its clone: the one in the job is the last, on the writer's thread.
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    let db = Database::open(dir.path().join("t.db"), SCHEMA).unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(10), async {
        while names(&db).await != ["kept"] {
            tokio::task::yield_now().await;
        }
    });
    seen.await.expect("a job that was under way completes");
}

#[tokio::test]
async fn what_is_written_can_be_read_by_its_owner_alone() {
    let (dir, db) = fresh();
    db.write("insert", |tx| insert(tx, "secret")).await.unwrap();
    for file in ["t.db", "t.db-wal", "t.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn every_commit_is_synchronous() {
    let (_dir, db) = fresh();
    let (journal, synchronous) = db
        .write("look", |tx| {
            let journal: String = tx.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
            let synchronous: i64 = tx.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
            Ok((journal, synchronous))
        })
        .await
        .unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_dir, db) = fresh();
    let result = db.read("insert", |conn| insert(conn, "sneaky")).await;
    assert!(matches!(cause(&result), ReadError::Job(_)));
    assert!(names(&db).await.is_empty());
}

#[tokio::test]
async fn readers_survive_a_panic_in_a_query() {
    let (_dir, db) = fresh();
    // More often than there are readers: a lost connection would block the last read for ever.
    for _ in 0..8 {
        let result =
            db.read("fail", |_| -> rusqlite::Result<()> { panic!("a bug in a query") }).await;
        assert!(matches!(cause(&result), ReadError::Panicked));
    }
    assert!(names(&db).await.is_empty());
}

#[tokio::test]
async fn a_file_from_a_newer_program_is_refused() {
    let (dir, db) = fresh();
    drop(db);
    let path = dir.path().join("t.db");
    let error = Database::open(&path, &SCHEMA[..1]).unwrap_err();
    assert!(matches!(error, DatabaseError::Newer { found: 2, known: 1, .. }));
    assert_eq!(
        error.to_string(),
        format!("{} has schema version 2, this program knows versions up to 1", path.display())
    );
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_version_before_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.db");
    let broken = [SCHEMA[0], "CREATE TABLE other (x); NONSENSE"];
    let error = Database::open(&path, &broken).unwrap_err();
    assert!(matches!(error, DatabaseError::Migrate { version: 2, .. }));
    // The same file takes the repaired script, which would fail if `other` had stayed behind.
    Database::open(&path, &[SCHEMA[0], "CREATE TABLE other (x)"]).unwrap();
}

#[tokio::test]
async fn the_wal_begins_anew_while_somebody_writes_without_a_pause() {
    let (dir, db) = fresh();
    db.write("insert", |tx| insert(tx, "")).await.unwrap();
    // 400 MB through a WAL that may hold 131 MB, and what one more commit adds.
    for _ in 0..100 {
        let overwrite =
            |tx: &Connection| tx.execute("UPDATE item SET name = hex(zeroblob(1 << 20))", []);
        db.write("overwrite", overwrite).await.unwrap();
    }
    let wal = std::fs::metadata(dir.path().join("t.db-wal")).unwrap();
    assert!(wal.len() < 140 << 20, "{} bytes", wal.len());
}
