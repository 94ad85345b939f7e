//! The limit holds, alone and shared. What every limit must do, both do: on the system's clock, since
//! Redis has its own.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use im_common::redis::{Redis, RedisConfig};
use im_common::{Clock, Readiness};
use test_servers::PrivateRedis;
use tokio::time::Instant;

use super::{Attempts, Limits, Source, What};
use crate::config::LogInConfig;

const HOUR_MS: u32 = 3_600_000;
/// For whatever must happen at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis for the tests here, and what keeps their keys apart from those of others.
struct Server {
    url: String,
    config: RedisConfig,
}

impl Server {
    async fn shared() -> Option<Self> {
        let redis = test_servers::redis().await?;
        let config = RedisConfig { key_prefix: redis.fresh_prefix(), ..patient() };
        Some(Self { url: redis.url(), config })
    }

    fn private(redis: &PrivateRedis) -> Self {
        Self { url: redis.server().url(), config: patient() }
    }

    /// The attempts of one instance, once it has a connection.
    async fn instance(&self, free: u32, delay_ms: u32) -> Attempts {
        let url = self.url.parse().unwrap();
        let redis = Redis::connect("cache", &url, &self.config, &Readiness::default()).unwrap();
        let instance = attempts(free, delay_ms, Some(redis));
        until("a connection", async || reaches_redis(&instance).await).await;
        instance
    }
}

/// The machine may be busy with other tests.
fn patient() -> RedisConfig {
    RedisConfig { response_timeout_ms: 60_000, ..RedisConfig::default() }
}

/// With a delay that does not grow.
fn config(free: u32, delay_ms: u32) -> LogInConfig {
    let (delay_max_ms, address_delay_max_ms) = (delay_ms, delay_ms);
    let address_free = 2 * free;
    LogInConfig {
        free,
        delay_ms,
        delay_max_ms,
        address_free,
        address_delay_max_ms,
        registrations_free: free,
        ..LogInConfig::default()
    }
}

fn attempts(free: u32, delay_ms: u32, redis: Option<Redis>) -> Attempts {
    Attempts::new(&config(free, delay_ms), Clock::system(), redis)
}

fn at(name: &str, address: &str) -> Source {
    Source::new(name.as_bytes(), address, false)
}

async fn waits(attempts: &Attempts, name: &str) -> bool {
    attempts.wait_ms(&at(name, "")).await > 0
}

