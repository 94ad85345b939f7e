use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use test_servers::{PrivateRedis, WatchedRedis};
use tokio::time::Instant;

use super::*;

/// What is bounded takes at most this long, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(60);

fn config() -> RedisConfig {
    RedisConfig { connect_timeout_ms: 5_000, response_timeout_ms: 500, ..RedisConfig::default() }
}

fn connect(url: &str, readiness: &Readiness) -> Redis {
    Redis::connect("test", &url.parse().unwrap(), &config(), readiness).unwrap()
}

async fn increment(redis: &Redis) -> Result<i64, RedisFailure> {
    let key = redis.key("n");
    redis
        .run("count", |mut connection| async move {
            ::redis::cmd("INCR").arg(key).query_async(&mut connection).await
        })
        .await
}

/// Tries until it works; answers with what it got.
async fn incremented(redis: &Redis) -> i64 {
    let wait = async {
        loop {
            match increment(redis).await {
                Ok(count) => break count,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("Redis answers")
}

fn why_not_ready(readiness: &Readiness) -> String {
    readiness.report().unwrap_or_else(|report| report)
}

/// Waits until readiness says it.
async fn reported(readiness: &Readiness, what: &str) {
    let wait = async {
        while !why_not_ready(readiness).contains(what) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, wait).await;
    assert!(waited.is_ok(), "{what:?} is not in {:?}", why_not_ready(readiness));
}

#[tokio::test]
async fn without_a_url_there_is_no_redis() {
    let none = Redis::connect("test", &RedisUrl::none(), &config(), &Readiness::default());
    assert!(none.is_none());
}

#[tokio::test]
async fn a_redis_that_is_away_fails_at_once_and_is_named() {
    let readiness = Readiness::default();
    let address = test_servers::free_address();
    let redis = connect(&format!("redis://:s3cret@{address}"), &readiness);
    let Poll::Ready(error) = poll!(std::pin::pin!(increment(&redis))) else {
        panic!("it waits for a connection");
    };
    let error = crate::in_one_line(&error.unwrap_err());
    let wanted = format!("Redis (test) at {address}: cannot count: ");
    assert!(error.starts_with(&wanted), "{error}");
    reported(&readiness, "refused").await;
    let report = why_not_ready(&readiness);
    assert!(report.contains(&format!("Redis (test) at {address}")), "{report}");
    assert!(!report.contains("s3cret") && !error.contains("s3cret"));
}

#[tokio::test]
async fn a_redis_that_was_killed_is_connected_to_again() {
    let Some(mut server) = PrivateRedis::start().await else { return };
    let readiness = Readiness::default();
    let redis = connect(&server.server().url(), &readiness);
    assert_eq!(incremented(&redis).await, 1);
    server.kill().await;
    assert!(increment(&redis).await.is_err());
    reported(&readiness, "Redis (test)").await;
    server.start_again().await;
    assert_eq!(incremented(&redis).await, 1, "nothing was persisted");
}

#[tokio::test]
async fn a_redis_that_is_frozen_costs_each_call_no_more_than_the_bound() {
    let Some(server) = PrivateRedis::start().await else { return };
    let readiness = Readiness::default();
    let redis = connect(&server.server().url(), &readiness);
    incremented(&redis).await;
    server.pause();
    let begun = Instant::now();
    // More than the connection's own queue takes.
    let calls = (0..1_000).map(|_| {
        let redis = redis.clone();
        tokio::spawn(async move { increment(&redis).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap().is_err());
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    reported(&readiness, "Redis (test)").await;
    server.resume();
    incremented(&redis).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_without_showing_it() {
    let Some(server) = PrivateRedis::start().await else { return };
    let url = format!("redis://:s3cret@{}", server.address());
    let readiness = Readiness::default();
    let redis = connect(&url, &readiness);
    reported(&readiness, "uthenticat").await;
    assert!(!why_not_ready(&readiness).contains("s3cret"));
    assert!(increment(&redis).await.is_err());
}

#[tokio::test]
async fn a_dedicated_connection_may_block_for_longer_than_the_response_timeout() {
    let Some(server) = PrivateRedis::start().await else { return };
    let redis = connect(&server.server().url(), &Readiness::default());
    let mut connection = redis.dedicated().await.unwrap();
    let mut blocking = ::redis::cmd("BLPOP");
    let nothing: RedisResult<Option<(String, String)>> =
        blocking.arg("empty").arg(0.8).query_async(&mut connection).await;
    assert_eq!(nothing.unwrap(), None);
}

/// A connection to one server, whatever it is now.
async fn connection_to(server: &test_servers::Redis) -> MultiplexedConnection {
    let client = Client::open(server.url()).unwrap();
    test_servers::redis_connection(&client).await.unwrap()
}

/// Whether the server takes itself for the master. One that becomes a replica closes connections.
async fn is_master(mut connection: MultiplexedConnection) -> bool {
    let role = ::redis::cmd("ROLE").query_async::<::redis::Role>(&mut connection).await;
    role.is_ok_and(|role| matches!(role, ::redis::Role::Primary { .. }))
}

/// Waits until a replica has what was written.
async fn replicated(redis: &Redis) {
    let mut connection = redis.dedicated().await.unwrap();
    let mut wait = ::redis::cmd("WAIT");
    let replicas: i64 = wait.arg(1).arg(0).query_async(&mut connection).await.unwrap();
    assert_eq!(replicas, 1);
}

#[tokio::test]
async fn a_failover_is_followed_and_who_was_the_master_gets_nothing_when_it_is_back() {
    let Some(mut servers) = WatchedRedis::start().await else { return };
    let redis = connect(&servers.url(), &Readiness::default());
    let mut count = incremented(&redis).await;
    replicated(&redis).await;
    let first = servers.master().await;
    servers.server(first).kill().await;
    let mut goes_on = async || {
        let now = incremented(&redis).await;
        assert!(now > count, "{now} after {count}: it has what the master had");
        count = now;
    };
    goes_on().await;
    servers.server(first).start_again().await;
    while is_master(connection_to(servers.redis(first)).await).await {
        goes_on().await;
    }
    let own = redis.dedicated().await.unwrap();
    assert!(is_master(own).await, "connections of one's own follow, too");
}

#[tokio::test]
async fn a_master_that_has_become_a_replica_is_left_also_while_nobody_watches() {
    let Some(servers) = WatchedRedis::start().await else { return };
    let readiness = Readiness::default();
    let redis = connect(&servers.url(), &readiness);
    incremented(&redis).await;
    servers.freeze_sentinels(true);
    let port = servers.redis(1).address().rsplit_once(':').unwrap().1.to_owned();
    redis
        .run("follow another", |mut connection| async move {
            let mut follow = ::redis::cmd("REPLICAOF");
            follow.arg("127.0.0.1").arg(port).query_async::<()>(&mut connection).await
        })
        .await
        .unwrap();
    reported(&readiness, "not the master any more").await;
    assert!(increment(&redis).await.is_err());
    let mut connection = connection_to(servers.redis(0)).await;
    let mut lead = ::redis::cmd("REPLICAOF");
    lead.arg("NO").arg("ONE").query_async::<()>(&mut connection).await.unwrap();
    servers.freeze_sentinels(false);
    incremented(&redis).await;
}

#[tokio::test]
async fn a_server_is_left_when_the_sentinels_name_another() {
    let Some(servers) = WatchedRedis::start().await else { return };
    let url: RedisUrl = servers.url().parse().unwrap();
    let place = url.place().unwrap();
    let [master, replica] = [0, 1].map(|index| Client::open(servers.redis(index).url()).unwrap());
    assert!(!place.has_moved_from(&master, &config()).await);
    assert!(place.has_moved_from(&replica, &config()).await);
    servers.freeze_sentinels(true);
    assert!(!place.has_moved_from(&replica, &config()).await, "nobody says so");
}
