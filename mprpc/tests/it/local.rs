//! Calls within the process, and faults between here and there, in virtual time.

use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory};
use mprpc::local::{Network, Partition};
use mprpc::{Channel, ChannelBuilder, Code, Context, Executed, Server};
use mprpc_examples::{Echo, echo_service};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{Gate, echo_req, slow_req, soon};

/// Serves an echo under `name` until the guard is dropped.
pub(crate) async fn serve_echo(network: &Network, name: &str) -> DropGuard {
    serve(network, name, echo_service::serve(Echo)).await
}

pub(crate) async fn serve(network: &Network, name: &str, service: mprpc::Service) -> DropGuard {
    let builder = Server::builder().add_service(service).network(network);
    let server = builder.listen(network.address(name)).bind_all().await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(server.serve(stop.clone().cancelled_owned()));
    stop.drop_guard()
}

pub(crate) fn to(network: &Network, name: &str) -> ChannelBuilder {
    Channel::builder(format!("static://local:{name}")).network(network)
}

pub(crate) fn client(builder: ChannelBuilder) -> echo_service::Client {
    echo_service::Client::new(&builder.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn both_wires_are_spoken_within_the_process_and_take_no_time() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let began = Instant::now();
    for query in ["", "?wire=classic"] {
        let channel = Channel::builder(format!("static://local:echo{query}")).network(&network);
        let client = client(channel);
        for _ in 0..10 {
            assert_eq!(client.echo(&soon(), echo_req("x")).await.unwrap().payload, "x");
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_names_no_network_meets_on_the_one_of_the_process() {
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let address: mprpc::Address = "local:named-by-no-other-test".parse().unwrap();
    let server = builder.listen(address.clone()).bind_all().await.unwrap();
    tokio::spawn(server.serve(std::future::pending()));
    let client = client(Channel::builder(format!("static://{address}")));
    client.echo(&soon(), echo_req("x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn latency_is_that_of_the_round_trip() {
    let network = Network::new();
    let _server = serve_echo(&network, "echo").await;
    let client = client(to(&network, "echo"));
    client.echo(&soon(), echo_req("x")).await.unwrap();
    network.latency("echo", Duration::from_millis(30));
    let began = Instant::now();
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(60));
}

#[tokio::test(start_paused = true)]
async fn a_crash_ends_the_calls_in_flight_and_a_healed_instance_serves_again() {
    let network = Network::new();
    let gate = Gate::default();
    let _server = serve(&network, "echo", echo_service::serve(gate.clone())).await;
    let client = client(to(&network, "echo"));
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("x")).await }
    });
    gate.started.notified().await;
    network.crash("echo");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    gate.dropped.notified().await;
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
    network.heal("echo");
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.echo(&soon(), echo_req("x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partition_of_either_kind_is_noticed_and_heals() {
    for partition in [Partition::Both, Partition::ToServer, Partition::FromServer] {
        let network = Network::new();
        let _server = serve_echo(&network, "echo").await;
        let client = client(to(&network, "echo"));
        client.echo(&soon(), echo_req("x")).await.unwrap();
        network.partition("echo", partition);
        let began = Instant::now();
        let cx = Context::with_timeout(Duration::from_secs(60));
        let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
        assert!(began.elapsed() <= Duration::from_secs(3), "{partition:?}: {:?}", began.elapsed());
        network.heal("echo");
        tokio::time::sleep(Duration::from_secs(2)).await;
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_follow_what_a_fake_registry_lists() {
    let (network, registry) = (Network::new(), Memory::new());
    let _servers = [serve_echo(&network, "a").await, serve_echo(&network, "b").await];
    let client = client(Channel::builder("memory://").memory(&registry).network(&network));
    let fail = || mprpc_examples::FailReq { code: 5, message: String::new() };
    for name in ["a", "b", "a"] {
        let address = network.address(name);
        registry.list(&echo_service::DESCRIPTOR, [Endpoint::new(address.clone())]);
        tokio::task::yield_now().await;
        let status = client.fail(&soon(), fail()).await.unwrap_err();
        assert_eq!(status.peer(), Some(&address));
    }
    registry.list(&echo_service::DESCRIPTOR, []);
    tokio::task::yield_now().await;
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
}
