//! A database server as a service uses it: on MariaDB, shared for most, private where it is stopped.

mod durability;
mod frozen;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use im_common::mysql::{DatabaseConfig, MySql, OpenError, OperationError};
use im_common::{Readiness, Shutdown, StoreError, in_one_line};
use mysql_async::prelude::Queryable;
use test_servers::{Database, MariaDb, PrivateMariaDb};
use tokio::time::Instant;

const SCHEMA: &[&str] = &[
    "-- Things.\nCREATE TABLE item (\n    name VARCHAR(50) PRIMARY KEY,\n    n INT NOT NULL\n);\nINSERT INTO item (name, n) VALUES ('first', 1);",
];
const LATER: &[&str] =
    &[SCHEMA[0], "ALTER TABLE item ADD COLUMN more INT;\nCREATE TABLE other (id INT);"];

/// Patient: the machine may be busy with other tests.
fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig {
        url: url.into(),
        connect_timeout_ms: 30_000,
        operation_timeout_ms: 60_000,
        ..DatabaseConfig::default()
    }
}

/// As it is configured, for a server that goes away.
fn impatient(url: &str) -> DatabaseConfig {
    DatabaseConfig { url: url.into(), connect_timeout_ms: 1_000, ..DatabaseConfig::default() }
}

async fn open(url: &str, schema: &'static [&'static str]) -> Result<MySql, OpenError> {
    MySql::open(&config(url), schema, &Readiness::default(), &Shutdown::new()).await
}

async fn fresh() -> Option<(Database, MySql)> {
    let database = test_servers::mariadb().await?.fresh_database("engine");
    let db = open(&database.url(), SCHEMA).await.unwrap();
    Some((database, db))
}

async fn insert(db: &MySql, name: &str) -> Result<(), StoreError> {
    let name = name.to_owned();
    db.write("insert", async move |tx| {
        tx.exec_drop("INSERT INTO item (name, n) VALUES (?, 1)", (&name,)).await
    })
    .await
}

async fn names(db: &MySql) -> Result<Vec<String>, StoreError> {
    db.read("list", async move |conn| conn.exec("SELECT name FROM item ORDER BY name", ()).await)
        .await
}

fn cause(error: &StoreError) -> &OperationError {
    error.source().and_then(|cause| cause.downcast_ref()).unwrap()
}

