//! The parts of im-presence, each started alone.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use im_common::{Deps, Running};
use im_presence::{Config, PartName, Strategy, start};
use mpim_proto::{
    BindRouteReq, BindRouteResp, CloseDeviceReq, CloseSessionReq, Delivery, DispatchReq, Entry,
    GatewayOffer, ListGatewaysReq, PickGatewayReq, QueryRouteReq, QuerySessionsReq, RenewRoutesReq,
    RenewRoutesResp, RouteKey, connection_service, presence_service, routing_service,
};
use mprpc::{Channel, Context, Status};

use crate::gateway::{Behaviour, Gateway, Told};

const GOOD: Behaviour = Behaviour { reached: 1, closes: true };
const SOON: Duration = Duration::from_secs(60);

/// A part that runs, and can be stopped and started again at its address.
struct Part {
    config: Config,
    running: Option<Running>,
}

impl Part {
    async fn start(parts: &[PartName], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { parts: parts.to_vec(), ..Config::default() };
        config.rpc.listen = test_servers::free_address();
        config.push.heartbeat_ms = 50;
        change(&mut config);
        let mut part = Self { config, running: None };
        part.start_again().await;
        part
    }

    async fn start_again(&mut self) {
        let running = start(self.config.clone(), Deps::default()).await.unwrap();
        self.running = Some(running);
    }

    async fn stop(&mut self) {
        self.running.take().expect("it runs").stop(Duration::from_secs(10)).await.unwrap();
    }

    fn addr(&self) -> SocketAddr {
        self.config.rpc.listen
    }
}

/// All four, apart.
struct Apart {
    presence: Part,
    routing: Part,
    dispatch: Part,
    connections: Part,
    client: presence_service::Client,
}

fn channel(addr: SocketAddr) -> Channel {
    Channel::builder(format!("static://{addr}")).build().unwrap()
}

fn cx() -> Context {
    Context::with_timeout(SOON)
}

impl Apart {
    async fn start() -> Self {
        let target = |part: &Part| format!("static://{}", part.addr()).try_into().unwrap();
        let routing = Part::start(&[PartName::Routing], |_| ()).await;
        let with_routing = |config: &mut Config| config.targets.routing = target(&routing);
        let dispatch = Part::start(&[PartName::Dispatch], with_routing).await;
        let connections = Part::start(&[PartName::Connections], with_routing).await;
        let presence = Part::start(&[PartName::Presence], |config| {
            with_routing(config);
            config.targets.dispatch = target(&dispatch);
            config.targets.connections = target(&connections);
        });
        let presence = presence.await;
        let client = presence_service::Client::new(&channel(presence.addr()));
        Self { presence, routing, dispatch, connections, client }
    }

    async fn bind(&self, req: BindRouteReq) -> BindRouteResp {
        let answer = self.client.bind_route(&cx(), req).await.unwrap();
        assert!(answer.result.as_ref().unwrap().is_ok());
        answer
    }

    async fn renew(&self, gateway: &Gateway, sessions: &[&str]) -> Result<RenewRoutesResp, Status> {
        let bind = gateway.binds(1, "");
        let key = |session: &&str| RouteKey {
            user_id: 1,
            device: bind.device.clone(),
            session_id: (*session).to_owned(),
        };
        let request = RenewRoutesReq {
            routes: sessions.iter().map(key).collect(),
            gateway_id: bind.gateway_id.clone(),
            boot_id: bind.boot_id.clone(),
            gateway_addr: bind.gateway_addr.clone(),
            offer: None,
        };
        self.client.renew_routes(&cx(), request).await
    }

    async fn dispatch(&self, msg_id: i64) -> Result<(), Status> {
        let entry = Some(Entry { msg_id, ..Entry::default() });
        let deliveries = vec![Delivery { entry, recipients: vec![1], ..Delivery::default() }];
        self.client.dispatch(&cx(), DispatchReq { deliveries, resync: false }).await.map(drop)
    }

    async fn query(&self) -> Result<String, Status> {
        let answer = self.client.query_route(&cx(), QueryRouteReq { user_id: 1 }).await?;
        Ok(answer.gateway_id)
    }
}

