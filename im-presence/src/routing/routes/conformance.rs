//! What every adapter of [`Routes`](super::Routes) must do, as one suite that runs on each of them.

use std::sync::Arc;
use std::time::Duration;

use im_common::Clock;

use super::{Bound, Excludes, Gateway, Key, Offer, Route, Routes, RoutesError};

/// The time by which an adapter lets routes expire, and the lifetimes that it was given.
pub(super) struct Time {
    /// `None`: its own, that of the machine.
    pub(super) clock: Option<Clock>,
    pub(super) ttl_ms: i64,
    pub(super) original_ttl_ms: i64,
}

impl Time {
    async fn pass(&self, ms: i64) {
        match &self.clock {
            Some(clock) => clock.advance_ms(ms),
            // There is no condition to wait for: what is tested is that something happens by the
            // passing of time alone, or does not.
            None => tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await,
        }
    }

    /// The clock of a machine may go back, where a test can have it so.
    fn go_back(&self, ms: i64) {
        if let Some(clock) = &self.clock {
            clock.advance_ms(-ms);
        }
    }
}

/// How often something is renewed within a lifetime: so often that a machine which stops for most of
/// one does not end what is renewed.
const RENEWALS: i64 = 8;

/// Devices of one user that the adapter under test must allow.
pub(super) const DEVICES_MAX: usize = 3;

pub(super) fn gateway(name: &str) -> Arc<Gateway> {
    Arc::new(Gateway {
        id: name.to_owned(),
        addr: format!("{name}:8014"),
        boot_id: format!("boot-of-{name}"),
    })
}

pub(super) fn route(user_id: i64, device: &str, session: &str, gateway: &Arc<Gateway>) -> Route {
    Route {
        user_id,
        device: device.to_owned(),
        session_id: session.to_owned(),
        since_ms: 0,
        gateway: Arc::clone(gateway),
    }
}

/// Binds a session of which each device has one, and answers whose route it replaced.
async fn bind(routes: &impl Routes, route: &Route) -> Option<String> {
    let mut replaced = bind_excluding(routes, route, Excludes::Device).await;
    assert!(replaced.len() <= 1, "{replaced:?}");
    replaced.pop()
}

/// Binds, and answers which sessions' routes were replaced.
async fn bind_excluding(routes: &impl Routes, route: &Route, excludes: Excludes) -> Vec<String> {
    match routes.bind(route.clone(), excludes).await.unwrap() {
        Bound::Here { replaced, .. } => {
            let mut replaced: Vec<String> =
                replaced.into_iter().map(|route| route.session_id).collect();
            replaced.sort_unstable();
            replaced
        }
        Bound::Fenced => panic!("{route:?} is fenced"),
    }
}

async fn sessions(routes: &impl Routes, user_id: i64) -> Vec<String> {
    let routes = routes.query(user_id).await.unwrap();
    routes.into_iter().map(|route| route.session_id).collect()
}

fn key(route: &Route) -> Key {
    Key {
        user_id: route.user_id,
        device: route.device.clone(),
        session_id: route.session_id.clone(),
    }
}

/// Runs everything, each part on a fresh adapter.
pub(super) async fn suite<R: Routes>(fresh: impl AsyncFn() -> (Arc<R>, Time)) {
    bind_tells_which_other_session_it_replaced(&*fresh().await.0).await;
    let (routes, time) = fresh().await;
    a_session_that_binds_again_gives_way_to_one_that_began_later(&*routes, &time).await;
    a_session_is_not_fenced_by_a_bind_of_its_own(&*fresh().await.0).await;
    devices_do_not_replace_each_other(&*fresh().await.0).await;
    sessions_that_exclude_nothing_live_side_by_side(&*fresh().await.0).await;
    a_session_replaces_all_of_its_class_if_it_excludes_that(&*fresh().await.0).await;
    a_session_gives_way_only_to_those_that_it_excludes(&*fresh().await.0).await;
    a_user_cannot_have_more_devices_than_the_bound(&*fresh().await.0).await;
    only_the_session_itself_unbinds_its_route(&*fresh().await.0).await;
    only_the_session_itself_renews_its_route(&*fresh().await.0).await;
    resolve_names_each_gateway_of_a_user_once(&*fresh().await.0).await;
    dropping_a_gateway_ends_its_routes_and_no_others(&*fresh().await.0).await;
    a_dropped_gateway_that_binds_again_is_back(&*fresh().await.0).await;
    a_gateway_offers_what_it_said_last_until_it_is_dropped(&*fresh().await.0).await;
    let ((one, time_of_one), (other, time_of_other), (third, time_of_third)) =
        (fresh().await, fresh().await, fresh().await);
    tokio::join!(
        a_route_that_is_not_renewed_expires(&*one, &time_of_one),
        an_original_route_lives_longer_without_renewal(&*other, &time_of_other),
        gateways_are_those_heard_of_within_a_lifetime(&*third, &time_of_third),
    );
    of_many_concurrent_binds_each_replaces_one_other(fresh().await.0).await;
}

