//! The servers that tests share.

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::private::{PATIENCE, PAUSE, Server, skipped};
use crate::{MariaDb, Redis, ZooKeeper};

/// Where `scripts/deps up` has them.
const ZOOKEEPER: &str = "127.0.0.1:12181";
const MARIADB: &str = "127.0.0.1:13306";
const REDIS: &str = "127.0.0.1:16379";

/// The shared ZooKeeper.
///
/// # Panics
/// When `TEST_ZOOKEEPER` names one that does not answer.
pub async fn zookeeper() -> Option<ZooKeeper> {
    find("TEST_ZOOKEEPER", ZOOKEEPER).await
}

/// The shared MariaDB.
///
/// # Panics
/// When `TEST_MARIADB` names one that does not answer.
pub async fn mariadb() -> Option<MariaDb> {
    find("TEST_MARIADB", MARIADB).await
}

/// The shared Redis.
///
/// # Panics
/// When `TEST_REDIS` names one that does not answer.
pub async fn redis() -> Option<Redis> {
    find("TEST_REDIS", REDIS).await
}

async fn find<S: Server>(variable: &str, default: &str) -> Option<S> {
    if let Ok(named) = std::env::var(variable) {
        let server = S::at(&named);
        let seen = answer_of(&server, &named).await;
        assert!(seen.is_ok(), "{variable}: no {} at {named}: {seen:?}", S::NAME);
        return Some(server);
    }
    let server = S::at(default);
    let Err(seen) = server.answers().await else { return Some(server) };
    skipped(&format!(
        "no {} at {default} ({seen}); scripts/deps up {} starts it",
        S::NAME,
        S::NAME
    ));
    None
}

/// Looks until it answers, for as long as somebody listens there: a busy machine makes it slow.
async fn answer_of(server: &impl Server, address: &str) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(seen) = server.answers().await else { return Ok(()) };
        if TcpStream::connect(address).await.is_err() || Instant::now() > deadline {
            return Err(seen);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_tests_share_is_apart_for_each_of_them() {
        if let Some(zookeeper) = zookeeper().await {
            let (one, other) = (zookeeper.fresh_root().await, zookeeper.fresh_root().await);
            assert_ne!(one, other);
            let client = zookeeper_client::Client::connect(&one).await.unwrap();
            assert_eq!(client.list_children("/").await.unwrap(), [] as [String; 0]);
        }
        if let Some(mariadb) = mariadb().await {
            let (one, other) = (mariadb.fresh_database("a"), mariadb.fresh_database("a"));
            assert_ne!(one.url(), other.url());
            one.execute("CREATE TABLE t (a INT)");
            other.execute("CREATE TABLE t (a INT)");
            let name = one.name().to_owned();
            drop(one);
            let left = mariadb.execute("SHOW DATABASES");
            assert!(!left.contains(&name), "{left}");
        }
        if let Some(redis) = redis().await {
            assert_ne!(redis.fresh_prefix(), redis.fresh_prefix());
        }
    }
}