/// Waits for an entry, or any number of heartbeats and then it.
async fn pushed(gateway: &mut Gateway) -> i64 {
    loop {
        if let Told::Push(push) = gateway.told().await
            && let Some(push) = push.pushes.into_iter().next()
        {
            match push.content {
                Some(mpim_proto::push::Content::Entry(entry)) => break entry.msg_id,
                other => panic!("not an entry: {other:?}"),
            }
        }
    }
}

/// Waits until it is told to close something.
async fn closed(gateway: &mut Gateway) -> CloseSessionReq {
    loop {
        if let Told::Close(close) = gateway.told().await {
            break close;
        }
    }
}

/// Waits until a gateway hears of a link.
async fn met(gateway: &mut Gateway) {
    assert!(matches!(gateway.told().await, Told::Push(_)));
}

#[tokio::test]
async fn parts_that_run_apart_do_what_they_do_together() {
    let apart = Apart::start().await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    apart.bind(a.binds(1, "old")).await;
    assert_eq!(apart.query().await.unwrap(), "a");
    apart.dispatch(5).await.unwrap();
    assert_eq!(pushed(&mut a).await, 5);
    let renewed = apart.renew(&a, &["old", "other"]).await.unwrap();
    assert_eq!(renewed.missing.len(), 1, "{renewed:?}");
    assert!(!renewed.boot_id.is_empty() && renewed.last_push > 0, "that of a link: {renewed:?}");
    apart.bind(b.binds(1, "new")).await;
    let close = closed(&mut a).await;
    assert_eq!((close.session_id.as_str(), close.reason.as_str()), ("old", "logged in elsewhere"));
    assert_eq!(apart.query().await.unwrap(), "b");
    apart.dispatch(6).await.unwrap();
    assert_eq!(pushed(&mut b).await, 6);
    assert!(
        a.told_already()
            .is_none_or(|told| matches!(told, Told::Push(push) if push.pushes.is_empty()))
    );
}

