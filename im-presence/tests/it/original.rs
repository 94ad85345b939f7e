//! Beside gateways and services of the original system, which meet in Redis.

use std::time::Duration;

use futures_util::StreamExt as _;
use im_common::Deps;
use im_common::original::{channel, route_key};
use im_presence::{Config, start};
use mpim_proto::push::Content;
use mpim_proto::{
    BindRouteReq, C2cMsg, DeliveReq, Delivery, DispatchReq, Entry, EntryKind, Published,
    QueryRouteReq, UnbindRouteReq, presence_service,
};
use mprpc::{Channel, Context};
use prost::Message as _;
use redis::AsyncCommands as _;
use test_servers::PrivateRedis;

use crate::gateway::{Behaviour, Gateway, Told};

const SOON: Duration = Duration::from_secs(60);

/// im-presence with the mode on.
struct World {
    client: presence_service::Client,
    server: PrivateRedis,
    redis: redis::Client,
}

/// A gateway of the original: a name, and who listens on its channel.
struct OriginalGateway {
    name: &'static str,
    published: redis::aio::PubSub,
}

impl World {
    async fn start() -> Option<Self> {
        Self::with(60_000).await
    }

    /// One that waits so long for Redis.
    async fn with(response_timeout_ms: u32) -> Option<Self> {
        let server = PrivateRedis::start().await?;
        let url = server.server().url();
        let mut config = Config::default();
        config.rpc.listen.set_port(0);
        config.redis.metadata_url = url.parse().unwrap();
        config.redis.queue_url = url.parse().unwrap();
        config.redis.shared.response_timeout_ms = response_timeout_ms;
        config.original.enabled = true;
        let running = start(config, Deps::default()).await.unwrap();
        let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
        let redis = redis::Client::open(url).unwrap();
        let world = Self { client: presence_service::Client::new(&channel), server, redis };
        world.until_connected().await;
        Some(world)
    }

    /// Until routes are written to Redis, and published to.
    async fn until_connected(&self) {
        let mut probe = self.gateway("probe").await;
        let wait = async {
            loop {
                let bound = self.client.bind_route(&cx(), binds(99, "probe")).await;
                if bound.is_ok() && self.deliver(99, 0, "probe").await == "ok" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("connected to Redis in time");
        probe.next().await;
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        test_servers::redis_connection(&self.redis).await.unwrap()
    }

    async fn gateway(&self, name: &'static str) -> OriginalGateway {
        let mut published = self.redis.get_async_pubsub().await.unwrap();
        published.subscribe(channel(name)).await.unwrap();
        OriginalGateway { name, published }
    }

    /// What an original gateway does at a log-in.
    async fn bind(&self, user_id: i64, gateway: &OriginalGateway) {
        let answer = self.client.bind_route(&cx(), binds(user_id, gateway.name)).await.unwrap();
        assert!(answer.result.unwrap().is_ok());
    }

    /// What the original's im-message does with a message; the result's text.
    async fn deliver(&self, to: i64, msg_id: i64, text: &str) -> String {
        let payload = message(to, msg_id, text).encode_to_vec().into();
        match self.client.deliver(&cx(), DeliveReq { to, payload }).await {
            Ok(answer) => answer.result.unwrap().msg,
            Err(status) => status.to_string(),
        }
    }

    async fn dispatch(&self, entry: Entry, recipients: &[i64]) -> Vec<Published> {
        let (entry, recipients) = (Some(entry), recipients.to_vec());
        let delivery = Delivery { entry, recipients, ..Delivery::default() };
        let request = DispatchReq { deliveries: vec![delivery], resync: false };
        let answer = self.client.dispatch(&cx(), request).await.unwrap();
        assert!(answer.result.unwrap().is_ok());
        answer.published
    }

    async fn query(&self, user_id: i64) -> String {
        let answer = self.client.query_route(&cx(), QueryRouteReq { user_id }).await.unwrap();
        if answer.result.as_ref().unwrap().is_ok() {
            answer.gateway_id
        } else {
            answer.result.unwrap().msg
        }
    }
}

impl OriginalGateway {
    /// What was published next.
    async fn next(&mut self) -> C2cMsg {
        let next = self.published.on_message().next().await;
        C2cMsg::decode(next.unwrap().get_payload_bytes()).unwrap()
    }

    async fn next_soon(&mut self) -> C2cMsg {
        tokio::time::timeout(SOON, self.next()).await.expect("a publication in time")
    }
}

fn cx() -> Context {
    Context::with_timeout(SOON)
}

fn binds(user_id: i64, gateway: &str) -> BindRouteReq {
    let (gateway_id, device) = (gateway.to_owned(), "cli".to_owned());
    BindRouteReq { user_id, gateway_id, device, ..BindRouteReq::default() }
}

fn message(to: i64, msg_id: i64, text: &str) -> C2cMsg {
    C2cMsg { msg_id, from: 9, to, ts_ms: 5, text: text.to_owned() }
}

fn entry(conv_id: &str, msg_id: i64, text: &str) -> Entry {
    let (conv_id, text) = (conv_id.to_owned(), text.to_owned());
    let kind = EntryKind::Text.into();
    Entry { conv_id, seq: 3, msg_id, from: 9, ts_ms: 5, kind, text, ..Entry::default() }
}

#[tokio::test]
async fn who_is_at_an_original_gateway_is_reached_there() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    assert_eq!(world.query(1).await, "g1");
    let mut redis = world.connection().await;
    let route: String = redis.get(route_key(1)).await.unwrap();
    let ttl_s: i64 = redis.ttl(route_key(1)).await.unwrap();
    assert_eq!(route, "g1");
    assert!((60..=120).contains(&ttl_s), "{ttl_s}");

    let published = world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await;
    assert_eq!(published, [Published { user_id: 1, conv_id: "c2c_1_9".into(), seq: 3 }]);
    assert_eq!(gateway.next_soon().await, message(1, 7, "hello"));
    assert_eq!(world.deliver(1, 0, "as the original sends it").await, "ok");
    assert_eq!(gateway.next_soon().await, message(1, 0, "as the original sends it"));
}

#[tokio::test]
async fn who_was_bound_by_an_original_im_presence_is_found_in_redis() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    assert_eq!(world.query(1).await, "no route");
    let _: () = world.connection().await.set_ex(route_key(1), "g1", 120).await.unwrap();
    assert_eq!(world.query(1).await, "g1");
    assert_eq!(world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await.len(), 1);
    assert_eq!(gateway.next_soon().await.text, "hello");
}

