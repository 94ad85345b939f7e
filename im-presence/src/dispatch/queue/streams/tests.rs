use im_common::Readiness;
use im_common::redis::{RedisConfig, RedisUrl};
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use test_servers::{PrivateRedis, Way};
use tokio::sync::mpsc;

use super::*;
use crate::dispatch::queue::conformance;
use crate::dispatch::queue::testing::{TestRouting, around, gateway, msg_ids, push};

const LIMITS: StreamLimits = StreamLimits { requests_max: 100, ttl: Duration::from_secs(60) };

async fn redis_at(url: &str, key_prefix: String) -> Redis {
    let url: RedisUrl = url.parse().unwrap();
    let config = RedisConfig { key_prefix, response_timeout_ms: 60_000, ..RedisConfig::default() };
    let redis = Redis::connect("queue", &url, &config, &Readiness::default()).unwrap();
    let answers = async {
        while redis.run("wait", ping).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), answers).await.expect("Redis answers");
    redis
}

async fn ping(mut connection: MultiplexedConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

fn queue(
    redis: &Redis,
    change: impl FnOnce(&mut super::super::PushLimits),
) -> StreamQueue<TestRouting> {
    StreamQueue::new(
        around(change),
        Gateways::new(10, im_common::Trust::default()),
        redis.clone(),
        LIMITS,
    )
}

/// What stands in a stream, and what comes.
async fn stream(redis: &Redis, key: String) -> mpsc::UnboundedReceiver<PushReq> {
    let mut connection = redis.dedicated().await.unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut last = "0".to_owned();
        loop {
            let mut read = redis::cmd("XREAD");
            read.arg("BLOCK").arg(1_000).arg("STREAMS").arg(&key).arg(&last);
            let Ok(reply) = read.query_async::<StreamReadReply>(&mut connection).await else {
                return;
            };
            for entry in reply.keys.into_iter().flat_map(|key| key.ids) {
                let push: Vec<u8> = entry.get("push").unwrap();
                last = entry.id;
                if sender.send(PushReq::decode(&*push).unwrap()).is_err() {
                    return;
                }
            }
        }
    });
    received
}

#[tokio::test]
async fn the_queue_over_streams_conforms() {
    let Some(server) = test_servers::redis().await else { return };
    let fresh = async |change: conformance::Change| {
        let redis = redis_at(&server.url(), server.fresh_prefix()).await;
        let a = gateway("a", 1_000).await;
        let received = stream(&redis, redis.key("stream:boot-a")).await;
        conformance::Subject { queue: queue(&redis, change), gateway: a.gateway, received }
    };
    conformance::suite(fresh).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_bounded_and_expires() {
    let Some(server) = test_servers::redis().await else { return };
    let redis = redis_at(&server.url(), server.fresh_prefix()).await;
    let a = gateway("a", 0).await;
    let queue = queue(&redis, |limits| limits.batch_pushes_max = 1);
    let pushes = (1..=1_000).map(push).collect();
    queue.offer(&a.gateway, pushes, false).await;
    queue.close();
    let key = redis.key("stream:boot-a");
    let look = async || {
        let key = key.clone();
        let look = redis.run("look", |mut connection| async move {
            let mut look = redis::pipe();
            look.cmd("XLEN").arg(&key).cmd("PTTL").arg(&key);
            look.cmd("XREVRANGE").arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
            look.query_async::<(u64, i64, redis::streams::StreamRangeReply)>(&mut connection).await
        });
        look.await.unwrap()
    };
    let closed = async {
        loop {
            let (length, ttl_ms, last) = look().await;
            let last = last.ids.first().map(|entry| entry.get::<Vec<u8>>("push").unwrap());
            let last = last.map(|push| PushReq::decode(&*push).unwrap());
            if last.is_some_and(|push| push.closing) {
                break (length, ttl_ms);
            }
        }
    };
    let (length, ttl_ms) =
        tokio::time::timeout(Duration::from_secs(60), closed).await.expect("written in time");
    assert!(length < 300, "{length}");
    assert!((1..=60_000).contains(&ttl_ms), "{ttl_ms}");
}

#[tokio::test]
async fn while_redis_is_away_requests_take_the_direct_way_within_the_same_numbers() {
    let Some(mut server) = PrivateRedis::start().await else { return };
    let redis = redis_at(&server.server().url(), String::new()).await;
    let mut a = gateway("a", 1_000).await;
    let queue = queue(&redis, |_| ());
    let mut received = stream(&redis, redis.key("stream:boot-a")).await;
    queue.offer(&a.gateway, vec![push(1)], false).await;
    assert_eq!(received.recv().await.unwrap().number, 1);
    server.kill().await;
    queue.offer(&a.gateway, vec![push(2)], false).await;
    let mut direct = a.next().await;
    if direct.number == 1 {
        // Redis died before its answer was heard, and so it comes twice.
        assert_eq!(msg_ids(&direct), [1]);
        direct = a.next().await;
    }
    assert_eq!((direct.number, msg_ids(&direct)), (2, vec![2]));
    assert_eq!(direct.link_boot_id, "p");
}

#[tokio::test]
async fn a_request_whose_writing_nobody_confirmed_comes_directly_too_under_its_one_number() {
    let Some(server) = test_servers::redis().await else { return };
    let way = Way::to(&server.address()).await;
    let redis = redis_at(&format!("redis://{}/0", way.address()), server.fresh_prefix()).await;
    let mut a = gateway("a", 1_000).await;
    let queue = queue(&redis, |_| ());
    let mut received = stream(&redis, redis.key("stream:boot-a")).await;
    way.lose_answer_to("XADD");
    queue.offer(&a.gateway, vec![push(1)], false).await;
    let (direct, streamed) = (a.next().await, received.recv().await.unwrap());
    assert_eq!((direct.number, msg_ids(&direct)), (1, vec![1]));
    assert_eq!(streamed, direct);
}
