use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use test_servers::PrivateRedis;
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