#[tokio::test]
async fn a_gateway_to_which_nobody_listens_has_nothing() {
    let Some(world) = World::start().await else { return };
    let gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    drop(gateway);
    let wait = async {
        while world.deliver(1, 0, "hello").await != "receiver offline" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the subscription ends in time");
    assert_eq!(world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await, []);
    // The gateway is back: nothing says that this message was shown.
    let mut gateway = world.gateway("g1").await;
    assert_eq!(world.deliver(1, 7, "hello").await, "ok");
    assert_eq!(gateway.next_soon().await.msg_id, 7);
}

#[tokio::test]
async fn who_is_gone_from_an_original_gateway_is_not_published_to() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    let gone = UnbindRouteReq { user_id: 1, ..UnbindRouteReq::default() };
    world.client.unbind_route(&cx(), gone.clone()).await.unwrap();
    assert_eq!(world.query(1).await, "no route");
    assert_eq!(world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await, []);
    world.bind(1, &gateway).await;
    assert_eq!(world.dispatch(entry("c2c_1_9", 8, "back"), &[1, 9]).await.len(), 1);
    assert_eq!(gateway.next_soon().await.text, "back");
    // One of ours is not touched.
    let ours = Gateway::start("ours", Behaviour { reached: 1, closes: true }).await;
    world.client.bind_route(&cx(), ours.binds(1, "s")).await.unwrap();
    let _: () = world.connection().await.set_ex(route_key(1), "ours", 120).await.unwrap();
    world.client.unbind_route(&cx(), gone).await.unwrap();
    assert_eq!(world.query(1).await, "ours");
    let route: String = world.connection().await.get(route_key(1)).await.unwrap();
    assert_eq!(route, "ours");
}

#[tokio::test]
async fn neither_groups_nor_joinings_nor_the_authors_own_words_are_published() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    world.bind(9, &gateway).await;
    assert_eq!(world.dispatch(entry("grp_4", 6, "to all"), &[1, 9]).await, []);
    let joined = Entry { kind: EntryKind::Joined.into(), ..entry("grp_4", 7, "") };
    assert_eq!(world.dispatch(joined, &[1, 9]).await, []);
    assert_eq!(world.dispatch(entry("c2c_9_9", 8, "a note"), &[9]).await, []);
    world.dispatch(entry("c2c_1_9", 10, "hello"), &[1, 9]).await;
    assert_eq!(gateway.next_soon().await, message(1, 10, "hello"));
}

#[tokio::test]
async fn a_message_that_comes_by_dispatch_and_by_deliver_is_published_once() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    world.dispatch(entry("c2c_1_9", 7, "a"), &[1, 9]).await;
    assert_eq!(world.deliver(1, 7, "a").await, "ok", "they have it");
    assert_eq!(world.deliver(1, 8, "b").await, "ok");
    let published = world.dispatch(entry("c2c_1_9", 8, "b"), &[1, 9]).await;
    assert_eq!(published.len(), 1, "they have it");
    world.deliver(1, 0, "end").await;
    let mut shown = Vec::new();
    while shown.last().is_none_or(|text| text != "end") {
        shown.push(gateway.next_soon().await.text);
    }
    assert_eq!(shown, ["a", "b", "end"]);
}