/// Waits until `wanted` says something, for as long as a slow machine may need.
async fn until<R>(what: &str, mut wanted: impl AsyncFnMut() -> Option<R>) -> R {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = wanted().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_was_written_is_read_and_what_failed_is_undone() {
    let Some((database, db)) = fresh().await else { return };
    insert(&db, "second").await.unwrap();
    assert_eq!(names(&db).await.unwrap(), ["first", "second"]);
    let failed = db
        .write("half of it", async move |tx| {
            tx.exec_drop("INSERT INTO item (name, n) VALUES ('third', 1)", ()).await?;
            tx.exec_drop("INSERT INTO item (name, n) VALUES ('second', 1)", ()).await
        })
        .await
        .unwrap_err();
    assert!(matches!(cause(&failed), OperationError::Statement(_)), "{failed:?}");
    assert!(!cause(&failed).may_have_happened());
    assert_eq!(failed.to_string(), "cannot half of it");
    assert_eq!(names(&db).await.unwrap(), ["first", "second"]);
    assert_eq!(database.execute("SELECT COUNT(*) FROM item").trim(), "2");
}

#[tokio::test]
async fn sessions_do_not_depend_on_how_the_server_is_configured() {
    let Some((_database, db)) = fresh().await else { return };
    let ask = async move |conn: &mut mysql_async::Conn| {
        let select = "SELECT @@tx_isolation, @@time_zone, @@sql_mode, @@autocommit, @@wait_timeout";
        let row: Option<(String, String, String, i64, i64)> = conn.exec_first(select, ()).await?;
        Ok(row.unwrap())
    };
    let reader = db.read("look", ask).await.unwrap();
    let writer = db.write("look", ask).await.unwrap();
    assert_eq!((reader.0.as_str(), reader.1.as_str()), ("READ-COMMITTED", "+00:00"));
    assert_eq!((writer.0.as_str(), writer.1.as_str()), ("READ-COMMITTED", "+00:00"));
    assert!(writer.2.contains("STRICT_ALL_TABLES"), "{writer:?}");
    assert_eq!((reader.3, writer.3, writer.4), (1, 0, 2));
}

#[tokio::test]
async fn a_deadlock_is_run_again_until_both_are_done() {
    let Some((_database, db)) = fresh().await else { return };
    insert(&db, "second").await.unwrap();
    let both = |names: [&'static str; 2]| {
        let db = db.clone();
        async move {
            for _ in 0..20 {
                db.write("count", async move |tx| {
                    for name in names {
                        tx.exec_drop("UPDATE item SET n = n + 1 WHERE name = ?", (name,)).await?;
                        tokio::task::yield_now().await;
                    }
                    Ok(())
                })
                .await
                .unwrap();
            }
        }
    };
    tokio::join!(both(["first", "second"]), both(["second", "first"]));
    let counts: Vec<i64> =
        db.read("look", async move |conn| conn.exec("SELECT n FROM item", ()).await).await.unwrap();
    assert_eq!(counts, [41, 41]);
}

#[tokio::test]
async fn a_killed_connection_costs_neither_a_write_nor_a_read() {
    let Some((database, db)) = fresh().await else { return };
    let (url, runs) = (database.url(), Arc::new(AtomicUsize::new(0)));
    let counted = runs.clone();
    db.write("write while killed", async move |tx| {
        tx.exec_drop("INSERT INTO item (name, n) VALUES ('killed', 1)", ()).await?;
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            kill(&url, tx.id()).await;
        }
        tx.exec_drop("UPDATE item SET n = 2 WHERE name = 'killed'", ()).await
    })
    .await
    .unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(database.execute("SELECT n FROM item WHERE name = 'killed'").trim(), "2");
    // All that are idle, at once.
    let ids = database.execute(&format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
        database.name()
    ));
    for id in ids.lines() {
        kill(&database.url(), id.trim().parse().unwrap()).await;
    }
    assert_eq!(names(&db).await.unwrap(), ["first", "killed"]);
    insert(&db, "after").await.unwrap();
}

