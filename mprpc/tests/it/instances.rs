//! Which instance gets a call, and what happens when one is not there.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use mprpc::discovery::Memory;
use mprpc::{Balance, Channel, Code, Context, Executed, Server};
use mprpc_examples::{Echo, echo_service};
use tokio::net::TcpListener;

use crate::support::{Running, channel, echo_req, soon};

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

fn registered(memory: &Memory) -> mprpc::ServerBuilder {
    Server::builder()
        .add_service(echo_service::serve(Echo))
        .register(memory.clone())
}

#[tokio::test]
async fn a_refused_connection_says_so_and_that_nothing_was_executed() {
    let address = nowhere().await;
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.executed()),
        (Code::Unavailable, Executed::No)
    );
    assert_eq!(status.peer(), Some(address));
    assert!(status.message().contains("refused"), "{status}");
}

#[tokio::test]
async fn calls_go_to_the_instance_that_is_there() {
    let server = Running::echo().await;
    let target = format!("static://{},{}", nowhere().await, server.address);
    for balance in [Balance::round_robin(), Balance::least_requests()] {
        let channel = Channel::builder(&target).balance(balance).build().unwrap();
        let client = echo_service::Client::new(&channel);
        for _ in 0..20 {
            client.echo(&soon(), echo_req("x")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_instance_that_comes_back_is_called_again() {
    let server = Running::echo().await;
    let address = server.address;
    let client = server.client();
    client.echo(&soon(), echo_req("before")).await.unwrap();
    server.stop().await;
    assert!(client.echo(&soon(), echo_req("away")).await.is_err());

    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let _server = Running::start_at(builder, address).await;
    let again = async {
        // Until the pause between attempts to connect is over.
        while client.echo(&soon(), echo_req("back")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again)
        .await
        .expect("it is found again");
}

#[tokio::test]
async fn a_call_waits_for_a_service_that_nobody_has_registered_yet() {
    let memory = Memory::new();
    let channel = Channel::builder("memory://")
        .memory(&memory)
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("early")).await }
    });
    tokio::task::yield_now().await;
    let server = Running::start(registered(&memory)).await;
    assert_eq!(early.await.unwrap().unwrap().payload, "early");

    server.stop().await;
    let status = client.echo(&soon(), echo_req("late")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.executed()),
        (Code::Unavailable, Executed::No)
    );
}

#[tokio::test]
async fn a_service_that_never_registers_ends_the_call_at_its_deadline() {
    let channel = Channel::builder("memory://")
        .memory(&Memory::new())
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let cx = Context::with_timeout(Duration::from_millis(20));
    let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
    assert_eq!(
        status.message(),
        "no instance of echo.EchoService is known at memory://"
    );
}

#[tokio::test]
async fn round_robin_calls_every_instance() {
    let memory = Memory::new();
    let servers = [
        Running::start(registered(&memory)).await,
        Running::start(registered(&memory)).await,
    ];
    let channel = Channel::builder("memory://")
        .memory(&memory)
        .balance(Balance::round_robin())
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    // A failure names its peer, which tells who was called.
    let mut called = HashSet::new();
    for _ in 0..4 {
        let fail = mprpc_examples::FailReq {
            code: 5,
            message: String::new(),
        };
        called.insert(
            client
                .fail(&soon(), fail)
                .await
                .unwrap_err()
                .peer()
                .unwrap(),
        );
    }
    assert_eq!(
        called,
        servers.iter().map(|server| server.address).collect()
    );
}
