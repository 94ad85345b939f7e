//! A server that is frozen: connections stay, and nothing is answered.

use super::*;

/// Waits until a name is there: a try whose answer came too late has inserted it all the same.
async fn inserted(db: &MySql, name: &str) {
    until("it to be inserted", async || {
        let _ = insert(db, name).await;
        names(db).await.ok().filter(|names| names.iter().any(|there| there == name))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_freezes_fails_operations_in_time_and_recovers() {
    let Some(server) = PrivateMariaDb::start().await else { return };
    let readiness = Readiness::default();
    let url = MariaDb::url(server.server(), "test_frozen");
    let config = DatabaseConfig { operation_timeout_ms: 1_000, ..impatient(&url) };
    let db = MySql::open(&config, SCHEMA, &readiness, &Shutdown::new()).await.unwrap();
    inserted(&db, "before").await;
    server.pause();
    let since = Instant::now();
    insert(&db, "meanwhile").await.unwrap_err();
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let down = async || readiness.report().unwrap_err().contains("down").then_some(());
    until("readiness to say so", down).await;
    server.resume();
    inserted(&db, "after").await;
}

#[tokio::test]
async fn a_server_that_freezes_is_away_even_while_all_connections_are_used() {
    let Some(server) = PrivateMariaDb::start().await else { return };
    let readiness = Readiness::default();
    let url = server.server().url("test_used");
    let config = DatabaseConfig { readers_max: 1, writers_max: 2, ..impatient(&url) };
    let db = MySql::open(&config, SCHEMA, &readiness, &Shutdown::new()).await.unwrap();
    let held = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DO SL%'";
    let sleep = async move |conn: &mut mysql_async::Conn| conn.exec_drop("DO SLEEP(20)", ()).await;
    let holder = db.clone();
    tokio::spawn(
        async move { tokio::join!(holder.read("hold", sleep), holder.write("hold", sleep)) },
    );
    let busy = async || (server.server().execute(held).trim() == "2").then_some(());
    until("both to be used", busy).await;
    server.pause();
    until("readiness to say so", async || {
        let _ = tokio::time::timeout(Duration::from_millis(1_500), insert(&db, "more")).await;
        readiness.report().unwrap_err().contains("down").then_some(())
    })
    .await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2_500) {
        assert!(readiness.report().unwrap_err().contains("down"), "nobody heard from it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.resume();
    let up = async || (!readiness.report().unwrap_err().contains("down")).then_some(());
    until("readiness to say so", up).await;
}