async fn kill(url: &str, id: u32) {
    let mut conn = mysql_async::Conn::from_url(url).await.unwrap();
    // It may be gone by itself.
    let _ = conn.query_drop(format!("KILL {id}")).await;
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn an_operation_that_takes_too_long_ends_and_its_locks_with_it() {
    let Some((database, patient)) = fresh().await else { return };
    let config = DatabaseConfig { operation_timeout_ms: 300, ..impatient(&database.url()) };
    let db = MySql::open(&config, SCHEMA, &Readiness::default(), &Shutdown::new()).await.unwrap();
    let slow = db
        .write("sleep", async move |tx| {
            tx.exec_drop("UPDATE item SET n = 7 WHERE name = 'first'", ()).await?;
            tx.exec_drop("DO SLEEP(2)", ()).await
        })
        .await
        .unwrap_err();
    assert!(matches!(cause(&slow), OperationError::TimedOut(300)), "{slow:?}");
    // It waits for the lock, and happens once.
    patient
        .write("update", async move |tx| {
            tx.exec_drop("UPDATE item SET n = n + 1 WHERE name = 'first'", ()).await
        })
        .await
        .unwrap();
    assert_eq!(database.execute("SELECT n FROM item").trim(), "2", "the slow one was undone");
}

#[tokio::test]
async fn more_than_all_connections_wait_and_then_are_told_so() {
    let Some((database, _db)) = fresh().await else { return };
    // Those that are held say nothing meanwhile, and the server ends them after two seconds.
    let bounds =
        DatabaseConfig { writers_max: 2, acquire_timeout_ms: 500, ..config(&database.url()) };
    let db = MySql::open(&bounds, SCHEMA, &Readiness::default(), &Shutdown::new()).await.unwrap();
    let (held, told) = (tokio::sync::Semaphore::new(0), tokio::sync::Semaphore::new(0));
    let hold = || {
        db.write("hold", async |_| {
            held.add_permits(1);
            told.acquire().await.unwrap().forget();
            Ok(())
        })
    };
    let third = async {
        let _both = held.acquire_many(2).await.unwrap();
        let refused = db.write("hold", async |_| Ok(())).await.unwrap_err();
        told.add_permits(2);
        refused
    };
    let (first, second, third) = tokio::join!(hold(), hold(), third);
    first.unwrap();
    second.unwrap();
    assert_eq!(in_one_line(&third), "cannot hold: no connection was free within 500 ms");
}

#[tokio::test]
async fn an_idle_writer_is_kept_alive_and_a_frozen_one_loses_its_locks() {
    let Some((database, _db)) = fresh().await else { return };
    // One: nobody gets another while it is pinged.
    let config = DatabaseConfig { writers_max: 1, ..config(&database.url()) };
    let db = MySql::open(&config, SCHEMA, &Readiness::default(), &Shutdown::new()).await.unwrap();
    let mut frozen = mysql_async::Conn::from_url(database.url()).await.unwrap();
    // As a writer's session is: nobody pings this one.
    frozen.query_drop("SET SESSION wait_timeout = 2, autocommit = 0").await.unwrap();
    frozen.query_drop("UPDATE item SET n = 9 WHERE name = 'first'").await.unwrap();
    db.write("update", async move |tx| {
        tx.exec_drop("UPDATE item SET n = n + 1 WHERE name = 'first'", ()).await
    })
    .await
    .unwrap();
    assert_eq!(database.execute("SELECT n FROM item").trim(), "2");
    // Without pings it would never last so long. One whose process stands still for two seconds does
    // not either, and a busy machine lets that happen.
    let connection = async move |tx: &mut mysql_async::Conn| Ok(tx.id());
    until("an idle writer to outlast two seconds", async || {
        let before = db.write("look", connection).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        (db.write("look", connection).await.unwrap() == before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_an_error_at_once_that_does_not_show_it() {
    let Some(server) = test_servers::mariadb().await else { return };
    let url = format!("mysql://mpim:hush@{}/test_refused", server.address());
    let refused = open(&url, SCHEMA).await.unwrap_err();
    let said = in_one_line(&refused);
    assert!(matches!(refused, OpenError::Refused { .. }), "{said}");
    assert!(said.contains(&server.address()) && said.contains("refuses the user"), "{said}");
    assert!(!said.contains("hush") && !format!("{refused:?}").contains("hush"), "{said}");
}

#[tokio::test]
async fn a_missing_database_is_made_where_it_may_be_and_named_where_not() {
    let Some(server) = test_servers::mariadb().await else { return };
    let made = server.fresh_database("made");
    made.execute(&format!("DROP DATABASE {}", made.name()));
    let db = open(&made.url(), SCHEMA).await.unwrap();
    assert_eq!(names(&db).await.unwrap(), ["first"]);
    let refused = open(&server.url("forbidden"), SCHEMA).await.unwrap_err();
    let said = in_one_line(&refused);
    assert!(matches!(refused, OpenError::NoDatabase { .. }), "{said}");
    assert!(said.contains(&format!("forbidden at {}", server.address())), "{said}");
}

#[tokio::test]
async fn a_schema_grows_and_one_from_the_future_is_refused() {
    let Some((database, _db)) = fresh().await else { return };
    let later = open(&database.url(), LATER).await.unwrap();
    later
        .read("look", async move |conn| conn.exec_drop("SELECT more FROM item", ()).await)
        .await
        .unwrap();
    let refused = open(&database.url(), SCHEMA).await.unwrap_err();
    let said = in_one_line(&refused);
    assert!(said.contains(database.name()), "{said}");
    assert!(said.ends_with("has schema version 2, this program knows versions up to 1"), "{said}");
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let Some((database, _db)) = fresh().await else { return };
    let refused = open(&database.url(), &["CREATE TABLE user (id INT);"]).await.unwrap_err();
    let said = in_one_line(&refused);
    assert!(matches!(refused, OpenError::Foreign { version: 1, statement: 1, .. }), "{said}");
    assert!(said.contains("each service needs a database of its own"), "{said}");
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_taken_up_where_it_ended() {
    let Some((database, _db)) = fresh().await else { return };
    // As if the end had come after the statement and before its record.
    database.execute("ALTER TABLE item ADD COLUMN more INT");
    open(&database.url(), LATER).await.unwrap();
    let steps = database.execute("SELECT version, statement FROM schema_step");
    assert_eq!(steps, "1\t1\n1\t2\n2\t1\n2\t2\n");
}

#[tokio::test]
async fn a_step_that_cannot_be_done_is_named() {
    let Some((database, _db)) = fresh().await else { return };
    const BROKEN: &[&str] = &[SCHEMA[0], "ALTER TABLE nothing ADD COLUMN more INT;"];
    let said = in_one_line(&open(&database.url(), BROKEN).await.unwrap_err());
    assert!(said.contains("to schema version 2 (statement 1)"), "{said}");
}

#[tokio::test]
async fn of_several_that_start_at_once_one_migrates_and_all_can_work() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("together");
    let starting: Vec<_> = (0..6)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { open(&url, LATER).await.unwrap() })
        })
        .collect();
    for started in starting {
        assert_eq!(names(&started.await.unwrap()).await.unwrap(), ["first"]);
    }
}

#[tokio::test]
async fn a_start_waits_for_the_server_says_so_and_goes_on_when_it_is_there() {
    let Some(mut server) = PrivateMariaDb::prepared() else { return };
    let url = format!("mysql://mpim:mpim@{}/test_later", server.address());
    let (readiness, shutdown) = (Readiness::default(), Shutdown::new());
    let config = config(&url);
    let opening = tokio::spawn({
        let (readiness, shutdown) = (readiness.clone(), shutdown.clone());
        async move { MySql::open(&config, SCHEMA, &readiness, &shutdown).await }
    });
    let expected = format!("down: database test_later at {}: ", server.address());
    until("the reason", async || {
        let report = readiness.report().unwrap_err();
        (report.contains(&expected) && report.contains("refused")).then_some(())
    })
    .await;
    server.start_again().await;
    let db = opening.await.unwrap().unwrap();
    assert_eq!(names(&db).await.unwrap(), ["first"]);
    assert!(!readiness.report().unwrap_err().contains("down"), "{:?}", readiness.report());
}

#[tokio::test]
async fn a_start_that_waits_ends_with_the_shutdown() {
    let shutdown = Shutdown::new();
    shutdown.trigger();
    let address = test_servers::free_address();
    let config = config(&format!("mysql://mpim:mpim@{address}/test_never"));
    let ended = MySql::open(&config, SCHEMA, &Readiness::default(), &shutdown).await.unwrap_err();
    assert!(matches!(ended, OpenError::ShutDown { .. }), "{ended}");
}

#[tokio::test]
async fn a_server_that_restarts_is_noticed_and_used_again() {
    let Some(mut server) = PrivateMariaDb::start().await else { return };
    let readiness = Readiness::default();
    let url = MariaDb::url(server.server(), "test_restart");
    let db = MySql::open(&config(&url), SCHEMA, &readiness, &Shutdown::new()).await.unwrap();
    insert(&db, "before").await.unwrap();
    server.kill().await;
    let failed = insert(&db, "meanwhile").await.unwrap_err();
    assert!(matches!(cause(&failed), OperationError::Connect(_)), "{failed:?}");
    let down = async || readiness.report().unwrap_err().contains("down").then_some(());
    until("readiness to say so", down).await;
    server.start_again().await;
    until("it to work again", async || insert(&db, "after").await.ok()).await;
    let up = async || (!readiness.report().unwrap_err().contains("down")).then_some(());
    until("readiness to say so", up).await;
    assert_eq!(names(&db).await.unwrap(), ["after", "before", "first"]);
}
