use std::time::Duration;

use im_common::Readiness;
use im_common::redis::{RedisConfig, RedisUrl};
use test_servers::PrivateRedis;
use tokio::time::Instant;

use super::*;
use crate::routing::routes::conformance::{self, DEVICES_MAX, Time, gateway, route};

/// For whatever must happen at all.
const SOON: Duration = Duration::from_secs(60);

/// Lifetimes that no test here outlives.
fn limits() -> RedisLimits {
    RedisLimits { ttl_ms: 600_000, original_ttl_ms: 600_000, devices_max: DEVICES_MAX }
}

/// One that is waited for, however busy the machine is.
fn redis_at(url: &str, key_prefix: &str) -> Redis {
    redis_within(60_000, url, key_prefix)
}

fn redis_within(response_timeout_ms: u32, url: &str, key_prefix: &str) -> Redis {
    let url: RedisUrl = url.parse().unwrap();
    let key_prefix = key_prefix.to_owned();
    let config = RedisConfig { key_prefix, response_timeout_ms, ..RedisConfig::default() };
    Redis::connect("metadata", &url, &config, &Readiness::default()).unwrap()
}

/// Waits until something is answered.
async fn answered(routes: &RedisRoutes) {
    let wait = async {
        while routes.gateways().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("Redis answers");
}

async fn routes_at(url: &str, key_prefix: &str) -> Arc<RedisRoutes> {
    let routes = Arc::new(RedisRoutes::new(limits(), redis_at(url, key_prefix)));
    answered(&routes).await;
    routes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_routes_conform() {
    let Some(server) = test_servers::redis().await else { return };
    let fresh = async || {
        let limits = RedisLimits { ttl_ms: 4_000, original_ttl_ms: 12_000, ..limits() };
        let redis = redis_at(&server.url(), &server.fresh_prefix());
        let routes = Arc::new(RedisRoutes::new(limits, redis));
        answered(&routes).await;
        (routes, Time { clock: None, ttl_ms: 4_000, original_ttl_ms: 12_000 })
    };
    conformance::suite(fresh).await;
}

#[tokio::test]
async fn what_one_instance_binds_another_finds_and_replaces() {
    let Some(server) = test_servers::redis().await else { return };
    let prefix = server.fresh_prefix();
    let (one, two) =
        (routes_at(&server.url(), &prefix).await, routes_at(&server.url(), &prefix).await);
    let (a, b) = (gateway("a"), gateway("b"));
    one.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
    assert_eq!(two.resolve(&[1]).await.unwrap(), [(1, Arc::clone(&a))]);
    let Bound::Here { replaced, .. } =
        two.bind(route(1, "text", "2", &b), Excludes::Device).await.unwrap()
    else {
        panic!("fenced");
    };
    assert_eq!(replaced[0].gateway, a);
    let fenced = Key { user_id: 1, device: "text".into(), session_id: "1".into() };
    assert_eq!(one.renew(&a, None, vec![fenced.clone()]).await.unwrap(), [fenced]);
    assert_eq!(one.resolve(&[1]).await.unwrap(), [(1, b)]);
}

#[tokio::test]
async fn after_a_wipe_routes_are_missing_until_they_are_bound_again() {
    let Some(mut server) = PrivateRedis::start().await else { return };
    let routes = routes_at(&server.server().url(), "p:").await;
    let a = gateway("a");
    let key = Key { user_id: 1, device: "text".into(), session_id: "1".into() };
    for wipe in ["FLUSHALL", "restart"] {
        routes.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
        assert_eq!(routes.renew(&a, None, vec![key.clone()]).await.unwrap(), []);
        if wipe == "restart" {
            server.kill().await;
            server.start_again().await;
            answered(&routes).await;
        } else {
            let flushed = routes.redis.run("wipe", |mut connection| async move {
                redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await
            });
            flushed.await.unwrap();
        }
        let missing = routes.renew(&a, None, vec![key.clone()]).await.unwrap();
        assert_eq!(missing, std::slice::from_ref(&key), "{wipe}");
        assert_eq!(routes.gateways().await.unwrap(), [Arc::clone(&a)], "{wipe}");
    }
}

#[tokio::test]
async fn while_redis_is_frozen_every_operation_fails_within_the_bound() {
    let Some(server) = PrivateRedis::start().await else { return };
    let redis = redis_within(500, &server.server().url(), "p:");
    let routes = Arc::new(RedisRoutes::new(limits(), redis));
    answered(&routes).await;
    let a = gateway("a");
    server.pause();
    let begun = Instant::now();
    let unavailable = |failed: Option<RoutesError>| {
        assert!(matches!(failed, Some(RoutesError::Unavailable(_))), "{failed:?}");
    };
    unavailable(routes.bind(route(1, "text", "1", &a), Excludes::Device).await.err());
    unavailable(routes.renew(&a, None, vec![]).await.err());
    unavailable(routes.resolve(&[1]).await.err());
    unavailable(routes.query(1).await.err());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    server.resume();
    let bound = async {
        while routes.bind(route(1, "text", "1", &a), Excludes::Device).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, bound).await.expect("it is used again");
}

#[tokio::test]
async fn junk_is_treated_as_absent_and_hurts_nobody_else() {
    let Some(server) = test_servers::redis().await else { return };
    let routes = routes_at(&server.url(), &server.fresh_prefix()).await;
    let a = gateway("a");
    routes.bind(route(3, "text", "3", &a), Excludes::Device).await.unwrap();
    let (one, two, three) = (routes.route_key(1), routes.route_key(2), routes.route_key(3));
    let gateways_key = routes.gateways_key.clone();
    let junk = routes.redis.run("put junk", |mut connection| async move {
        redis::pipe()
            .cmd("SET")
            .arg(one)
            .arg("not a hash")
            .cmd("HSET")
            .arg(two)
            .arg("text")
            .arg("\u{1f4a9}")
            .cmd("HSET")
            .arg(three)
            .arg("web")
            .arg("1 9999999999999 1 {}")
            .cmd("HSET")
            .arg(gateways_key)
            .arg("junk")
            .arg("junk")
            .query_async::<()>(&mut connection)
            .await
    });
    junk.await.unwrap();
    assert_eq!(routes.resolve(&[1, 2, 3]).await.unwrap(), [(3, Arc::clone(&a))]);
    let keys = [1, 2].map(|user_id| Key {
        user_id,
        device: "text".into(),
        session_id: user_id.to_string(),
    });
    assert_eq!(routes.renew(&a, None, keys.to_vec()).await.unwrap(), keys);
    for key in &keys {
        assert!(!routes.unbind(&a.boot_id, key).await.unwrap());
        let bound = routes
            .bind(route(key.user_id, "text", &key.session_id, &a), Excludes::Device)
            .await
            .unwrap();
        assert!(matches!(bound, Bound::Here { replaced, .. } if replaced.is_empty()));
    }
    let resolved = routes.resolve(&[1, 2, 3]).await.unwrap();
    assert_eq!(resolved.iter().map(|(user_id, _)| *user_id).collect::<Vec<_>>(), [1, 2, 3]);
}

/// Renewals come every second from each gateway.
#[tokio::test]
async fn five_thousand_routes_are_renewed_in_one_go() {
    let Some(server) = test_servers::redis().await else { return };
    let routes = routes_at(&server.url(), &server.fresh_prefix()).await;
    let a = gateway("a");
    let binds = (0..5_000).map(|user_id| {
        let (routes, a) = (Arc::clone(&routes), Arc::clone(&a));
        tokio::spawn(async move {
            routes.bind(route(user_id, "text", "s", &a), Excludes::Device).await.unwrap()
        })
    });
    for bind in binds.collect::<Vec<_>>() {
        bind.await.unwrap();
    }
    let keys =
        (0..5_001).map(|user_id| Key { user_id, device: "text".into(), session_id: "s".into() });
    let keys: Vec<Key> = keys.collect();
    for _ in 0..3 {
        let begun = Instant::now();
        let missing = routes.renew(&a, None, keys.clone()).await.unwrap();
        println!("renewed in {:?}", begun.elapsed());
        assert_eq!(missing, keys[5_000..]);
    }
}
