//! Routes in Redis: several instances, and a Redis that goes away.

use std::time::Duration;

use im_common::redis::RedisUrl;
use im_common::{Deps, Running};
use im_presence::{Config, start};
use mpim_proto::{
    BindRouteReq, C2cMsg, CloseDeviceReq, CloseSessionReq, CloseSessionsResp, DeliveReq, Delivery,
    DispatchReq, Entry, QueryRouteReq, RenewRoutesReq, RenewRoutesResp, RouteKey, presence_service,
};
use mprpc::{Channel, Code, Context, Status};
use prost::Message as _;
use test_servers::PrivateRedis;
use tokio::time::Instant;

use crate::gateway::{Behaviour, Gateway, Told};

const GOOD: Behaviour = Behaviour { reached: 1, closes: true };

struct Instance {
    client: presence_service::Client,
    _running: Running,
}

async fn instance(url: &str) -> Instance {
    instance_with(url, |_| ()).await
}

/// One that is patient with Redis, but for what `change` does.
async fn instance_with(url: &str, change: impl FnOnce(&mut Config)) -> Instance {
    let mut config = Config::default();
    config.rpc.listen.set_port(0);
    config.redis.metadata_url = url.parse::<RedisUrl>().unwrap();
    config.redis.shared.response_timeout_ms = 60_000;
    config.push.heartbeat_ms = 60_000;
    change(&mut config);
    let running = start(config, Deps::default()).await.unwrap();
    let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
    let instance = Instance { client: presence_service::Client::new(&channel), _running: running };
    instance.until_connected().await;
    instance
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

impl Instance {
    /// Waits until it can read routes.
    async fn until_connected(&self) {
        let wait = async {
            while self.query(0).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("connected in time");
    }

    /// Answers when the session began.
    async fn bind(&self, request: BindRouteReq) -> Result<i64, Status> {
        let answer = self.client.bind_route(&cx(), request).await?;
        assert!(answer.result.unwrap().is_ok());
        Ok(answer.since_ms)
    }

    /// Whether a session that binds again is told that a later one has the route.
    async fn is_fenced(&self, request: BindRouteReq) -> bool {
        let answer = self.client.bind_route(&cx(), request).await.unwrap();
        answer.result.is_some_and(|result| result.msg == "logged in elsewhere")
    }

    async fn query(&self, user_id: i64) -> Result<String, Status> {
        Ok(self.client.query_route(&cx(), QueryRouteReq { user_id }).await?.gateway_id)
    }

    async fn dispatch(&self, msg_id: i64, recipients: &[i64]) -> Result<(), Status> {
        let entry = Some(Entry { msg_id, ..Entry::default() });
        let deliveries =
            vec![Delivery { entry, recipients: recipients.to_vec(), ..Delivery::default() }];
        self.client.dispatch(&cx(), DispatchReq { deliveries, resync: false }).await?;
        Ok(())
    }

    /// Closes the sessions of a user's device, wherever they are.
    async fn closes_all_of(&self, user_id: i64) -> CloseSessionsResp {
        let device = "text".to_owned();
        let request = CloseDeviceReq { user_id, device, ..CloseDeviceReq::default() };
        let closed = self.client.close_device(&cx(), request).await.unwrap();
        assert_eq!(closed.unreached, 0);
        closed
    }

    async fn renew(&self, gateway: &Gateway, session: &str) -> Result<RenewRoutesResp, Status> {
        let bind = gateway.binds(1, session);
        let request = RenewRoutesReq {
            gateway_id: bind.gateway_id,
            boot_id: bind.boot_id,
            gateway_addr: bind.gateway_addr,
            offer: None,
            routes: vec![RouteKey {
                user_id: 1,
                device: bind.device,
                session_id: session.to_owned(),
            }],
        };
        self.client.renew_routes(&cx(), request).await
    }
}

/// The message id and the recipients of the next push.
async fn pushed(gateway: &mut Gateway) -> (i64, Vec<i64>) {
    let Told::Push(push) = gateway.told().await else { panic!("not a push") };
    let push = push.pushes.into_iter().next().expect("a push with an entry");
    match push.content {
        Some(mpim_proto::push::Content::Entry(entry)) => (entry.msg_id, push.recipients),
        Some(mpim_proto::push::Content::Direct(msg)) => (msg.msg_id, push.recipients),
        None => panic!("a push of nothing"),
    }
}

#[tokio::test]
async fn what_is_bound_at_one_instance_is_reached_and_fenced_through_another() {
    let Some(server) = PrivateRedis::start().await else { return };
    let url = server.server().url();
    let (one, two) = (instance(&url).await, instance(&url).await);
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    one.bind(a.binds(1, "old")).await.unwrap();
    two.dispatch(10, &[1, 2]).await.unwrap();
    assert_eq!(pushed(&mut a).await, (10, vec![1]));
    two.bind(b.binds(1, "new")).await.unwrap();
    assert!(matches!(a.told().await, Told::Close(close) if close.session_id == "old"));
    one.dispatch(11, &[1]).await.unwrap();
    assert_eq!(pushed(&mut b).await, (11, vec![1]));
    assert_eq!(one.renew(&a, "old").await.unwrap().missing.len(), 1);
    assert_eq!(two.renew(&b, "new").await.unwrap().missing, []);
}

/// The next thing that a gateway is told is to close what it has of user 1 from before then.
async fn closes_older(gateway: &mut Gateway, began_before_ms: i64) {
    let Told::Close(close) = gateway.told().await else { panic!("not told to close") };
    let boot_id = format!("boot-{}", gateway.name);
    let wanted = CloseSessionReq {
        boot_id,
        reason: "logged in elsewhere".to_owned(),
        user_id: 1,
        device_class: "text".to_owned(),
        began_before_ms,
        ..CloseSessionReq::default()
    };
    assert_eq!(close, wanted);
}

#[tokio::test]
async fn while_redis_is_away_chat_goes_on() {
    let Some(mut server) = PrivateRedis::start().await else { return };
    let presence = instance(&server.server().url()).await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    let since_ms = presence.bind(a.binds(1, "1")).await.unwrap();
    presence.bind(b.binds(2, "2")).await.unwrap();
    assert!(!presence.closes_all_of(7).await.incomplete);
    for gateway in [&mut a, &mut b] {
        while !matches!(gateway.told().await, Told::Close(close) if close.user_id == 7) {}
    }
    server.kill().await;

    presence.dispatch(10, &[1]).await.unwrap();
    assert_eq!(pushed(&mut a).await, (10, vec![1]));
    assert_eq!(pushed(&mut b).await, (10, vec![1]), "who ignores recipients that it does not have");
    let payload = C2cMsg { msg_id: 11, ..C2cMsg::default() }.encode_to_vec();
    let request = DeliveReq { to: 1, payload: payload.into() };
    let delivered = presence.client.deliver(&cx(), request).await.unwrap();
    assert!(delivered.result.unwrap().is_ok());
    // What can wait is said to be unavailable, and by whom.
    let original = BindRouteReq { gateway_id: "old".to_owned(), ..BindRouteReq::default() };
    let again = BindRouteReq { since_ms, ..a.binds(1, "1") };
    for request in [original, again] {
        let refused = presence.bind(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains(&server.address()), "{refused}");
    }
    assert_eq!(presence.renew(&a, "1").await.unwrap_err().code(), Code::Unavailable);
    assert!(presence.closes_all_of(7).await.incomplete, "there may be gateways it never heard of");
    for gateway in [&mut a, &mut b] {
        while !matches!(gateway.told().await, Told::Close(close) if close.user_id == 7) {}
    }

    server.start_again().await;
    presence.until_connected().await;
    let renewed = presence.renew(&a, "1").await.unwrap();
    assert_eq!(renewed.missing.len(), 1, "bind again, then sync");
    presence.bind(a.binds(1, "1")).await.unwrap();
    assert_eq!(presence.renew(&a, "1").await.unwrap().missing, []);
    assert_eq!(presence.query(1).await.unwrap(), "a");
}

#[tokio::test]
async fn who_logs_in_while_redis_is_away_gets_entries_and_later_the_route() {
    for newer_is_first in [true, false] {
        let Some(mut server) = PrivateRedis::start().await else { return };
        let url = server.server().url();
        let (one, two) = (instance(&url).await, instance(&url).await);
        let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
        let old = one.bind(a.binds(1, "old")).await.unwrap();
        assert_eq!(two.query(1).await.unwrap(), "a");
        server.kill().await;

        // The instance has never heard of the gateway that has the older session.
        let new = two.bind(b.binds(1, "new")).await.unwrap();
        assert!(new > old);
        closes_older(&mut b, new).await;
        assert!(two.renew(&a, "old").await.is_err());
        let newest = two.bind(b.binds(1, "newest")).await.unwrap();
        assert!(newest > new);
        closes_older(&mut a, newest).await;
        closes_older(&mut b, newest).await;
        two.dispatch(10, &[1]).await.unwrap();
        assert_eq!(pushed(&mut b).await, (10, vec![1]));

        server.start_again().await;
        one.until_connected().await;
        two.until_connected().await;
        assert_eq!(two.renew(&b, "newest").await.unwrap().missing.len(), 1);
        let old = BindRouteReq { since_ms: old, ..a.binds(1, "old") };
        let newest = BindRouteReq { since_ms: newest, ..b.binds(1, "newest") };
        if newer_is_first {
            two.bind(newest).await.unwrap();
            assert!(one.is_fenced(old).await);
        } else {
            one.bind(old).await.unwrap();
            two.bind(newest).await.unwrap();
            while !matches!(a.told().await, Told::Close(close) if close.session_id == "old") {}
        }
        assert_eq!(one.query(1).await.unwrap(), "b");
    }
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_as_good_as_none() {
    let Some(server) = PrivateRedis::start().await else { return };
    let presence = instance(&server.server().url()).await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    presence.bind(a.binds(1, "1")).await.unwrap();
    let takes_writes = async |takes: bool| {
        let client = redis::Client::open(server.server().url()).unwrap();
        let mut connection = test_servers::redis_connection(&client).await.unwrap();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("min-replicas-to-write").arg(u8::from(!takes));
        set.query_async::<()>(&mut connection).await.unwrap();
    };
    takes_writes(false).await;
    let since_ms = presence.bind(b.binds(1, "2")).await.unwrap();
    closes_older(&mut a, since_ms).await;
    closes_older(&mut b, since_ms).await;
    // By what can be read, the user is at the other gateway, if anywhere.
    presence.dispatch(10, &[1]).await.unwrap();
    assert_eq!(pushed(&mut b).await, (10, vec![1]));
    takes_writes(true).await;
    assert_eq!(presence.renew(&b, "2").await.unwrap().missing.len(), 1);
    presence.bind(BindRouteReq { since_ms, ..b.binds(1, "2") }).await.unwrap();
    assert_eq!(presence.query(1).await.unwrap(), "b");
}

#[tokio::test]
async fn a_redis_that_is_frozen_delays_a_dispatch_by_no_more_than_the_bound() {
    let Some(server) = PrivateRedis::start().await else { return };
    let bound = |config: &mut Config| {
        config.redis.shared.response_timeout_ms = 300;
        config.routes.ttl_ms = 600_000;
    };
    let presence = instance_with(&server.server().url(), bound).await;
    let mut a = Gateway::start("a", GOOD).await;
    // On a busy machine an answer may take longer than that.
    while presence.bind(a.binds(1, "1")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.pause();
    let begun = Instant::now();
    for msg_id in 10..15 {
        presence.dispatch(msg_id, &[1]).await.unwrap();
        assert_eq!(pushed(&mut a).await.0, msg_id);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    server.resume();
    let route = loop {
        match presence.query(1).await {
            Ok(route) => break route,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(route, "a", "it has forgotten nothing");
}

#[tokio::test]
async fn an_instance_that_has_got_no_request_of_a_gateway_reaches_it_when_redis_goes_away() {
    let Some(mut server) = PrivateRedis::start().await else { return };
    let url = server.server().url();
    let (one, two) =
        (instance(&url).await, instance_with(&url, |config| config.push.heartbeat_ms = 10).await);
    let mut a = Gateway::start("a", GOOD).await;
    one.bind(a.binds(1, "1")).await.unwrap();
    // The gateway hears of an instance that it never asked for anything.
    assert!(matches!(a.told().await, Told::Push(push) if push.pushes.is_empty()));
    server.kill().await;
    two.dispatch(10, &[1]).await.unwrap();
    loop {
        let Told::Push(push) = a.told().await else { panic!("not a push") };
        if let Some(push) = push.pushes.first() {
            assert_eq!(push.recipients, [1]);
            break;
        }
    }
}
