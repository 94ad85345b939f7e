//! What a server does when it is told to stop.

use std::time::Duration;

use mprpc::{Code, Executed, Server};
use mprpc_examples::echo_service;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Gate, Running, SOON, echo_req, slow_req, soon};

#[tokio::test]
async fn calls_in_flight_are_finished_and_no_new_ones_are_opened() {
    for wire in ["v2", "classic"] {
        let gate = Gate::default();
        let server = gate.serve().await;
        let client = if wire == "v2" {
            server.client()
        } else {
            server.classic_client()
        };
        let in_flight = tokio::spawn({
            let client = client.clone();
            async move { client.echo_slowly(&soon(), slow_req("in flight")).await }
        });
        timeout(SOON, gate.started.notified())
            .await
            .expect("it is at work");
        server.begin_to_stop();
        let refused = async {
            loop {
                match client.echo(&soon(), echo_req("new")).await {
                    // Crossed the request to leave, and was served.
                    Ok(_) => tokio::task::yield_now().await,
                    Err(status) => return status,
                }
            }
        };
        let status = timeout(SOON, refused).await.expect("new calls are refused");
        assert_eq!(
            (status.code(), status.executed()),
            (Code::Unavailable, Executed::No),
            "{wire}"
        );
        gate.open.cancel();
        assert_eq!(
            in_flight.await.unwrap().unwrap().payload,
            "in flight",
            "{wire}"
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_does_not_end_is_ended_when_the_drain_time_is_over() {
    let gate = Gate::default();
    let builder = Server::builder()
        .add_service(echo_service::serve(gate.clone()))
        .drain_timeout(Duration::from_millis(50));
    let server = Running::start(builder).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified())
        .await
        .expect("it is at work");
    server.stop().await;
    timeout(SOON, gate.dropped.notified())
        .await
        .expect("the handler is dropped");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(
        (status.code(), status.executed()),
        (Code::Unavailable, Executed::Maybe)
    );
}

#[tokio::test]
async fn idle_connections_of_both_wires_do_not_hold_up_the_end() {
    let server = Running::echo().await;
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    let kept = server.client();
    kept.echo(&soon(), echo_req("x")).await.unwrap();
    let classic = server.classic_client();
    classic.echo(&soon(), echo_req("x")).await.unwrap();
    let mut fresh = TcpStream::connect(server.address).await.unwrap();
    server.stop().await;
    let mut rest = Vec::new();
    timeout(SOON, fresh.read_to_end(&mut rest))
        .await
        .expect("it is closed")
        .unwrap();
}

#[tokio::test]
async fn a_connection_past_the_bound_is_closed_and_the_others_go_on() {
    let gate = Gate::default();
    let builder = Server::builder()
        .add_service(echo_service::serve(gate.clone()))
        .connections_max(1);
    let server = Running::start(builder).await;
    let client = server.client();
    client.echo(&soon(), echo_req("first")).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SOON, second.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    client.echo(&soon(), echo_req("still first")).await.unwrap();
}