async fn reaches_redis(attempts: &Attempts) -> bool {
    attempts.shared.as_ref().unwrap().ask(What::Look, &at("somebody", "")).await.is_ok()
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !seen().await {
        assert!(Instant::now() < deadline, "no {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn fail(attempts: &Attempts, name: &str, times: u32) {
    for _ in 0..times {
        attempts.failed(&at(name, "")).await;
    }
}

/// What every limit must do, whoever counts.
async fn conforms(instance: impl AsyncFn(u32, u32) -> Attempts) {
    let slow = instance(3, HOUR_MS).await;
    for _ in 0..3 {
        assert!(!waits(&slow, "alice").await);
        fail(&slow, "alice", 1).await;
    }
    assert!(waits(&slow, "alice").await, "as many are free as are configured");
    assert!(waits(&slow, "ALICE").await, "case would give more");
    // Two names may share a place of the table by chance; that all of these do is impossible.
    let mut others = 0;
    for other in ["bob", "carol", "dave", "erin"] {
        others += u32::from(!waits(&slow, other).await);
    }
    assert!(others > 0, "others do not wait");
    slow.succeeded(&at("alice", "")).await;
    assert!(!waits(&slow, "alice").await, "who has logged in starts anew");

    // An owner where they have logged in, whatever others do elsewhere.
    let (home, attacker) = (at("alice", "192.0.2.1"), at("alice", "192.0.2.2"));
    slow.succeeded(&home).await;
    for _ in 0..10 {
        slow.failed(&attacker).await;
    }
    assert!(slow.wait_ms(&attacker).await > 0 && waits(&slow, "alice").await);
    assert_eq!(slow.wait_ms(&home).await, 0);
    assert!(slow.wait_ms(&at("zoe", "192.0.2.2")).await > 0, "the address has guessed too much");
    for _ in 0..3 {
        slow.failed(&home).await;
    }
    assert!(slow.wait_ms(&home).await > 0, "it is judged as any other");

    // Accounts that an address makes, whatever they are called.
    for name in ["a", "b", "c"] {
        assert_eq!(slow.registers(&at(name, "192.0.2.9")).await, 0);
    }
    assert!(slow.registers(&at("d", "192.0.2.9")).await > 0);
    assert_eq!(slow.registers(&at("d", "192.0.2.8")).await, 0);

    let quick = instance(3, 5_000).await;
    fail(&quick, "victim", 1_000).await;
    assert!(waits(&quick, "victim").await);
    // A thousand delays would take more than an hour.
    until("end of the wait", async || !waits(&quick, "victim").await).await;
    fail(&quick, "victim", 1).await;
    assert!(waits(&quick, "victim").await, "one delay is one attempt");
}

#[tokio::test]
async fn a_process_by_itself_conforms() {
    conforms(async |free, delay_ms| attempts(free, delay_ms, None)).await;
}

#[tokio::test]
async fn instances_that_share_a_redis_conform() {
    let Some(server) = Server::shared().await else { return };
    conforms(async |free, delay_ms| {
        let mut instance = server.instance(free, delay_ms).await;
        // What is counted here alone is not what this is about.
        instance.here = super::Table::new(Limits::new(&config(60_000, 1)));
        instance
    })
    .await;
}

#[tokio::test]
async fn guesses_on_two_instances_count_together() {
    let Some(server) = Server::shared().await else { return };
    let (one, other) = (server.instance(5, HOUR_MS).await, server.instance(5, HOUR_MS).await);
    fail(&one, "alice", 3).await;
    fail(&other, "Alice", 2).await;
    assert!(waits(&one, "alice").await && waits(&other, "alice").await);
    assert!(!waits(&one, "bob").await);
}

#[tokio::test]
async fn what_is_no_number_in_redis_counts_as_nothing_and_is_replaced() {
    let Some(server) = Server::shared().await else { return };
    let attempts = server.instance(1, HOUR_MS).await;
    let shared = attempts.shared.as_ref().unwrap();
    for (name, command, junk) in
        [("alice", "SET", "junk"), ("bob", "SET", "nan nan"), ("carol", "RPUSH", "no text")]
    {
        let key = shared.keys(&at(name, "")).remove(0);
        let written = shared.redis.run("write junk", async |mut connection| {
            redis::cmd(command).arg(&key).arg(junk).query_async::<()>(&mut connection).await
        });
        written.await.unwrap();
        let ask = async |what| shared.ask(what, &at(name, "")).await.unwrap();
        assert_eq!(ask(What::Look).await, 0, "{name}");
        assert!(ask(What::Fail).await > 0 && ask(What::Look).await > 0, "{name}");
    }
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_said_and_leaves_the_limit_of_this_process() {
    let Some(redis) = PrivateRedis::start().await else { return };
    let attempts = Server::private(&redis).instance(5, HOUR_MS).await;
    let shared = attempts.shared.as_ref().unwrap();
    let replica_of = async |host: &str, port: &str| {
        let command = shared.redis.run("make it a replica", async |mut connection| {
            redis::cmd("REPLICAOF").arg(host).arg(port).query_async::<()>(&mut connection).await
        });
        command.await.unwrap();
    };
    let failing = || [&shared.looks, &shared.charges].map(|of| of.failing.load(Relaxed));
    fail(&attempts, "bob", 1).await;
    assert_eq!(failing(), [false, false]);

    replica_of("127.0.0.1", "1").await;
    fail(&attempts, "alice", 5).await;
    let look = shared.ask(What::Look, &at("alice", "")).await;
    assert_eq!(look.unwrap(), 0, "it counts nothing, and says so");
    assert_eq!(failing(), [false, true]);
    assert!(waits(&attempts, "alice").await);
    replica_of("NO", "ONE").await;
    fail(&attempts, "bob", 1).await;
    assert_eq!(failing(), [false, false]);
}

#[tokio::test]
async fn a_redis_that_forgot_everything_does_not_open_the_gate() {
    let Some(mut redis) = PrivateRedis::start().await else { return };
    let attempts = Server::private(&redis).instance(5, HOUR_MS).await;
    fail(&attempts, "alice", 5).await;
    redis.kill().await;
    redis.start_again().await;
    until("connection again", async || reaches_redis(&attempts).await).await;
    let shared = attempts.shared.as_ref().unwrap();
    assert_eq!(shared.ask(What::Look, &at("alice", "")).await.unwrap(), 0, "it forgot");
    assert!(waits(&attempts, "alice").await, "this process did not");
}

#[tokio::test]
async fn without_redis_the_limit_holds_and_nobody_waits_long() {
    let Some(mut redis) = PrivateRedis::start().await else { return };
    let mut server = Server::private(&redis);
    server.config.response_timeout_ms = 200;
    let attempts = server.instance(5, HOUR_MS).await;
    redis.pause();
    let began = Instant::now();
    assert!(!waits(&attempts, "alice").await, "a frozen Redis refuses nobody");
    fail(&attempts, "alice", 1).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    redis.resume();
    redis.kill().await;
    fail(&attempts, "alice", 4).await;
    assert!(waits(&attempts, "alice").await, "the limit of this process holds");
}
