//! `PresenceService`, method by method.

use std::net::SocketAddr;
use std::time::Duration;

use im_common::{Clock, Deps, Running};
use im_presence::{Config, start};
use mpim_proto::push::Content;
use mpim_proto::{
    BindRouteReq, C2cMsg, Code, DeliveReq, Delivery, DispatchReq, Entry, QueryRouteReq,
    RenewRoutesReq, RouteKey, UnbindRouteReq, presence_service,
};
use mprpc::{Channel, Context};
use prost::Message as _;

use crate::gateway::{Behaviour, Gateway, Told};

pub(crate) const GOOD: Behaviour = Behaviour { reached: 1, closes: true };

pub(crate) struct Presence {
    pub(crate) client: presence_service::Client,
    clock: Clock,
    running: Running,
}

pub(crate) async fn presence(change: impl FnOnce(&mut Config)) -> Presence {
    let mut config = Config::default();
    config.rpc.listen.set_port(0);
    // None comes between what a test waits for.
    config.push.heartbeat_ms = 60_000;
    change(&mut config);
    let clock = Clock::manual(1_700_000_000_000);
    let deps = Deps { clock: clock.clone(), ..Deps::default() };
    let running = start(config, deps).await.unwrap();
    let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
    Presence { client: presence_service::Client::new(&channel), clock, running }
}

pub(crate) fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

impl Presence {
    /// Binds, and answers when the session began.
    pub(crate) async fn bind(&self, req: BindRouteReq) -> i64 {
        let answer = self.client.bind_route(&cx(), req).await.unwrap();
        assert!(answer.result.unwrap().is_ok());
        answer.since_ms
    }

    async fn query(&self, user_id: i64) -> Result<String, String> {
        let answer = self.client.query_route(&cx(), QueryRouteReq { user_id }).await.unwrap();
        let result = answer.result.unwrap();
        if result.is_ok() { Ok(answer.gateway_id) } else { Err(result.msg) }
    }

    async fn deliver(&self, to: i64, payload: Vec<u8>) -> mpim_proto::Result {
        let req = DeliveReq { to, payload: payload.into() };
        self.client.deliver(&cx(), req).await.unwrap().result.unwrap()
    }

    async fn renew(
        &self,
        (boot_id, gateway_addr): (&str, SocketAddr),
        routes: &[(i64, &str)],
    ) -> mpim_proto::RenewRoutesResp {
        let routes = routes.iter().map(|(user_id, session)| RouteKey {
            user_id: *user_id,
            device: "text".to_owned(),
            session_id: (*session).to_owned(),
        });
        let boot_id = boot_id.to_owned();
        let req = RenewRoutesReq {
            gateway_id: "g".into(),
            boot_id,
            routes: routes.collect(),
            gateway_addr: gateway_addr.to_string(),
            offer: None,
        };
        self.client.renew_routes(&cx(), req).await.unwrap()
    }
}

#[tokio::test]
async fn a_route_is_found_until_it_is_unbound() {
    let presence = presence(|_| ()).await;
    let a = Gateway::start("a", GOOD).await;
    assert_eq!(presence.query(1).await, Err("no route".to_owned()));
    presence.bind(a.binds(1, "s")).await;
    assert_eq!(presence.query(1).await, Ok("a".to_owned()));
    let req = UnbindRouteReq {
        user_id: 1,
        device: "text".into(),
        boot_id: "boot-a".into(),
        session_id: "s".into(),
    };
    presence.client.unbind_route(&cx(), req).await.unwrap();
    assert_eq!(presence.query(1).await, Err("no route".to_owned()));
}

