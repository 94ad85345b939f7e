//! How many connections an instance has, and when: in virtual time, on a network in memory.

use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory};
use mprpc::local::{Network, Partition};
use mprpc::{Channel, Code, Context, Executed};
use mprpc_examples::{EchoReq, EchoSlowlyReq, echo_service};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::local::{client, serve, serve_echo, to};
use crate::support::{Gate, SOON, echo_req, slow_req, soon};

const HOUR: Duration = Duration::from_secs(3600);

/// Keeps `calls` calls in flight for `time`, each of which takes a moment at the server.
async fn load(client: &echo_service::Client, calls: usize, time: Duration) {
    let until = Instant::now() + time;
    let mut callers = JoinSet::new();
    for _ in 0..calls {
        let client = client.clone();
        callers.spawn(async move {
            while Instant::now() < until {
                let request = EchoSlowlyReq { payload: "x".into(), delay_ms: 10 };
                client.echo_slowly(&Context::with_timeout(HOUR), request).await?;
            }
            Ok::<_, mprpc::Status>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap().expect("no call fails");
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_one_connection_as_long_as_it_is_fast() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo"));
    load(&client, 50, Duration::from_secs(4)).await;
    assert_eq!(network.connections("echo"), 1);
}

#[tokio::test(start_paused = true)]
async fn contention_adds_connections_up_to_the_bound_and_quiet_takes_them_away_without_a_failed_call()
 {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo").connections_max(3));
    load(&client, 10, Duration::from_secs(3)).await;
    // Everything takes longer than it did.
    network.latency("echo", Duration::from_millis(20));
    load(&client, 10, Duration::from_secs(10)).await;
    assert_eq!(network.connections("echo"), 3);
    network.latency("echo", Duration::ZERO);
    load(&client, 2, Duration::from_secs(90)).await;
    assert_eq!(network.connections("echo"), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_and_the_next_call_makes_one() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo").idle_timeout(Duration::from_secs(60)));
    for _ in 0..20 {
        // Used now and then, it stays.
        client.echo(&soon(), echo_req("x")).await.unwrap();
        sleep(Duration::from_secs(35)).await;
        assert_eq!(network.connections("echo"), 1);
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(network.connections("echo"), 0);
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(network.connections("echo"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_call_keeps_its_connection_from_being_idle() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo").idle_timeout(Duration::from_secs(1)));
    let request = EchoSlowlyReq { payload: "x".into(), delay_ms: 600_000 };
    client.echo_slowly(&Context::with_timeout(HOUR), request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connecting_ahead_reaches_every_listed_instance_before_the_first_call_and_keeps_it() {
    let (network, registry) = (Network::new(), Memory::new());
    let _servers = [serve_echo(&network, "a").await, serve_echo(&network, "b").await];
    let builder = Channel::builder("memory://").memory(&registry).network(&network);
    let _client = client(builder.connect_ahead(true));
    let list = |names: &[&str]| {
        let endpoint = |name: &&str| Endpoint::new(network.address(name));
        registry.list(&echo_service::DESCRIPTOR, names.iter().map(endpoint));
    };
    let connections = || ["a", "b"].map(|name| network.connections(name));
    list(&["a"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(connections(), [1, 0]);
    list(&["a", "b"]);
    sleep(HOUR).await;
    assert_eq!(connections(), [1, 1]);
    // Lost, they are made again though nobody calls.
    network.crash("a");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(connections(), [0, 1]);
    network.heal("a");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(connections(), [1, 1]);
    list(&["b"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(connections(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_anew_before_the_next_call_where_calls_were_made() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo"));
    client.echo(&soon(), echo_req("x")).await.unwrap();
    network.crash("echo");
    sleep(Duration::from_secs(2)).await;
    network.heal("echo");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(network.connections("echo"), 1);
    // Where nobody calls any more, it is left at that.
    sleep(Duration::from_secs(60)).await;
    network.crash("echo");
    network.heal("echo");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(network.connections("echo"), 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_to_connect_that_fail_come_at_growing_intervals_within_their_bounds() {
    let network = Network::new();
    let pauses = (Duration::from_secs(1), Duration::from_secs(60));
    let client = client(to(&network, "nobody").reconnect_pause(pauses.0, pauses.1));
    // Nobody listens: an attempt fails at once, and a call that comes before the next is due gets the
    // same error. So the server is there for one call only, to see when it is looked for.
    let mut failed = 0;
    let began = Instant::now();
    for _ in 0..6 {
        let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
        failed += 1;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((failed, began.elapsed()), (6, Duration::from_secs(6)));
    let _server = serve_echo(&network, "nobody").await;
    let found = async {
        while client.echo(&soon(), echo_req("x")).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        began.elapsed()
    };
    let after = timeout(HOUR, found).await.expect("it is found");
    // After 1, 2, 4 and 8 s, each shortened to no less than half.
    assert!(after > Duration::from_secs(6) && after < Duration::from_secs(16), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_peer_is_found_within_three_times_the_keepalive_interval() {
    for seconds in [1, 5, 20] {
        let network = Network::new();
        let gate = Gate::default();
        let _server = serve(&network, "echo", echo_service::serve(gate.clone())).await;
        let interval = Duration::from_secs(seconds);
        let client = client(to(&network, "echo").keepalive(interval));
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.echo_slowly(&Context::with_timeout(HOUR), slow_req("x")).await }
        });
        gate.started.notified().await;
        // Not at the beginning of an interval.
        sleep(interval.mul_f64(3.3)).await;
        network.partition("echo", Partition::FromServer);
        let began = Instant::now();
        let status = call.await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
        assert!(began.elapsed() <= 3 * interval, "{:?}", began.elapsed());
        assert!(began.elapsed() >= interval, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_work_is_replaced_while_its_calls_go_on() {
    let network = Network::new();
    let gate = Gate::default();
    let old = serve(&network, "echo", echo_service::serve(gate.clone())).await;
    let client = client(to(&network, "echo"));
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("in flight")).await }
    });
    gate.started.notified().await;
    drop(old);
    sleep(Duration::from_millis(1)).await;
    let _new = serve_echo(&network, "echo").await;
    // Without a call that asks for it.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(network.connections("echo"), 2);
    client.echo(&soon(), echo_req("x")).await.unwrap();
    gate.open.cancel();
    assert_eq!(call.await.unwrap().unwrap().payload, "in flight");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(network.connections("echo"), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_channel_closes_its_connections() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    for query in ["", "?wire=classic"] {
        let client =
            client(Channel::builder(format!("static://local:echo{query}")).network(&network));
        load(&client, 5, Duration::from_secs(1)).await;
        assert!(network.connections("echo") > 0);
        drop(client);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(network.connections("echo"), 0, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stub_for_each_call_finds_the_connection_of_the_ones_before() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let channel = to(&network, "echo").build().unwrap();
    for _ in 0..10 {
        let client = echo_service::Client::new(&channel);
        client.echo(&soon(), echo_req("x")).await.unwrap();
        drop(client);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(network.connections("echo"), 1);
    }
    drop(channel);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(network.connections("echo"), 0);
}

/// In real time: large calls make those behind them wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_queue_behind_large_ones_get_more_connections() {
    let network = Network::new();
    let _server = serve_echo(&network, "busy").await;
    let client = client(to(&network, "busy"));
    client.echo(&soon(), echo_req("x")).await.unwrap();
    let payload = bytes::Bytes::from(vec![7; 2 * 1024 * 1024]);
    let callers: JoinSet<()> = (0..16)
        .map(|_| {
            let (client, payload) = (client.clone(), payload.clone());
            async move {
                loop {
                    client.echo(&soon(), EchoReq { payload: payload.clone() }).await.unwrap();
                }
            }
        })
        .collect();
    let grown = async {
        while network.connections("busy") < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, grown).await.expect("one connection more is made");
    drop(callers);
}