#[tokio::test]
async fn a_deliver_that_tells_no_id_is_not_published_again_in_whichever_order_it_comes() {
    let Some(world) = World::start().await else { return };
    let mut gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    world.dispatch(entry("c2c_1_9", 7, "a"), &[1, 9]).await;
    assert_eq!(world.deliver(1, 0, "a").await, "ok", "they have it");
    assert_eq!(world.deliver(1, 0, "b").await, "ok");
    let published = world.dispatch(entry("c2c_1_9", 8, "b"), &[1, 9]).await;
    assert_eq!(published.len(), 1, "they have it");
    // Said again, each is another message.
    world.dispatch(entry("c2c_1_9", 9, "b"), &[1, 9]).await;
    world.dispatch(entry("c2c_1_9", 10, "b"), &[1, 9]).await;
    world.deliver(1, 0, "b").await;
    world.deliver(1, 0, "b").await;
    // An im-message of the original dispatches nothing.
    for _ in 0..2 {
        world.deliver(1, 0, "c").await;
    }
    world.deliver(1, 0, "end").await;
    let mut shown = Vec::new();
    while shown.last().is_none_or(|(_, text)| text != "end") {
        let C2cMsg { msg_id, text, .. } = gateway.next_soon().await;
        shown.push((msg_id, text));
    }
    let shown: Vec<_> = shown.iter().map(|(msg_id, text)| (*msg_id, text.as_str())).collect();
    let once = [(7, "a"), (0, "b"), (9, "b"), (10, "b"), (0, "c"), (0, "c"), (0, "end")];
    assert_eq!(shown, once);
}

#[tokio::test]
async fn who_has_routes_to_two_original_gateways_is_reached_at_both() {
    let Some(world) = World::start().await else { return };
    let (mut stale, mut current) = (world.gateway("g1").await, world.gateway("g2").await);
    world.bind(1, &stale).await;
    // Bound by an im-presence of the original.
    let _: () = world.connection().await.set_ex(route_key(1), "g2", 120).await.unwrap();
    world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await;
    assert_eq!(stale.next_soon().await.msg_id, 7);
    assert_eq!(current.next_soon().await.msg_id, 7);
}

#[tokio::test]
async fn users_of_our_gateways_get_pushes_and_are_not_published_to() {
    let Some(world) = World::start().await else { return };
    let mut ours = Gateway::start("ours", Behaviour { reached: 1, closes: true }).await;
    world.client.bind_route(&cx(), ours.binds(1, "s")).await.unwrap();
    // Our gateways put their routes there, too.
    let _: () = world.connection().await.set_ex(route_key(1), "ours", 120).await.unwrap();
    let mut listener = world.gateway("ours").await;
    assert_eq!(world.query(1).await, "ours");
    assert_eq!(world.dispatch(entry("c2c_1_9", 7, "hello"), &[1, 9]).await, []);
    assert_eq!(world.deliver(1, 0, "direct").await, "ok");
    loop {
        let Told::Push(push) = ours.told().await else { continue };
        if push.pushes.iter().any(|push| matches!(push.content, Some(Content::Direct(_)))) {
            break;
        }
    }
    let _: i64 = world
        .connection()
        .await
        .publish(channel("ours"), message(1, 0, "").encode_to_vec())
        .await
        .unwrap();
    assert_eq!(listener.next_soon().await.text, "", "nothing else was published");
}

#[tokio::test]
async fn without_redis_dispatches_fail_in_time_and_go_through_when_it_is_back() {
    let Some(mut world) = World::with(3_000).await else { return };
    let gateway = world.gateway("g1").await;
    world.bind(1, &gateway).await;
    world.server.pause();
    let to_all = Some(entry("c2c_1_9", 7, "hello"));
    let delivery = Delivery { entry: to_all, recipients: vec![1, 9], ..Delivery::default() };
    let request = DispatchReq { deliveries: vec![delivery], resync: false };
    let status = world.client.dispatch(&cx(), request).await.unwrap_err();
    assert_eq!(status.code(), mprpc::Code::Unavailable, "{status}");
    world.server.resume();
    world.server.kill().await;
    drop(gateway);
    world.server.start_again().await;
    let mut gateway = world.gateway("g1").await;
    world.until_connected().await;
    world.bind(1, &gateway).await;
    assert_eq!(world.dispatch(entry("c2c_1_9", 8, "again"), &[1, 9]).await.len(), 1);
    assert_eq!(gateway.next_soon().await.text, "again");
}