async fn bind_tells_which_other_session_it_replaced(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    let first = route(1, "text", "1", &a);
    assert_eq!(bind(routes, &first).await, None);
    assert_eq!(bind(routes, &first).await, None, "the same session again");
    let replaced = bind(routes, &route(1, "text", "1", &b)).await;
    assert_eq!(replaced.as_deref(), Some("1"), "the same id, of another boot");
    let now = routes.query(1).await.unwrap();
    assert_eq!((now.len(), &now[0].gateway), (1, &b));
}

async fn a_session_that_binds_again_gives_way_to_one_that_began_later(
    routes: &impl Routes,
    time: &Time,
) {
    let (a, b) = (gateway("a"), gateway("b"));
    let mut old = route(1, "text", "old", &a);
    let Ok(Bound::Here { since_ms, .. }) = routes.bind(old.clone(), Excludes::Device).await else {
        panic!("not bound")
    };
    old.since_ms = since_ms;
    // Who came last came last, also by a clock that went back.
    time.go_back(5_000);
    let mut new = route(1, "text", "new", &b);
    let Ok(Bound::Here { since_ms, replaced }) = routes.bind(new.clone(), Excludes::Device).await
    else {
        panic!("not bound")
    };
    assert_eq!(replaced, [old.clone()]);
    new.since_ms = since_ms;
    assert_eq!(routes.bind(old.clone(), Excludes::Device).await.unwrap(), Bound::Fenced);
    assert_eq!(sessions(routes, 1).await, ["new"]);
    assert_eq!(bind(routes, &new).await, None);
    // All routes are lost, and the old session is the first to come back.
    routes.drop_gateway(&b.boot_id).await.unwrap();
    assert_eq!(bind(routes, &old).await, None);
    assert_eq!(bind(routes, &new).await.as_deref(), Some("old"));
}

/// A bind may be carried out although its answer was lost, and the session was told another time.
async fn a_session_is_not_fenced_by_a_bind_of_its_own(routes: &impl Routes) {
    let mut one = route(1, "text", "1", &gateway("a"));
    let Ok(Bound::Here { since_ms, .. }) = routes.bind(one.clone(), Excludes::Device).await else {
        panic!("not bound")
    };
    one.since_ms = since_ms - 1;
    let again = Bound::Here { since_ms, replaced: Vec::new() };
    assert_eq!(routes.bind(one.clone(), Excludes::Device).await.unwrap(), again);
    let same_id = Route { gateway: gateway("b"), ..one };
    assert_eq!(
        routes.bind(same_id, Excludes::Device).await.unwrap(),
        Bound::Fenced,
        "it is of another boot"
    );
}

async fn devices_do_not_replace_each_other(routes: &impl Routes) {
    let a = gateway("a");
    assert_eq!(bind(routes, &route(1, "text", "1", &a)).await, None);
    assert_eq!(bind(routes, &route(1, "web", "2", &a)).await, None);
    assert_eq!(bind(routes, &route(1, "text", "3", &a)).await.as_deref(), Some("1"));
    assert_eq!(sessions(routes, 1).await, ["2", "3"], "newest last");
}

async fn sessions_that_exclude_nothing_live_side_by_side(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    let [one, two] = [route(1, "text", "1", &a), route(1, "text", "2", &a)];
    let same_id = route(1, "text", "1", &b);
    for route in [&one, &two, &same_id, &one] {
        assert!(bind_excluding(routes, route, Excludes::Nothing).await.is_empty());
    }
    assert_eq!(routes.query(1).await.unwrap().len(), 3);
    assert_eq!(routes.renew(&a, None, vec![key(&one), key(&two)]).await.unwrap(), []);
    assert!(routes.unbind(&a.boot_id, &key(&one)).await.unwrap());
    assert_eq!(sessions(routes, 1).await, ["2", "1"]);
    let replaced = bind_excluding(routes, &route(1, "text", "3", &a), Excludes::Device).await;
    assert_eq!(replaced, ["1", "2"], "one that excludes them replaces all of the device");
}

async fn a_session_replaces_all_of_its_class_if_it_excludes_that(routes: &impl Routes) {
    let a = gateway("a");
    for (device, session) in [("mobile:a", "1"), ("mobile", "2"), ("web:a", "3")] {
        bind(routes, &route(1, device, session, &a)).await;
    }
    bind(routes, &route(2, "mobile:a", "4", &a)).await;
    let replaced = bind_excluding(routes, &route(1, "mobile:b", "5", &a), Excludes::Class).await;
    assert_eq!(replaced, ["1", "2"]);
    assert_eq!(sessions(routes, 1).await, ["3", "5"]);
    assert_eq!(sessions(routes, 2).await, ["4"], "another user");
}

