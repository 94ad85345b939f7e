//! The rules, as servers see them.

use std::time::Duration;

use mprpc::balance::{Balancer, Candidates};
use mprpc::discovery::Endpoint;
use mprpc::{Balance, Code, Context};
use mprpc_examples::{EchoReq, EchoSlowlyReq, FailReq, ListReq};

use super::fleet::Fleet;
use crate::support::{Doing, echo_req, slow_req, soon};

fn with(balance: Balance) -> impl FnOnce(mprpc::ChannelBuilder) -> mprpc::ChannelBuilder {
    move |builder| builder.balance(balance)
}

#[tokio::test(start_paused = true)]
async fn every_rule_calls_every_instance_as_often_as_it_says() {
    let fleet = Fleet::new(["a", "b", "c"]).await;
    fleet.list([("a", 200), ("b", 100), ("c", 100)]);
    let alike = [200, 200, 200];
    let by_weight = [300, 150, 150];
    for (name, balance, expected, off_max) in [
        ("p2c", Balance::p2c_ewma(), by_weight, 40),
        ("least requests", Balance::least_requests(), by_weight, 40),
        ("round robin", Balance::round_robin(), alike, 0),
        ("weighted round robin", Balance::weighted_round_robin(), by_weight, 0),
        ("random", Balance::random(), alike, 40),
        ("weighted random", Balance::weighted_random(), by_weight, 40),
        ("no key", Balance::consistent_hash(1.25), by_weight, 40),
    ] {
        let client = fleet.client(with(balance));
        let calls = fleet.calls(&client, 600).await;
        for (calls, expected) in calls.values().zip(expected) {
            assert!(calls.abs_diff(expected) <= off_max, "{name}: {calls:?} for {expected}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn turns_by_weight_are_spread_out_evenly() {
    let fleet = Fleet::new(["a", "b", "c"]).await;
    fleet.list([("a", 50), ("b", 10), ("c", 10)]);
    let client = fleet.client(with(Balance::weighted_round_robin()));
    let mut order = String::new();
    for _ in 0..21 {
        // A failure names its peer.
        let fail = FailReq { code: Code::NotFound as u32, message: String::new() };
        let status = client.fail(&soon(), fail).await.unwrap_err();
        order.extend(status.peer().unwrap().to_string().chars().last());
    }
    assert!("aabacaa".repeat(4).contains(&order), "{order}");
}

/// Otherwise two methods that are called by turns would each stay with one of two instances.
#[tokio::test(start_paused = true)]
async fn each_method_has_turns_of_its_own() {
    let fleet = Fleet::new(["a", "b"]).await;
    fleet.list_all();
    for balance in [Balance::round_robin(), Balance::weighted_round_robin()] {
        let client = fleet.client(with(balance));
        let mut callees = std::collections::BTreeMap::<_, usize>::new();
        for _ in 0..10 {
            client.echo(&soon(), echo_req("x")).await.unwrap();
            let fail = FailReq { code: Code::NotFound as u32, message: String::new() };
            let status = client.fail(&soon(), fail).await.unwrap_err();
            *callees.entry(status.peer().unwrap().to_string()).or_default() += 1;
        }
        assert!(callees.values().all(|calls| *calls == 5) && callees.len() == 2, "{callees:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_faster_instance_gets_most_calls() {
    let fleet = Fleet::new(["fast", "slow"]).await;
    fleet.network.latency("fast", Duration::from_millis(1));
    fleet.network.latency("slow", Duration::from_millis(20));
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    // Until both have been measured without the time that connecting took.
    fleet.calls(&client, 1_000).await;
    let calls = fleet.calls(&client, 1_000).await;
    // One in a while finds out whether it still is slow.
    assert!(calls["fast"] > 950, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_fails_at_once_does_not_draw_the_calls_and_gets_them_again_once_it_serves()
{
    let fleet = Fleet::new(["broken", "well"]).await;
    fleet.network.latency("broken", Duration::from_millis(1));
    fleet.network.latency("well", Duration::from_millis(5));
    fleet.list_all();
    fleet.fails("broken", true);
    let client = fleet.client(|builder| builder);
    let calls = fleet.calls(&client, 1_000).await;
    assert!(calls["broken"] < 20, "{calls:?}");

    // With least requests, it gets half of them and more.
    let naive = fleet.client(with(Balance::least_requests()));
    assert!(fleet.calls(&naive, 1_000).await["broken"] > 400);

    fleet.fails("broken", false);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let calls = fleet.calls(&client, 1_000).await;
    assert!(calls["broken"] > 900, "it is the faster one now: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_streams_fail_at_once_does_not_draw_them() {
    let fleet = Fleet::new(["broken", "well"]).await;
    fleet.list_all();
    fleet.fails("broken", true);
    let client = fleet.client(|builder| builder);
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut answers = client.list(&soon(), ListReq { count: 1, size: 1 }).await.unwrap();
        while let Ok(Some(_)) = answers.next().await {}
    }
    let calls = fleet.seen();
    assert!((1..5).contains(&calls["broken"]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_hangs_gets_hardly_a_call() {
    let fleet = Fleet::new(["hangs", "well"]).await;
    fleet.list_all();
    let client = fleet.client(|builder| builder);
    fleet.calls(&client, 100).await;
    fleet.network.freeze("hangs");
    let impatient = || Context::with_timeout(Duration::from_millis(50));
    let mut failed = 0;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        failed += usize::from(client.echo(&impatient(), echo_req("x")).await.is_err());
    }
    assert!((1..10).contains(&failed), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn of_calls_that_last_a_busy_instance_gets_fewer() {
    let fleet = Fleet::new(["a", "b", "c", "d"]).await;
    fleet.list_all();
    for balance in [Balance::p2c_ewma(), Balance::least_requests()] {
        let client = fleet.client(with(balance));
        fleet.forget();
        let calls: Vec<_> = (0..80)
            .map(|_| {
                let client = client.clone();
                let slow = EchoSlowlyReq { payload: "x".into(), delay_ms: 1_000 };
                tokio::spawn(async move { client.echo_slowly(&soon(), slow).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let calls = fleet.seen();
        assert!(calls.values().all(|calls| (15..=25).contains(calls)), "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_stays_on_its_instance_until_that_is_overloaded() {
    let fleet = Fleet::new(["a", "b", "c", "d"]).await;
    fleet.list_all();
    let client = fleet.client(with(Balance::consistent_hash(1.25)));
    for (calls, most) in [(16, 16), (200, 63)] {
        fleet.forget();
        let calls: Vec<_> = (0..calls)
            .map(|_| {
                let client = client.clone();
                let slow = EchoSlowlyReq { payload: "x".into(), delay_ms: 1_000 };
                let cx = soon().with_affinity(7);
                tokio::spawn(async move { client.echo_slowly(&cx, slow).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let seen = fleet.seen();
        assert_eq!(seen.values().max(), Some(&most), "{seen:?}");
    }
    assert_eq!(fleet.calls_with(&client, 50, &soon().with_affinity(7)).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_keeps_its_instance_under_address_hash() {
    let fleet = Fleet::new(["a", "b", "c", "d"]).await;
    fleet.list_all();
    let mut chosen = Vec::new();
    for client in 0..32 {
        let by = |builder: mprpc::ChannelBuilder| {
            builder.balance(Balance::address_hash()).client_id(format!("client {client}"))
        };
        let calls = fleet.calls(&fleet.client(by), 5).await;
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(fleet.calls(&fleet.client(by), 5).await, calls, "the same when it starts again");
        chosen.extend(calls.into_keys());
    }
    chosen.sort_unstable();
    chosen.dedup();
    assert_eq!(chosen, ["a", "b", "c", "d"]);
}

/// Each connection within the process comes from an address of its own.
#[tokio::test(start_paused = true)]
async fn a_handler_calls_the_same_instance_for_the_same_caller_under_address_hash() {
    let fleet = Fleet::new(["a", "b", "c", "d"]).await;
    fleet.list_all();
    let behind = fleet.client(with(Balance::address_hash()));
    let front = Doing::new(move |cx, request| {
        let behind = behind.clone();
        async move { behind.echo(&cx, EchoReq { payload: request.payload }).await }
    });
    let server = front.builder().network(&fleet.network).listen(fleet.network.address("front"));
    let server = server.bind_all().await.unwrap();
    tokio::spawn(server.serve(std::future::pending()));
    let mut chosen = std::collections::BTreeSet::new();
    for _ in 0..32 {
        let caller = crate::local::client(crate::local::to(&fleet.network, "front"));
        fleet.forget();
        for _ in 0..5 {
            caller.echo_slowly(&soon(), slow_req("x")).await.unwrap();
        }
        let calls = fleet.seen();
        assert!(calls.len() == 1 && calls.values().all(|calls| *calls == 5), "{calls:?}");
        chosen.extend(calls.into_keys());
    }
    assert_eq!(chosen.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

/// A rule of one's own: those with a tag.
struct Tagged(&'static str);

impl Balancer for Tagged {
    fn pick(&self, candidates: &dyn Candidates) -> usize {
        let tagged = |index: &usize| candidates.tags(*index).iter().any(|tag| tag == self.0);
        (0..candidates.len()).find(tagged).unwrap_or(0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_ones_own_knows_what_the_registry_says() {
    let fleet = Fleet::new(["a", "b", "c"]).await;
    let canary = Endpoint { tags: ["canary".to_owned()].into(), ..fleet.endpoint("b") };
    fleet.list_endpoints([fleet.endpoint("a"), canary.clone(), fleet.endpoint("c")]);
    let client = fleet.client(with(Balance::new(|| Box::new(Tagged("canary")))));
    assert_eq!(fleet.calls(&client, 10).await, [("b", 10)].into());
    // They change while connections stay.
    let other = Endpoint { tags: ["canary".to_owned()].into(), ..fleet.endpoint("c") };
    fleet.list_endpoints([fleet.endpoint("a"), fleet.endpoint("b"), other]);
    assert_eq!(fleet.calls(&client, 10).await, [("c", 10)].into());
    fleet.list_endpoints([fleet.endpoint("a"), canary, fleet.endpoint("c")]);
    assert_eq!(fleet.calls(&client, 10).await, [("b", 10)].into());
    assert_eq!((fleet.connections("b"), fleet.connections("c")), (1, 1));
    fleet.network.crash("b");
    let calls = fleet.calls(&client, 100).await;
    assert_eq!(calls.values().sum::<usize>(), 100, "one that is down is not called: {calls:?}");
}
