//! Who may be called at all: weights, zones, subsets, newcomers.

use std::collections::BTreeSet;
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Listing, Memory, Register};
use mprpc::{Balance, ChannelBuilder, Server};
use mprpc_examples::{Echo, echo_service};
use tokio::time::timeout;

use super::fleet::Fleet;
use crate::support::{Running, SOON, soon};

#[tokio::test(start_paused = true)]
async fn weights_change_while_connections_stay() {
    let fleet = Fleet::new(["a", "b"]).await;
    let listed = |name, weight| Endpoint { weight, ..fleet.endpoint(name) };
    let _a = fleet.registry.register(&echo_service::DESCRIPTOR, listed("a", 100));
    let _b = fleet.registry.register(&echo_service::DESCRIPTOR, listed("b", 100));
    let client = fleet.client(|builder| builder.balance(Balance::weighted_round_robin()));
    assert_eq!(fleet.calls(&client, 100).await, [("a", 50), ("b", 50)].into());

    let _heavier = fleet.registry.register(&echo_service::DESCRIPTOR, listed("b", 300));
    assert_eq!(fleet.calls(&client, 100).await, [("a", 25), ("b", 75)].into());
    assert_eq!((fleet.connections("a"), fleet.connections("b")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_weight_is_called_only_where_nobody_else_is_left() {
    let fleet = Fleet::new(["a", "b", "drained"]).await;
    for balance in [Balance::p2c_ewma(), Balance::round_robin(), Balance::weighted_round_robin()] {
        fleet.list([("drained", 0), ("a", 1), ("b", 1)]);
        let client = fleet.client(|builder| builder.balance(balance));
        let calls = fleet.calls(&client, 50).await;
        assert_eq!(calls.keys().copied().collect::<Vec<_>>(), ["a", "b"]);
        let keyed = fleet.calls_with(&client, 50, &soon().with_affinity(7)).await;
        assert!(!keyed.contains_key("drained"));

        fleet.network.crash("a");
        fleet.network.crash("b");
        let calls = fleet.calls(&client, 50).await;
        assert_eq!(calls, [("drained", 50)].into(), "no call fails");
        fleet.network.heal("a");
        fleet.network.heal("b");

        fleet.list([("drained", 0)]);
        assert_eq!(fleet.calls(&client, 5).await, [("drained", 5)].into());
        fleet.list([("drained", 0), ("a", 0)]);
        assert_eq!(fleet.calls(&client, 50).await.len(), 2, "all have none, and share");
    }
}

fn in_zones<'a>(fleet: &Fleet, zones: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let endpoint =
        |(name, zone): (&str, &str)| Endpoint { zone: zone.into(), ..fleet.endpoint(name) };
    fleet.list_endpoints(zones.into_iter().map(endpoint));
}

#[tokio::test(start_paused = true)]
async fn calls_stay_in_the_zone_while_enough_of_it_are_up() {
    let fleet = Fleet::new(["a1", "a2", "a3", "b1", "b2", "b3"]).await;
    let zones = || ["a1", "a2", "a3", "b1", "b2", "b3"].map(|name| (name, &name[..1]));
    in_zones(&fleet, zones());
    let client = fleet.client(|builder| builder.zone("a"));
    let names =
        async |calls| -> BTreeSet<&str> { fleet.calls(&client, calls).await.into_keys().collect() };
    assert_eq!(names(100).await, ["a1", "a2", "a3"].into());

    fleet.network.crash("a1");
    assert_eq!(names(100).await, ["a2", "a3"].into());
    fleet.network.crash("a2");
    fleet.calls(&client, 20).await;
    assert_eq!(names(200).await, ["a3", "b1", "b2", "b3"].into(), "one of three is not enough");

    fleet.network.heal("a1");
    fleet.network.heal("a2");
    fleet.calls(&client, 5_000).await;
    assert_eq!(names(100).await, ["a1", "a2", "a3"].into());
}

#[tokio::test(start_paused = true)]
async fn zones_change_while_connections_stay() {
    let fleet = Fleet::new(["a", "b"]).await;
    let client = fleet.client(|builder| builder.zone("here"));
    for (a, b, called) in [
        ("here", "there", &["a"][..]),
        ("there", "here", &["b"]),
        ("here", "here", &["a", "b"]),
        ("there", "there", &["a", "b"]),
        ("here", "there", &["a"]),
    ] {
        in_zones(&fleet, [("a", a), ("b", b)]);
        let calls = fleet.calls(&client, 40).await;
        assert_eq!(calls.keys().copied().collect::<Vec<_>>(), called, "{a} {b}");
    }
    assert_eq!((fleet.connections("a"), fleet.connections("b")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_few_of_a_zone_are_not_flooded() {
    let fleet = Fleet::new(["a1", "b1", "b2", "b3", "b4"]).await;
    in_zones(&fleet, ["a1", "b1", "b2", "b3", "b4"].map(|name| (name, &name[..1])));
    let of_zone = |zone: &'static str| fleet.client(|builder| builder.zone(zone));
    assert_eq!(
        fleet.calls(&of_zone("a"), 200).await.len(),
        5,
        "one of five is less than half of half"
    );
    assert_eq!(fleet.calls(&of_zone("b"), 200).await.len(), 4);
    assert_eq!(fleet.calls(&of_zone("c"), 200).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_key_belongs_to_one_instance_in_whatever_zone() {
    let fleet = Fleet::new(["a", "b"]).await;
    in_zones(&fleet, [("a", "a"), ("b", "b")]);
    let clients = ["a", "b"].map(|zone| fleet.client(|builder| builder.zone(zone)));
    for key in 0..20 {
        let cx = soon().with_affinity(key);
        let [of_a, of_b] = &clients;
        let called = fleet.calls_with(of_a, 1, &cx).await;
        assert_eq!(called, fleet.calls_with(of_b, 1, &cx).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_a_large_fleet_calls_its_own_part_of_it() {
    let names: Vec<String> = (10..40).map(|index| format!("i{index}")).collect();
    let fleet = Fleet::new(&names).await;
    fleet.list_all();
    let by = |id: &'static str| {
        fleet.client(move |builder: ChannelBuilder| builder.subset(5).client_id(id))
    };
    let client = by("one");
    let mine = fleet.calls(&client, 200).await;
    assert_eq!(mine.len(), 5);
    let mine: BTreeSet<&str> = mine.into_keys().collect();
    let again: BTreeSet<&str> = fleet.calls(&by("one"), 200).await.into_keys().collect();
    assert_eq!(again, mine, "the same when it starts again");
    let theirs: BTreeSet<&str> = fleet.calls(&by("two"), 200).await.into_keys().collect();
    assert!(theirs.len() == 5 && theirs != mine);

    // When one of them goes, one other takes its place.
    let gone = *mine.first().unwrap();
    let left = names.iter().filter(|name| *name != gone);
    fleet.list_endpoints(left.map(|name| fleet.endpoint(name)));
    let after: BTreeSet<&str> = fleet.calls(&client, 200).await.into_keys().collect();
    assert_eq!((after.len(), after.intersection(&mine).count()), (5, 4));
    fleet.list_all();
    let back: BTreeSet<&str> = fleet.calls(&client, 200).await.into_keys().collect();
    assert_eq!(back, mine);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_gets_its_share_by_and_by() {
    let fleet = Fleet::new(["first", "second", "newcomer"]).await;
    for balance in
        [Balance::p2c_ewma(), Balance::weighted_random(), Balance::weighted_round_robin()]
    {
        fleet.list([("first", 100), ("second", 100)]);
        let client =
            fleet.client(|builder| builder.balance(balance).slow_start(Duration::from_secs(60)));
        let calls = fleet.calls(&client, 1_000).await;
        assert!(calls.values().all(|calls| (400..=600).contains(calls)), "{calls:?}");

        fleet.list([("first", 100), ("second", 100), ("newcomer", 100)]);
        // A second of calls each time: a tenth of a share, then half of one, then a whole one.
        let early = fleet.calls(&client, 1_000).await["newcomer"];
        tokio::time::sleep(Duration::from_secs(29)).await;
        let half = fleet.calls(&client, 1_000).await["newcomer"];
        tokio::time::sleep(Duration::from_secs(30)).await;
        let whole = fleet.calls(&client, 1_000).await["newcomer"];
        assert!((20..=80).contains(&early), "{early}");
        assert!((150..=250).contains(&half), "{half}");
        assert!((270..=400).contains(&whole), "{whole}");
        fleet.list([("first", 100), ("second", 100)]);
    }
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_listed() {
    let memory = Memory::new();
    let builder = Server::builder().add_service(echo_service::serve(Echo)).register(memory.clone());
    let server = Running::start(builder.weight(7).zone("a").tags(["x", "y"])).await;
    let mut listing = memory.watch(&echo_service::DESCRIPTOR);
    let known = listing.wait_for(|listing| *listing != Listing::Unknown);
    let listed = timeout(SOON, known).await.expect("it registers").unwrap().clone();
    let expected = Endpoint {
        weight: 7,
        zone: "a".into(),
        tags: ["x", "y"].map(str::to_owned).into(),
        ..Endpoint::new(server.address)
    };
    assert_eq!(listed, Listing::Known([expected].into()));
}
