//! Connections that are cut, and a server that restarts, under writers who repeat what failed: what
//! was acknowledged is there once, and what was not is there at most once.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use test_servers::{MariaDb, PrivateMariaDb, Way};
use tokio::task::JoinSet;

use super::*;

const WRITERS: i64 = 4;
const PEER: i64 = 1_000;
/// The text command; COMMIT is also a part of how sessions begin.
const COMMIT: &str = "\u{3}COMMIT";

/// Each writer sends its messages to one conversation and repeats each until it is acknowledged;
/// what was acknowledged, in order.
fn write_all(store: &Arc<MysqlTimeline>, messages: usize) -> JoinSet<Vec<(i64, String)>> {
    let mut writing = JoinSet::new();
    for writer in 1..=WRITERS {
        let store = store.clone();
        writing.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..messages {
                let own = text(ConvId::pair(writer, PEER), writer, &n.to_string());
                // One that all write to, with keys of their own.
                let common = text(ConvId::pair(PEER, PEER), PEER, &format!("{writer} {n}"));
                let batch: Arc<[NewEntry]> = Arc::from([common, own]);
                let appended = loop {
                    let answers = store.append(batch.clone(), 1).await;
                    if let [Ok(_), Ok(appended)] = &answers[..] {
                        break *appended;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                };
                acknowledged.push((appended.seq, n.to_string()));
            }
            acknowledged
        });
    }
    writing
}

async fn check(store: &MysqlTimeline, mut writing: JoinSet<Vec<(i64, String)>>, messages: usize) {
    let mut acknowledged = Vec::new();
    while let Some(of_one) = writing.join_next().await {
        acknowledged.push(of_one.unwrap());
    }
    acknowledged.sort();
    for (writer, acknowledged) in (1..=WRITERS).zip(acknowledged) {
        let expected: Vec<_> = (0..messages).map(|n| (n as i64 + 1, n.to_string())).collect();
        assert_eq!(acknowledged, expected);
        assert_eq!(history(store, PEER, ConvId::pair(writer, PEER)).await, expected);
    }
    let common = history(store, PEER, ConvId::pair(PEER, PEER)).await;
    let seqs: Vec<_> = common.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=WRITERS * messages as i64).collect::<Vec<_>>());
}

/// Ends every connection to a database but its own.
async fn kill_all(conn: &mut Conn, database: &str) -> usize {
    let select = "SELECT id FROM information_schema.processlist
                  WHERE db = ? AND id <> CONNECTION_ID()";
    let ids: Vec<u64> = conn.exec(select, (database,)).await.unwrap();
    for id in &ids {
        // It may be gone by itself.
        let _ = conn.query_drop(format!("KILL {id}")).await;
    }
    ids.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_writers_lose_and_double_nothing() {
    const MESSAGES: usize = 60;
    let Some((store, database)) = fresh().await else { return };
    let store = Arc::new(store);
    let writing = write_all(&store, MESSAGES);
    let mut conn = Conn::from_url(database.url()).await.unwrap();
    let mut killed = 0;
    while killed < 60 {
        killed += kill_all(&mut conn, database.name()).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
    }
    check(&store, writing, MESSAGES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_writers_loses_and_doubles_nothing() {
    const MESSAGES: usize = 200;
    let Some(mut server) = PrivateMariaDb::start().await else { return };
    let store = Arc::new(open(MariaDb::url(server.server(), "test_killed")).await);
    let writing = write_all(&store, MESSAGES);
    for _ in 0..2 {
        // Some writes between one kill and the next.
        let written = || async { history(&store, PEER, ConvId::pair(PEER, PEER)).await.len() };
        let conv = ConvId::pair(PEER, PEER);
        while !store.exists(conv).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = written().await;
        while written().await < before + 20 && before < 500 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill().await;
        server.start_again().await;
    }
    check(&store, writing, MESSAGES).await;
}

#[tokio::test]
async fn a_batch_whose_commit_was_not_answered_is_written_once_and_found_in_the_outbox() {
    let Some((_, database)) = fresh().await else { return };
    let server = test_servers::mariadb().await.unwrap().address();
    let way = Way::to(&server).await;
    let store = open(database.url().replace(&server, &way.address())).await;
    let conv = ConvId::pair(1, 2);
    store.append(Arc::from([text(conv, 1, "a")]), 1).await[0].as_ref().unwrap();
    way.lose_answer_to(COMMIT);
    let answers = store.append(Arc::from([text(conv, 1, "b"), text(conv, 1, "c")]), 1).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().map(|appended| appended.seq).collect::<Vec<_>>(), [2, 3]);
    let expected = [(1, "a"), (2, "b"), (3, "c")].map(|(seq, text)| (seq, text.to_owned()));
    assert_eq!(history(&store, 2, conv).await, expected);
    // Whoever sends them on was not told that they are new, so the outbox has to.
    assert!(answers.iter().all(|appended| !appended.new), "{answers:?}");
    database.execute("UPDATE outbox SET lease_until = '2000-01-01'");
    assert_eq!(store.claim_untold(9).await.unwrap().len(), 2);
}