#[tokio::test]
async fn a_new_session_of_a_device_is_bound_once_the_old_one_is_closed() {
    let presence = presence(|_| ()).await;
    let (mut a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    presence.bind(a.binds(1, "old")).await;
    presence.bind(a.binds(1, "old")).await;
    assert!(a.told_already().is_none(), "a session does not replace itself");
    presence.bind(b.binds(1, "new")).await;
    match a.told_already() {
        Some(Told::Close(close)) => assert_eq!(
            (close.boot_id.as_str(), close.session_id.as_str(), close.reason.as_str()),
            ("boot-a", "old", "logged in elsewhere")
        ),
        other => panic!("closed before the answer, not {other:?}"),
    }
    assert!(b.told_already().is_none());
}

#[tokio::test]
async fn a_gateway_that_does_not_close_a_session_delays_its_successor_by_no_more_than_the_bound() {
    let presence = presence(|config| config.routes.close_timeout_ms = 50).await;
    let mut a = Gateway::start("a", Behaviour { closes: false, ..GOOD }).await;
    let b = Gateway::start("b", GOOD).await;
    presence.bind(a.binds(1, "old")).await;
    presence.bind(b.binds(1, "new")).await;
    assert!(matches!(a.told_already(), Some(Told::Close(_))));
    assert_eq!(presence.query(1).await, Ok("b".to_owned()));
}

/// Its gateway was frozen while it was fenced, and now finds its route missing.
#[tokio::test]
async fn a_session_that_was_fenced_cannot_take_its_route_back() {
    let presence = presence(|_| ()).await;
    let (a, mut b) = (Gateway::start("a", GOOD).await, Gateway::start("b", GOOD).await);
    let since_ms = presence.bind(a.binds(1, "old")).await;
    presence.bind(b.binds(1, "new")).await;
    let again = BindRouteReq { since_ms, ..a.binds(1, "old") };
    let refused = presence.client.bind_route(&cx(), again).await.unwrap().result.unwrap();
    assert_eq!((refused.code(), refused.msg.as_str()), (Code::Invalid, "logged in elsewhere"));
    assert_eq!(presence.query(1).await, Ok("b".to_owned()));
    assert!(b.told_already().is_none(), "its successor notices nothing");
}

#[tokio::test]
async fn an_entry_reaches_the_gateways_of_its_recipients() {
    let presence = presence(|_| ()).await;
    let mut a = Gateway::start("a", GOOD).await;
    presence.bind(a.binds(1, "1")).await;
    presence.bind(a.binds(2, "2")).await;
    let entry = Entry { conv_id: "c2c_1_2".into(), seq: 1, msg_id: 5, ..Entry::default() };
    let deliveries = vec![Delivery {
        entry: Some(entry.clone()),
        recipients: vec![1, 2, 3],
        ..Delivery::default()
    }];
    let req = DispatchReq { deliveries, resync: false };
    assert!(presence.client.dispatch(&cx(), req).await.unwrap().result.unwrap().is_ok());
    let Told::Push(push) = a.told().await else { panic!("not a push") };
    assert_eq!(push.number, 1);
    assert_eq!(push.pushes.len(), 1);
    assert_eq!(push.pushes[0].recipients, [1, 2]);
    assert_eq!(push.pushes[0].content, Some(Content::Entry(entry)));
}

#[tokio::test]
async fn a_resync_reaches_a_gateway_without_entries() {
    let presence = presence(|_| ()).await;
    let mut a = Gateway::start("a", GOOD).await;
    presence.bind(a.binds(1, "1")).await;
    let req = DispatchReq { deliveries: vec![], resync: true };
    presence.client.dispatch(&cx(), req).await.unwrap();
    assert!(matches!(a.told().await, Told::Push(push) if push.resync));
}

#[tokio::test]
async fn a_renewal_tells_what_is_missing_and_how_far_the_link_is() {
    let presence = presence(|_| ()).await;
    let a = Gateway::start("a", GOOD).await;
    presence.bind(a.binds(1, "1")).await;
    let answer = presence.renew(("boot-a", a.addr), &[(1, "1"), (2, "2")]).await;
    let missing: Vec<i64> = answer.missing.iter().map(|key| key.user_id).collect();
    assert_eq!((missing, answer.last_push), (vec![2], 0));
    let payload = C2cMsg { msg_id: 1, ..C2cMsg::default() }.encode_to_vec();
    assert!(presence.deliver(1, payload).await.is_ok());
    assert_eq!(presence.renew(("boot-a", a.addr), &[]).await.last_push, 1);
}

#[tokio::test]
async fn every_start_has_another_boot_id() {
    let (first, second) = (presence(|_| ()).await, presence(|_| ()).await);
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let boot_id = first.renew(("boot-a", nowhere), &[]).await.boot_id;
    assert_ne!(boot_id, second.renew(("boot-a", nowhere), &[]).await.boot_id);
    assert_eq!(boot_id, first.renew(("boot-b", nowhere), &[]).await.boot_id);
}

#[tokio::test]
async fn a_user_whose_gateway_has_crashed_is_online_no_longer_than_the_lifetime() {
    let presence = presence(|_| ()).await;
    let a = Gateway::start("a", GOOD).await;
    presence.bind(a.binds(1, "1")).await;
    presence.clock.advance_ms(10_000);
    assert_eq!(presence.query(1).await, Err("no route".to_owned()));
}

#[tokio::test]
async fn the_originals_deliver_has_its_original_answers() {
    let presence = presence(|_| ()).await;
    let mut a = Gateway::start("a", GOOD).await;
    let empty = Gateway::start("empty", Behaviour { reached: 0, ..GOOD }).await;
    presence.bind(a.binds(1, "1")).await;
    presence.bind(empty.binds(2, "2")).await;
    let msg = C2cMsg { msg_id: 7, from: 9, to: 1, ts_ms: 5, text: "hi".into() };

    assert!(presence.deliver(1, msg.encode_to_vec()).await.is_ok());
    let Told::Push(push) = a.told().await else { panic!("not a push") };
    assert_eq!(push.pushes[0].content, Some(Content::Direct(msg.clone())));
    assert_eq!(push.pushes[0].recipients, [1]);

    let offline = presence.deliver(2, msg.encode_to_vec()).await;
    assert_eq!((offline.code(), offline.msg.as_str()), (Code::NotFound, "receiver offline"));
    let nowhere = presence.deliver(3, msg.encode_to_vec()).await;
    assert_eq!((nowhere.code(), nowhere.msg.as_str()), (Code::NotFound, "no route"));
    assert_eq!(presence.deliver(1, vec![0xff]).await.code(), Code::Invalid);
}

#[tokio::test]
async fn an_original_gateway_binds_with_its_id_alone() {
    let presence = presence(|_| ()).await;
    let req = BindRouteReq {
        user_id: 1,
        gateway_id: "gateway-1".into(),
        device: "pc".into(),
        ..BindRouteReq::default()
    };
    presence.bind(req).await;
    assert_eq!(presence.query(1).await, Ok("gateway-1".to_owned()));
    let offline = presence.deliver(1, vec![]).await;
    assert_eq!(offline.msg, "receiver offline", "nothing can be pushed there");
}

#[tokio::test]
async fn an_address_that_says_more_than_one_is_refused() {
    let presence = presence(|_| ()).await;
    let a = Gateway::start("a", GOOD).await;
    for addr in ["nowhere", "127.0.0.1:1,127.0.0.1:2", "127.0.0.1:1?wire=classic"] {
        let req = BindRouteReq { gateway_addr: addr.to_owned(), ..a.binds(1, "1") };
        let status = presence.client.bind_route(&cx(), req).await.unwrap_err();
        assert_eq!(status.code(), mprpc::Code::InvalidArgument);
    }
    assert_eq!(presence.query(1).await, Err("no route".to_owned()));
}

#[tokio::test]
async fn it_ends_in_time_though_a_gateway_does_not_answer() {
    let presence = presence(|config| config.push.timeout_ms = 100).await;
    let a = Gateway::start("a", Behaviour { closes: false, ..GOOD }).await;
    presence.bind(a.binds(1, "1")).await;
    presence.deliver(1, vec![]).await;
    presence.running.stop(Duration::from_secs(10)).await.unwrap();
}