#[tokio::test]
async fn without_routing_entries_go_everywhere_and_log_ins_close_older_sessions_everywhere() {
    let mut apart = Apart::start().await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    apart.bind(a.binds(1, "old")).await;
    apart.renew(&b, &[]).await.unwrap();
    // Both dispatch and connections have heard of both: the latter by the same look at routing.
    met(&mut a).await;
    met(&mut b).await;
    let connections = connection_service::Client::new(&channel(apart.connections.addr()));
    let listed = connections.list_gateways(&cx(), ListGatewaysReq::default()).await.unwrap();
    assert_eq!(listed.gateways.len(), 2);

    apart.routing.stop().await;
    apart.dispatch(5).await.unwrap();
    assert_eq!((pushed(&mut a).await, pushed(&mut b).await), (5, 5));
    let bound = apart.bind(b.binds(1, "new")).await;
    let close = closed(&mut a).await;
    assert_eq!((close.device_class.as_str(), close.began_before_ms), ("text", bound.since_ms));
    assert!(apart.renew(&b, &["new"]).await.is_err(), "and its gateway tries again");

    apart.routing.start_again().await;
    let wait = async {
        while apart.renew(&b, &["new"]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("routing is found again");
    let missing = apart.renew(&b, &["new"]).await.unwrap().missing;
    assert_eq!(missing.len(), 1, "routes in memory are gone with it: the gateway binds again");
    apart.bind(BindRouteReq { since_ms: bound.since_ms, ..b.binds(1, "new") }).await;
    assert_eq!(apart.query().await.unwrap(), "b");
}

#[tokio::test]
async fn without_connections_a_log_in_succeeds_and_the_older_session_has_lost_its_route() {
    let mut apart = Apart::start().await;
    let (a, b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    let old = apart.bind(a.binds(1, "old")).await;
    apart.connections.stop().await;
    apart.bind(b.binds(1, "new")).await;
    let again = BindRouteReq { since_ms: old.since_ms, ..a.binds(1, "old") };
    let fenced = apart.client.bind_route(&cx(), again).await.unwrap().result.unwrap();
    assert_eq!(fenced.msg, "logged in elsewhere", "when its gateway renews it");
}

#[tokio::test]
async fn without_dispatch_routes_are_renewed_and_another_start_has_another_link() {
    let mut apart = Apart::start().await;
    let mut a = Gateway::start("a", GOOD).await;
    apart.bind(a.binds(1, "s")).await;
    let first = apart.renew(&a, &["s"]).await.unwrap();
    apart.dispatch.stop().await;
    assert!(apart.dispatch(5).await.is_err(), "im-message tries again");
    let renewed = apart.renew(&a, &["s"]).await.unwrap();
    assert!(renewed.missing.is_empty() && renewed.boot_id.is_empty(), "{renewed:?}");
    apart.dispatch.start_again().await;
    let wait = async {
        while apart.dispatch(6).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("dispatch is found again");
    assert_eq!(pushed(&mut a).await, 6);
    assert_ne!(apart.renew(&a, &["s"]).await.unwrap().boot_id, first.boot_id);
}

#[tokio::test]
async fn operators_list_sessions_and_close_a_device() {
    let apart = Apart::start().await;
    let mut a = Gateway::start("a", GOOD).await;
    let bound = apart.bind(a.binds(1, "s")).await;
    let connections = connection_service::Client::new(&channel(apart.connections.addr()));
    let asked = QuerySessionsReq { user_id: 1 };
    let sessions = connections.list_sessions(&cx(), asked).await.unwrap().sessions;
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].session_id.as_str(), sessions[0].since_ms), ("s", bound.since_ms));
    let (device, reason) = ("text".to_owned(), "maintenance".to_owned());
    let request = CloseDeviceReq { user_id: 1, device, reason, ..CloseDeviceReq::default() };
    assert_eq!(connections.close_device(&cx(), request).await.unwrap().unreached, 0);
    let close = closed(&mut a).await;
    assert_eq!((close.user_id, close.reason.as_str()), (1, "maintenance"));
    let presence = presence_service::Client::new(&channel(apart.presence.addr()));
    let request = CloseDeviceReq {
        user_id: 1,
        device: "text".to_owned(),
        generation_max: 3,
        ..CloseDeviceReq::default()
    };
    assert_eq!(presence.close_device(&cx(), request).await.unwrap().unreached, 0);
    let close = closed(&mut a).await;
    assert_eq!((close.device.as_str(), close.generation_max), ("text", 3));
}

/// Or whoever revokes a device would take sessions for closed that nobody was asked to close.
#[tokio::test]
async fn closing_a_device_without_routing_says_that_there_may_be_other_gateways() {
    let mut apart = Apart::start().await;
    let mut a = Gateway::start("a", GOOD).await;
    apart.bind(a.binds(1, "s")).await;
    let connections = connection_service::Client::new(&channel(apart.connections.addr()));
    let close = async || {
        let device = "text".to_owned();
        let request = CloseDeviceReq { user_id: 1, device, ..CloseDeviceReq::default() };
        let answer = connections.close_device(&cx(), request).await.unwrap();
        assert_eq!(answer.unreached, 0);
        answer.incomplete
    };
    let list = async || {
        connections.list_gateways(&cx(), ListGatewaysReq::default()).await.unwrap().incomplete
    };
    assert!(!close().await && !list().await);
    closed(&mut a).await;
    apart.routing.stop().await;
    assert!(close().await && list().await);
    closed(&mut a).await;
    apart.routing.start_again().await;
    let wait = async {
        while apart.renew(&a, &["s"]).await.is_err() || close().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("routing is found again");
}

/// How many of 400 users the rule in `[routing]` of a configuration file sends to each of three gateways:
/// one with the weight 3, one with the priority 1, and one with neither.
async fn shares(rule: &str) -> [usize; 3] {
    let name = format!("im-presence-{}-{rule}.toml", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, format!("[routing]\nstrategy = \"{rule}\"\n")).unwrap();
    let read: Config = im_common::load(Some(&file), "MPIM_TEST_OF_RULES").unwrap();
    std::fs::remove_file(&file).unwrap();
    let configured = |config: &mut Config| config.routing = read.routing;
    let routing = Part::start(&[PartName::Routing], configured).await;
    let client = routing_service::Client::new(&channel(routing.addr()));
    for (id, weight, priority) in [("heavy", 3, 2), ("first", 1, 1), ("other", 1, 2)] {
        let endpoint = format!("{id}.example.org:6000");
        let request = RenewRoutesReq {
            gateway_id: id.to_owned(),
            boot_id: format!("boot-{id}"),
            gateway_addr: "127.0.0.1:1".to_owned(),
            routes: vec![],
            offer: Some(GatewayOffer { endpoint, weight, priority, ..GatewayOffer::default() }),
        };
        client.renew(&cx(), request).await.unwrap();
    }
    let mut shares = [0; 3];
    for user_id in 1..=400 {
        let picked = client.pick_gateway(&cx(), PickGatewayReq { user_id }).await.unwrap();
        let again = client.pick_gateway(&cx(), PickGatewayReq { user_id }).await.unwrap();
        assert_eq!(picked, again, "{rule}: {user_id} is sent elsewhere");
        let place = ["heavy", "first", "other"].iter().position(|id| *id == picked.gateway_id);
        shares[place.unwrap()] += 1;
    }
    shares
}

#[tokio::test]
async fn each_rule_that_can_be_configured_sends_users_in_its_own_way() {
    for rule in ["hash", "consistent_hash"] {
        let shares = shares(rule).await;
        assert!(shares.iter().all(|share| (80..=190).contains(share)), "{rule}: {shares:?}");
    }
    let [heavy, first, other] = shares("weight").await;
    assert!((200..=280).contains(&heavy), "three fifths of 400: {heavy}");
    assert!((45..=115).contains(&first) && (45..=115).contains(&other), "{first} {other}");
    assert_eq!(shares("priority").await, [0, 400, 0]);
}

#[tokio::test]
async fn a_user_is_sent_to_a_gateway_that_offers_to_take_clients() {
    let priority = |config: &mut Config| config.routing.strategy = Strategy::Priority;
    let routing = Part::start(&[PartName::Routing], priority).await;
    let client = routing_service::Client::new(&channel(routing.addr()));
    let pick = async || {
        let picked = client.pick_gateway(&cx(), PickGatewayReq { user_id: 7 }).await.unwrap();
        if picked.result.as_ref().unwrap().is_ok() {
            assert_eq!(picked.frames_endpoint, format!("{}1", picked.endpoint));
            picked.endpoint
        } else {
            picked.result.unwrap().msg
        }
    };
    assert_eq!(pick().await, "no gateway");
    let renew = async |id: &str, endpoint: &str, priority| {
        let (frames_endpoint, endpoint) = (format!("{endpoint}1"), endpoint.to_owned());
        let offer = GatewayOffer { endpoint, weight: 1, priority, frames_endpoint };
        let request = RenewRoutesReq {
            gateway_id: id.to_owned(),
            boot_id: format!("boot-{id}"),
            gateway_addr: "127.0.0.1:1".to_owned(),
            routes: vec![],
            offer: Some(offer),
        };
        client.renew(&cx(), request).await
    };
    renew("far", "far.example.org:6000", 2).await.unwrap();
    assert_eq!(pick().await, "far.example.org:6000");
    renew("near", "near.example.org:6000", 1).await.unwrap();
    assert_eq!(pick().await, "near.example.org:6000");
    let refused = renew("near", "nowhere", 1).await.unwrap_err();
    assert_eq!(refused.code(), mprpc::Code::InvalidArgument);
    assert_eq!(pick().await, "near.example.org:6000");
}

#[tokio::test]
async fn a_part_that_only_presence_has_cannot_be_asked_elsewhere() {
    let apart = Apart::start().await;
    let elsewhere = presence_service::Client::new(&channel(apart.routing.addr()));
    let asked = elsewhere.query_route(&cx(), QueryRouteReq { user_id: 1 }).await.unwrap_err();
    assert_eq!(asked.code(), mprpc::Code::Unimplemented);
    assert!(apart.presence.running.is_some());
}