async fn a_session_gives_way_only_to_those_that_it_excludes(routes: &impl Routes) {
    let a = gateway("a");
    let mut old = route(1, "mobile:a", "old", &a);
    let Ok(Bound::Here { since_ms, .. }) = routes.bind(old.clone(), Excludes::Class).await else {
        panic!("not bound")
    };
    old.since_ms = since_ms;
    bind(routes, &route(1, "mobile:b", "new", &a)).await;
    assert_eq!(routes.bind(old.clone(), Excludes::Class).await.unwrap(), Bound::Fenced);
    assert_eq!(bind(routes, &old).await, None, "of its own device nobody began later");
    assert_eq!(sessions(routes, 1).await, ["old", "new"]);
}

async fn a_user_cannot_have_more_devices_than_the_bound(routes: &impl Routes) {
    let a = gateway("a");
    for device in 0..DEVICES_MAX {
        routes.bind(route(1, &device.to_string(), "s", &a), Excludes::Device).await.unwrap();
    }
    let refused = routes.bind(route(1, "one more", "s", &a), Excludes::Device).await;
    assert!(matches!(refused, Err(RoutesError::Full { what: "routes.devices_max" })));
    assert_eq!(routes.query(1).await.unwrap().len(), DEVICES_MAX, "those that exist stay");
    assert_eq!(bind(routes, &route(1, "0", "t", &a)).await.as_deref(), Some("s"));
}

async fn only_the_session_itself_unbinds_its_route(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    let old = route(1, "text", "1", &a);
    let new = route(1, "text", "1", &b);
    routes.bind(old.clone(), Excludes::Device).await.unwrap();
    routes.bind(new.clone(), Excludes::Device).await.unwrap();
    assert!(!routes.unbind(&a.boot_id, &key(&old)).await.unwrap());
    assert_eq!(routes.query(1).await.unwrap().len(), 1);
    assert!(routes.unbind(&b.boot_id, &key(&new)).await.unwrap());
    assert_eq!(routes.query(1).await.unwrap(), []);
    assert!(!routes.unbind(&b.boot_id, &key(&new)).await.unwrap());
}

async fn only_the_session_itself_renews_its_route(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    let fenced = route(1, "text", "1", &a);
    let kept = route(2, "text", "2", &a);
    let never = route(3, "text", "3", &a);
    routes.bind(fenced.clone(), Excludes::Device).await.unwrap();
    routes.bind(kept.clone(), Excludes::Device).await.unwrap();
    routes.bind(route(1, "text", "1", &b), Excludes::Device).await.unwrap();
    let keys = vec![key(&fenced), key(&kept), key(&never)];
    let missing = routes.renew(&a, None, keys).await.unwrap();
    assert_eq!(missing, [key(&fenced), key(&never)]);
}

async fn a_route_that_is_not_renewed_expires(routes: &impl Routes, time: &Time) {
    let a = gateway("a");
    let (renewed, left) = (route(1, "text", "1", &a), route(2, "text", "2", &a));
    routes.bind(renewed.clone(), Excludes::Device).await.unwrap();
    routes.bind(left.clone(), Excludes::Device).await.unwrap();
    for _ in 0..=RENEWALS {
        time.pass(time.ttl_ms / RENEWALS).await;
        assert_eq!(routes.renew(&a, None, vec![key(&renewed)]).await.unwrap(), []);
    }
    assert_eq!(routes.query(2).await.unwrap(), []);
    assert_eq!(routes.resolve(&[1, 2]).await.unwrap(), [(1, Arc::clone(&a))]);
    assert_eq!(routes.renew(&a, None, vec![key(&left)]).await.unwrap(), [key(&left)]);
    assert_eq!(bind(routes, &route(2, "text", "3", &a)).await, None, "nothing live is replaced");
}

async fn an_original_route_lives_longer_without_renewal(routes: &impl Routes, time: &Time) {
    let original =
        Arc::new(Gateway { id: "old".into(), addr: String::new(), boot_id: String::new() });
    routes.bind(route(1, "", "", &original), Excludes::Device).await.unwrap();
    time.pass(time.ttl_ms * 5 / 4).await;
    assert_eq!(routes.query(1).await.unwrap().len(), 1);
    assert_eq!(routes.gateways().await.unwrap(), []);
    time.pass(time.original_ttl_ms - time.ttl_ms).await;
    assert_eq!(routes.query(1).await.unwrap(), []);
}

