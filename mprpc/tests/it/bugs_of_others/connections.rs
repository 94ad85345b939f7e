//! Connections that do not come back, look ready and are not, or are lost to a pool.

use std::time::Duration;

use mprpc::local::{Network, Partition};
use mprpc::{Balance, Channel, Context, Status};
use mprpc_examples::{EchoResp, EchoSlowlyReq, echo_service};
use proptest::prelude::*;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::local::{client, serve, serve_echo, to};
use crate::support::{Gate, echo_req, slow_req, soon};

const HOUR: Duration = Duration::from_secs(3600);

fn classic(network: &Network, connections_max: usize) -> echo_service::Client {
    let channel = Channel::builder("static://local:echo?wire=classic").network(network);
    client(channel.classic_connections_max(connections_max))
}

fn begin(client: &echo_service::Client, delay_ms: u32) -> JoinHandle<Result<EchoResp, Status>> {
    let client = client.clone();
    let request = EchoSlowlyReq { payload: "x".into(), delay_ms };
    tokio::spawn(async move { client.echo_slowly(&Context::with_timeout(HOUR), request).await })
}

/// redis-rs 275, 1190: a multiplexed connection that had ended stayed so.
#[tokio::test(start_paused = true)]
async fn a_multiplexed_connection_comes_back_whatever_ended_it_and_however_often() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo"));
    let faults: [fn(&Network); 5] = [
        |network| network.crash("echo"),
        |network| network.freeze("echo"),
        |network| network.partition("echo", Partition::Both),
        |network| network.partition("echo", Partition::ToServer),
        |network| network.partition("echo", Partition::FromServer),
    ];
    for fault in faults.iter().cycle().take(25) {
        let in_flight: Vec<_> = (0..20).map(|_| begin(&client, 3_600_000)).collect();
        sleep(Duration::from_millis(1)).await;
        fault(&network);
        for call in in_flight {
            timeout(Duration::from_secs(5), call).await.expect("it ends").unwrap().unwrap_err();
        }
        network.heal("echo");
        // No more than an attempt that began before, and the longest pause.
        sleep(Duration::from_secs(4)).await;
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
}

/// The same, where whoever began to connect is gone before the connection is there.
#[tokio::test(start_paused = true)]
async fn a_connection_comes_about_though_the_caller_who_asked_for_it_has_gone() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    network.latency("echo", Duration::from_millis(100));
    let client = client(to(&network, "echo"));
    for _ in 0..10 {
        let hurried = Context::with_timeout(Duration::from_millis(10));
        client.echo(&hurried, echo_req("x")).await.unwrap_err();
    }
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(200), "it is there already");
}

/// databend 5732: a half-open peer looked ready, and calls went on to it.
#[tokio::test(start_paused = true)]
async fn a_half_open_peer_does_not_look_ready() {
    let network = Network::new();
    let _servers = [serve_echo(&network, "a").await, serve_echo(&network, "b").await];
    let builder = Channel::builder("static://local:a,local:b").network(&network);
    let client = client(builder.balance(Balance::round_robin()));
    for _ in 0..4 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    network.freeze("a");
    sleep(Duration::from_secs(3)).await;
    // Its connections are still accepted.
    let began = Instant::now();
    for _ in 0..50 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(began.elapsed(), Duration::from_secs(5), "no call waits for it");
}

/// mysql_async 45: one connection that was stuck starved all callers of the pool.
#[tokio::test(start_paused = true)]
async fn one_stuck_connection_does_not_starve_the_pool() {
    let network = Network::new();
    let gate = Gate::default();
    let _server = serve(&network, "echo", echo_service::serve(gate.clone())).await;
    let client = classic(&network, 2);
    let stuck = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&Context::with_timeout(HOUR), slow_req("stuck")).await }
    });
    gate.started.notified().await;
    let others: JoinSet<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            async move { client.echo(&soon(), echo_req("x")).await.unwrap() }
        })
        .collect();
    others.join_all().await;
    assert!(!stuck.is_finished());
    assert_eq!(network.connections("echo"), 2);
}

/// sqlx 83: whoever gave up waiting for a connection took its place along.
#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_for_a_connection_leaks_no_capacity() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    // Connecting takes a while, too.
    network.latency("echo", Duration::from_millis(5));
    let client = classic(&network, 1);
    for given_up_after_ms in 0..60 {
        let calls: Vec<_> = (0..5).map(|_| begin(&client, 10)).collect();
        sleep(Duration::from_millis(given_up_after_ms)).await;
        calls.iter().for_each(JoinHandle::abort);
    }
    timeout(Duration::from_secs(1), begin(&client, 10)).await.expect("a place").unwrap().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Begin { delay_ms: u32 },
    GiveUp { which: usize },
    Wait { time_ms: u64 },
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u32..50).prop_map(|delay_ms| Step::Begin { delay_ms }),
        3 => any::<usize>().prop_map(|which| Step::GiveUp { which }),
        2 => (0_u64..60).prop_map(|time_ms| Step::Wait { time_ms }),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..60)
}

/// Whatever callers and the network did, all places of the pool are there again.
async fn holds(steps: Vec<Step>) {
    const PLACES: usize = 3;
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    network.latency("echo", Duration::from_millis(2));
    let client = classic(&network, PLACES);
    let mut calls = Vec::new();
    for step in steps {
        match step {
            Step::Begin { delay_ms } => calls.push(begin(&client, delay_ms)),
            Step::GiveUp { which } if !calls.is_empty() => {
                let which = which % calls.len();
                calls.swap_remove(which).abort();
            }
            Step::GiveUp { .. } => {}
            Step::Wait { time_ms } => sleep(Duration::from_millis(time_ms)).await,
            Step::Crash => {
                network.crash("echo");
                network.heal("echo");
            }
        }
        assert!(network.connections("echo") <= PLACES);
    }
    for call in calls {
        // Ended, however.
        let _ = timeout(Duration::from_secs(10), call).await.expect("it ends");
    }
    let began = Instant::now();
    let last: Vec<_> = (0..PLACES).map(|_| begin(&client, 1000)).collect();
    for call in last {
        call.await.unwrap().unwrap();
    }
    // Side by side, so each had a place: one after the other they would take three seconds.
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(client);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(network.connections("echo"), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_pool_has_all_its_places_whatever_callers_and_the_network_do(steps in steps()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(holds(steps));
    }
}
