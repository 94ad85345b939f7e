//! What is counted of connections, at both ends.

use std::future::pending;
use std::time::Duration;

use mprpc::local::Network;
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoResp, echo_service};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::local::{client, serve_echo, to};
use crate::support::{Doing, Gate, Running, SOON, channel, echo_req, slow_req, soon};
use crate::told::Told;

#[tokio::test]
async fn connections_are_counted_by_wire_while_they_are_open_and_when_they_are_opened() {
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let (v2, classic) = (server.client(), server.classic_client());
    for client in [&v2, &classic] {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    let opened = [
        ("mprpc_connections_opened_total{wire=v2}", 1.0),
        ("mprpc_connections_opened_total{wire=classic}", 1.0),
    ];
    told.wait_for(&[
        ("mprpc_connections{wire=v2}", 1.0),
        ("mprpc_connections{wire=classic}", 1.0),
        ("mprpc_server_connections{}", 2.0),
    ])
    .await;
    told.wait_for(&opened).await;
    drop((v2, classic));
    told.wait_for(&[
        ("mprpc_connections{wire=v2}", 0.0),
        ("mprpc_connections{wire=classic}", 0.0),
        ("mprpc_server_connections{}", 0.0),
    ])
    .await;
    told.wait_for(&opened).await;
}

#[tokio::test]
async fn all_bytes_are_counted_at_both_ends() {
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let payload = "x".repeat(10_000);
    for client in [server.client(), server.classic_client()] {
        client.echo(&soon(), echo_req(&payload)).await.unwrap();
    }
    // Both ends have closed.
    told.wait_for(&[("mprpc_server_connections{}", 0.0)]).await;
    for (sent, received) in [
        ("mprpc_client_sent_bytes_total{}", "mprpc_server_received_bytes_total{}"),
        ("mprpc_server_sent_bytes_total{}", "mprpc_client_received_bytes_total{}"),
    ] {
        assert_eq!(told.seen[sent], told.seen[received], "{sent}");
        assert!((20_000.0..21_000.0).contains(&told.seen[sent]), "{sent}: {}", told.seen[sent]);
    }
}

#[tokio::test]
async fn attempts_to_connect_that_fail_are_counted_by_wire() {
    let (mut told, _guard) = Told::listen();
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (query, wire) in [("?wire=classic", "classic"), ("", "v2")] {
        let client = echo_service::Client::new(&channel(&format!("static://{address}{query}")));
        client.echo(&soon(), echo_req("x")).await.unwrap_err();
        let failures = format!("mprpc_connect_failures_total{{wire={wire}}}");
        assert!(told.look().get(&failures).is_some_and(|times| *times >= 1.0), "{:?}", told.seen);
        assert!(!told.seen.contains_key(&format!("mprpc_connections_opened_total{{wire={wire}}}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_given_up_for_its_silence_is_counted() {
    let (mut told, _guard) = Told::listen();
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo"));
    client.echo(&soon(), echo_req("x")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!told.look().contains_key("mprpc_pings_lost_total{}"), "{:?}", told.seen);
    network.freeze("echo");
    client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!(told.look().get("mprpc_pings_lost_total{}"), Some(&1.0));
}

#[tokio::test]
async fn calls_that_wait_for_a_classic_connection_are_counted() {
    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    let target = format!("static://{}?wire=classic", server.address);
    let channel = Channel::builder(target).classic_connections_max(1).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await })
        })
        .collect();
    told.wait_for(&[("mprpc_classic_waiting{}", 2.0)]).await;
    gate.open.cancel();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    told.wait_for(&[("mprpc_classic_waiting{}", 0.0)]).await;
}

#[tokio::test]
async fn connections_past_the_bound_are_counted_and_those_within_it_are_not() {
    let (mut told, _guard) = Told::listen();
    let builder = Server::builder().add_service(echo_service::serve(Echo)).connections_max(1);
    let server = Running::start(builder).await;
    let client = server.client();
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert!(told.of(&["mprpc_connections_refused_total"]).is_empty());
    let _second = TcpStream::connect(server.address).await.unwrap();
    told.wait_for(&[
        ("mprpc_connections_refused_total{}", 1.0),
        ("mprpc_server_connections{}", 1.0),
    ])
    .await;
}

const ENDED: [&str; 2] = ["mprpc_connections_drained_total", "mprpc_connections_forced_total"];

#[tokio::test]
async fn connections_that_end_by_themselves_while_the_server_stops_are_told_from_those_that_are_closed()
 {
    let (mut told, _guard) = Told::listen();
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    server.begin_to_stop();
    gate.open.cancel();
    server.stop().await;
    call.await.unwrap().unwrap();
    assert_eq!(told.of(&ENDED), [("mprpc_connections_drained_total{}".to_owned(), 1.0)].into());

    let gate = Gate::default();
    let builder = Server::builder().add_service(echo_service::serve(gate.clone()));
    let server = Running::start(builder.drain_timeout(Duration::from_millis(20))).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    server.stop().await;
    call.await.unwrap().unwrap_err();
    let both = ENDED.map(|name| (format!("{name}{{}}"), 1.0));
    assert_eq!(told.of(&ENDED), both.into());
}

#[tokio::test]
async fn detached_work_is_counted_while_it_goes_on() {
    let (mut told, _guard) = Told::listen();
    let doing = Doing::new(|cx: Context, _| async move {
        drop(cx.detach(SOON, |_| pending::<()>())?);
        Ok(EchoResp::default())
    });
    let server = Running::start(doing.builder().drain_timeout(Duration::from_millis(20))).await;
    let client = server.client();
    for _ in 0..2 {
        client.echo_slowly(&soon(), slow_req("x")).await.unwrap();
    }
    told.wait_for(&[("mprpc_detached{}", 2.0)]).await;
    server.stop().await;
    told.wait_for(&[("mprpc_detached{}", 0.0)]).await;
}