async fn resolve_names_each_gateway_of_a_user_once(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    routes.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
    routes.bind(route(1, "web", "2", &a), Excludes::Device).await.unwrap();
    routes.bind(route(1, "phone", "1", &b), Excludes::Device).await.unwrap();
    routes.bind(route(3, "text", "3", &a), Excludes::Device).await.unwrap();
    let resolved = routes.resolve(&[3, 2, 1]).await.unwrap();
    assert_eq!(resolved, [(3, Arc::clone(&a)), (1, a), (1, b)]);
}

async fn dropping_a_gateway_ends_its_routes_and_no_others(routes: &impl Routes) {
    let (a, b) = (gateway("a"), gateway("b"));
    let dropped = route(1, "text", "1", &a);
    routes.bind(dropped.clone(), Excludes::Device).await.unwrap();
    routes.bind(route(2, "text", "1", &b), Excludes::Device).await.unwrap();
    routes.drop_gateway(&a.boot_id).await.unwrap();
    assert_eq!(routes.resolve(&[1, 2]).await.unwrap(), [(2, Arc::clone(&b))]);
    assert_eq!(routes.query(1).await.unwrap(), []);
    assert_eq!(routes.gateways().await.unwrap(), [b]);
    assert_eq!(routes.renew(&a, None, vec![key(&dropped)]).await.unwrap(), [key(&dropped)]);
}

async fn a_dropped_gateway_that_binds_again_is_back(routes: &impl Routes) {
    let a = gateway("a");
    routes.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
    routes.bind(route(2, "text", "2", &a), Excludes::Device).await.unwrap();
    routes.drop_gateway(&a.boot_id).await.unwrap();
    assert_eq!(bind(routes, &route(1, "text", "1", &a)).await, None);
    assert_eq!(routes.resolve(&[1, 2]).await.unwrap(), [(1, Arc::clone(&a))], "only what it bound");
    assert_eq!(routes.gateways().await.unwrap(), [a]);
}

async fn gateways_are_those_heard_of_within_a_lifetime(routes: &impl Routes, time: &Time) {
    let (a, b) = (gateway("a"), gateway("b"));
    routes.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
    routes.bind(route(2, "text", "2", &b), Excludes::Device).await.unwrap();
    for _ in 0..=RENEWALS {
        time.pass(time.ttl_ms / RENEWALS).await;
        routes.renew(&b, None, vec![]).await.unwrap();
    }
    assert_eq!(routes.gateways().await.unwrap(), [b]);
}

async fn a_gateway_offers_what_it_said_last_until_it_is_dropped(routes: &impl Routes) {
    let a = gateway("a");
    let offer = |endpoint: &str, weight| {
        let (endpoint, frames_endpoint) = (endpoint.to_owned(), format!("{endpoint}1"));
        Some(Offer { endpoint, weight, priority: 7, frames_endpoint })
    };
    routes.bind(route(1, "text", "1", &a), Excludes::Device).await.unwrap();
    assert_eq!(routes.offers().await.unwrap(), [], "it has only bound a route");
    routes.renew(&a, offer("a:1", 1), vec![]).await.unwrap();
    routes.renew(&a, offer("a \"2\" 0:2", 2), vec![]).await.unwrap();
    routes.renew(&gateway("silent"), None, vec![]).await.unwrap();
    routes.bind(route(2, "text", "2", &a), Excludes::Device).await.unwrap();
    let offers = vec![(Arc::clone(&a), offer("a \"2\" 0:2", 2).unwrap())];
    assert_eq!(routes.offers().await.unwrap(), offers, "binding changes no offer");
    routes.drop_gateway(&a.boot_id).await.unwrap();
    assert_eq!(routes.offers().await.unwrap(), []);
}

/// However binds of one device interleave, they form one chain: every session but the last is
/// replaced exactly once, so each is fenced exactly once.
async fn of_many_concurrent_binds_each_replaces_one_other(routes: Arc<impl Routes>) {
    const BINDS: usize = 32;
    let a = gateway("a");
    let tasks = (0..BINDS).map(|session| {
        let (routes, a) = (Arc::clone(&routes), Arc::clone(&a));
        tokio::spawn(
            async move { bind(&*routes, &route(1, "text", &session.to_string(), &a)).await },
        )
    });
    let tasks: Vec<_> = tasks.collect();
    let mut fenced: Vec<String> = Vec::new();
    for task in tasks {
        fenced.extend(task.await.unwrap());
    }
    let last = routes.query(1).await.unwrap();
    assert_eq!(last.len(), 1);
    fenced.push(last[0].session_id.clone());
    fenced.sort_by_key(|session| session.parse::<usize>().unwrap());
    let all: Vec<String> = (0..BINDS).map(|session| session.to_string()).collect();
    assert_eq!(fenced, all);
}
