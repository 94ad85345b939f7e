//! Locks that somebody else holds: whoever sends never hears of them.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use test_servers::{MariaDb, PrivateMariaDb};
use tokio::task::JoinHandle;

use super::*;

/// A person with a client on the same database, and the store.
pub(super) struct Opposed {
    pub(super) person: Conn,
    pub(super) store: Arc<MysqlTimeline>,
    pub(super) server: PrivateMariaDb,
    /// How often anybody had waited for a row when it began.
    pub(super) waits: u64,
}

pub(super) const FIRST: ConvId = ConvId::Pair { low: 1, high: 2 };
const SECOND: ConvId = ConvId::Pair { low: 1, high: 3 };

impl Opposed {
    pub(super) async fn new() -> Option<Self> {
        let server = PrivateMariaDb::start().await?;
        let url = MariaDb::url(server.server(), "test_locks");
        // Patient: the machine may be busy with other tests.
        let patient = DatabaseConfig { operation_timeout_ms: 60_000, ..config(url.clone()) };
        let store = Arc::new(open_with(&patient).await);
        for answer in store.append(Arc::from([text(FIRST, 1, "a"), text(SECOND, 1, "a")]), 1).await
        {
            answer.unwrap();
        }
        let mut person = Conn::from_url(url).await.unwrap();
        person.query_drop("BEGIN").await.unwrap();
        let waits = status(&server, "Innodb_row_lock_waits");
        Some(Self { person, store, server, waits })
    }

    async fn lock(&mut self, conv: ConvId) {
        let lock = "SELECT max_seq FROM conversation WHERE conv_id = ? FOR UPDATE";
        self.person.exec_drop(lock, (conv.to_string(),)).await.unwrap();
    }

    fn append(&self, key: &str) -> JoinHandle<Vec<Result<Appended, AppendError>>> {
        let store = self.store.clone();
        let batch = Arc::from([text(FIRST, 1, key), text(SECOND, 1, key)]);
        tokio::spawn(async move { store.append(batch, 1).await })
    }

    /// Waits until rows were waited for `times` times.
    pub(super) async fn waited(&self, times: u64) {
        let waiting = async {
            while status(&self.server, "Innodb_row_lock_waits") < self.waits + times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(40), waiting).await;
        waited.expect("nobody waits for the row");
    }
}

pub(super) fn status(server: &PrivateMariaDb, name: &str) -> u64 {
    let line = server.server().execute(&format!("SHOW GLOBAL STATUS LIKE '{name}'"));
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_deadlock_with_somebody_else_is_no_business_of_the_senders() {
    let Some(mut opposed) = Opposed::new().await else { return };
    // A wait of the store that is over before the person's begins makes no deadlock.
    for seq in 2_i64..20 {
        // The server undoes the one who has changed less.
        opposed.person.query_drop("UPDATE entry SET ts_ms = ts_ms + 1").await.unwrap();
        opposed.lock(SECOND).await;
        opposed.waits = status(&opposed.server, "Innodb_row_lock_waits");
        let appending = opposed.append(&seq.to_string());
        opposed.waited(1).await;
        opposed.lock(FIRST).await;
        opposed.person.query_drop("ROLLBACK").await.unwrap();
        for answer in appending.await.unwrap() {
            assert_eq!(answer.unwrap().seq, seq);
        }
        if status(&opposed.server, "Innodb_deadlocks") > 0 {
            return;
        }
        opposed.person.query_drop("BEGIN").await.unwrap();
    }
    panic!("no deadlock");
}

#[tokio::test]
async fn a_lock_that_is_not_had_in_time_is_waited_for_again() {
    let Some(mut opposed) = Opposed::new().await else { return };
    opposed.lock(FIRST).await;
    let appending = opposed.append("b");
    opposed.waited(2).await;
    opposed.person.query_drop("ROLLBACK").await.unwrap();
    for answer in appending.await.unwrap() {
        assert_eq!(answer.unwrap().seq, 2);
    }
}
