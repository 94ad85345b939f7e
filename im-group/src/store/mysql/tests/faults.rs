//! The connection or the server goes in the middle of a call.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use test_servers::{Database, PrivateMariaDb, Way};
use tokio::time::{Instant, sleep, timeout};

use super::open;
use crate::store::conformance::{DUE_MS, LIMITS, create, join, key, members, new_group};
use crate::store::{Created, GroupStore as _, Joined, Left};

/// For whatever must happen at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// The request as it goes over the wire: a session begins with one that has the word in it, too.
const COMMIT: &str = "\u{3}COMMIT";

/// Waits until somebody waits for a table; the id of their connection.
async fn waiting_for_a_table(database: &Database) -> String {
    let deadline = Instant::now() + PATIENCE;
    let query = format!(
        "SELECT id FROM information_schema.processlist
         WHERE db = '{}' AND state LIKE 'Waiting for%lock'",
        database.name()
    );
    loop {
        let waiting = database.execute(&query);
        if let Some(id) = waiting.lines().next() {
            return id.to_owned();
        }
        assert!(Instant::now() < deadline, "nobody waits");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_whose_connection_is_cut_happens_once() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("group");
    let store = open(database.url()).await;
    create(&store, 7, "rust").await;
    let mut holder = Conn::from_url(database.url()).await.unwrap();
    // The last table that a join writes: everything before it has to be undone.
    holder.query_drop("LOCK TABLES member WRITE").await.unwrap();
    let joining = {
        let store = store.clone();
        tokio::spawn(async move { join(&store, 1, 8).await })
    };
    let cut = waiting_for_a_table(&database).await;
    holder.query_drop(format!("KILL {cut}")).await.unwrap();
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    let change = timeout(PATIENCE, joining).await.unwrap().unwrap();
    assert_eq!(store.earliest_pending(key(1, 8)).await.unwrap(), Some(change));
    assert_eq!(members(&store, 1).await, [7, 8]);
}

#[tokio::test]
async fn what_was_committed_without_an_answer_is_unfinished_when_it_is_repeated() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("group");
    let way = Way::to(&server.address()).await;
    let store = open(database.url().replace(&server.address(), &way.address())).await;
    way.lose_answer_to(COMMIT);
    let failure = store.create(new_group(7, "rust"), LIMITS, DUE_MS).await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot create a group");
    let again = store.create(new_group(7, "rust"), LIMITS, DUE_MS).await.unwrap();
    assert!(matches!(again, Created::Unfinished(change) if change.member == key(1, 7)));

    way.lose_answer_to(COMMIT);
    store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap_err();
    let again = store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap();
    assert!(matches!(again, Joined::Unfinished(change) if change.joins));
    way.lose_answer_to(COMMIT);
    store.leave(key(1, 8), DUE_MS).await.unwrap_err();
    let again = store.leave(key(1, 8), DUE_MS).await.unwrap();
    assert!(matches!(again, Left::Unfinished(change) if !change.joins));
    assert_eq!(members(&store, 1).await, [7]);
    assert_eq!(create(&store, 7, "next").await.member, key(2, 7), "no id was used up");
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_soon_and_after_that_the_next_one_works() {
    let Some(mut server) = PrivateMariaDb::start().await else { return };
    let store = open(server.server().url("test_group")).await;
    create(&store, 7, "rust").await;
    server.kill().await;
    let began = Instant::now();
    store.members(1).await.unwrap_err();
    store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    server.start_again().await;
    assert_eq!(members(&store, 1).await, [7]);
    join(&store, 1, 8).await;
    assert_eq!(members(&store, 1).await, [7, 8]);
}
