//! The connection or the server goes in the middle of a call.

use std::time::Duration;

use im_common::mysql::DatabaseConfig;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use test_servers::{Database, PrivateMariaDb, Way};
use tokio::time::{Instant, sleep, timeout};

use super::{open, open_with};
use crate::store::conformance::{account, create};
use crate::store::{
    Befriended, DeviceStore as _, Ending, Held, LogInStore as _, NewLogIn, Rotated, Rotation,
    UserStore as _,
};

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
async fn a_write_whose_connection_is_cut_happens_once() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("user");
    let store = open(database.url()).await;
    let mut holder = Conn::from_url(database.url()).await.unwrap();
    holder.query_drop("LOCK TABLES account WRITE").await.unwrap();
    let creating = {
        let store = store.clone();
        tokio::spawn(async move { create(&store, "alice").await })
    };
    let cut = waiting_for_a_table(&database).await;
    holder.query_drop(format!("KILL {cut}")).await.unwrap();
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    let created = timeout(PATIENCE, creating).await.unwrap().unwrap();
    assert_eq!(created, Some(1), "what was cut off was undone, and done again");
    assert_eq!(create(&store, "bob").await, Some(2));
}

#[tokio::test]
async fn an_account_whose_commit_was_not_answered_is_taken_when_it_is_made_again() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("user");
    let way = Way::to(&server.address()).await;
    let store = open(database.url().replace(&server.address(), &way.address())).await;
    create(&store, "alice").await.unwrap();
    way.lose_answer_to(COMMIT);
    let failure = store.create_account(account("bob")).await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot create an account");
    assert_eq!(create(&store, "bob").await, None, "it had happened");
    assert_eq!(create(&store, "carol").await, Some(3));

    way.lose_answer_to(COMMIT);
    store.befriend(1, 2, 9, 1).await.unwrap_err();
    assert_eq!(store.befriend(1, 2, 9, 1).await.unwrap(), Befriended::Already);
    way.lose_answer_to(COMMIT);
    let ending = Ending {
        user_id: 1,
        log_in_id: "0".into(),
        expires_at_ms: i64::MAX,
        forget_before_ms: 1,
        due_at_ms: Some(1),
    };
    store.end_log_in(ending.clone()).await.unwrap_err();
    assert!(!store.end_log_in(ending).await.unwrap(), "it had happened");

    way.lose_answer_to(COMMIT);
    store.revoke_device(1, "text".into(), 1).await.unwrap_err();
    assert!(!store.revoke_device(1, "text".into(), 1).await.unwrap(), "it had happened");
}

#[tokio::test]
async fn a_refresh_whose_commit_was_not_answered_can_be_asked_for_again() {
    let Some(server) = test_servers::mariadb().await else { return };
    let database = server.fresh_database("user");
    let way = Way::to(&server.address()).await;
    let store = open(database.url().replace(&server.address(), &way.address())).await;
    create(&store, "alice").await.unwrap();
    let held =
        Held { user_id: 1, device: "text".into(), generation: 1, log_in_id: "1a".into(), epoch: 1 };
    let begun = NewLogIn {
        held,
        refresh_hash: [1; 32],
        now_ms: 1,
        expires_at_ms: 9,
        replaces: true,
        per_user_max: 1,
        forget_before_ms: 1,
    };
    way.lose_answer_to(COMMIT);
    store.begin_log_in(begun.clone()).await.unwrap_err();
    assert_eq!(store.begin_log_in(begun).await.unwrap(), Some(0), "it had happened");
    let rotation = Rotation {
        log_in_id: "1a".into(),
        shown_hash: [1; 32],
        next_hash: [2; 32],
        now_ms: 2,
        expires_at_ms: 9,
        again_ms: 1,
        noted_before_ms: 1,
    };
    way.lose_answer_to(COMMIT);
    store.rotate(rotation.clone()).await.unwrap_err();
    assert!(matches!(store.rotate(rotation).await.unwrap(), Rotated::Done(..)));
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_soon_and_after_that_the_next_one_works() {
    let Some(mut server) = PrivateMariaDb::start().await else { return };
    let store = open(server.server().url("test_user")).await;
    create(&store, "alice").await.unwrap();
    server.kill().await;
    let began = Instant::now();
    store.credentials("alice".into()).await.unwrap_err();
    store.create_account(account("bob")).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    server.start_again().await;
    assert_eq!(store.credentials("alice".into()).await.unwrap().unwrap().account.user_id, 1);
    assert_eq!(create(&store, "bob").await, Some(2));
}

#[tokio::test]
async fn a_frozen_server_costs_callers_no_more_than_the_configured_time() {
    let Some(server) = PrivateMariaDb::start().await else { return };
    let url = server.server().url("test_user").as_str().into();
    let config = DatabaseConfig { url, operation_timeout_ms: 3_000, ..DatabaseConfig::default() };
    let store = open_with(config).await;
    create(&store, "alice").await.unwrap();
    server.pause();
    let began = Instant::now();
    store.credentials("alice".into()).await.unwrap_err();
    store.create_account(account("bob")).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

    server.resume();
    // What was under way when it froze is undone once the server sees that nobody waits for it; a try
    // whose answer came too late has made the account all the same.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = store.create_account(account("bob")).await {
        assert!(Instant::now() < deadline, "{}", im_common::in_one_line(&error));
    }
    let deadline = Instant::now() + PATIENCE;
    let bob = loop {
        match store.credentials("bob".into()).await {
            Ok(bob) => break bob,
            Err(error) => assert!(Instant::now() < deadline, "{}", im_common::in_one_line(&error)),
        }
    };
    assert_eq!(bob.unwrap().account.user_id, 2);
}
