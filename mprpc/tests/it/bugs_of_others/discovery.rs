//! What becomes of a registry's news, and of an instance's own entry.

use std::net::SocketAddr;
use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory, Register, ZooKeeper};
use mprpc::{Balance, Channel, Server};
use mprpc_examples::{Echo, echo_service};
use test_servers::PrivateZooKeeper;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Running, SOON, echo_req, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, Root, connected, echo_in, knows_it_is_away, listed, listing_of, until,
};

fn round_robin(memory: &Memory) -> echo_service::Client {
    let builder = Channel::builder("memory://").memory(memory).balance(Balance::round_robin());
    echo_service::Client::new(&builder.build().unwrap())
}

fn registered(memory: &Memory) -> mprpc::ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(memory.clone())
}

/// grpc-rust 1581: what discovery told was applied by the next request, so that without requests
/// connections to instances that had gone stayed open.
#[tokio::test]
async fn an_instance_that_is_no_longer_listed_is_disconnected_though_nobody_calls() {
    let memory = Memory::new();
    let server = Running::echo().await;
    // The server that is called is behind it: what is seen is the connection.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(listener.local_addr().unwrap());
    let entry = memory.register(&echo_service::DESCRIPTOR, endpoint);
    let client = round_robin(&memory);
    let passed_on = tokio::spawn(async move {
        let (mut inside, _) = listener.accept().await.unwrap();
        let mut outside = TcpStream::connect(server.address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
    });
    client.echo(&soon(), echo_req("x")).await.unwrap();
    drop(entry);
    timeout(SOON, passed_on).await.expect("the connection is closed").unwrap();
}

/// grpc-rust 643: calls went on to an endpoint that had died and was no longer listed.
#[tokio::test]
async fn no_call_goes_to_an_endpoint_that_died_once_another_is_listed_instead() {
    let memory = Memory::new();
    // It accepts, and then never answers: a call that goes there is lost until its deadline.
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let entry =
        memory.register(&echo_service::DESCRIPTOR, Endpoint::new(dead.local_addr().unwrap()));
    let client = round_robin(&memory);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("x")).await }
    });
    let (connection, _) = timeout(SOON, dead.accept()).await.expect("it is called").unwrap();
    let server = Running::start(registered(&memory)).await;
    drop(entry);
    drop(connection);
    waiting.await.unwrap().expect("the call that waited goes to the one that lives");
    for _ in 0..20 {
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
    let again = timeout(Duration::from_millis(50), dead.accept()).await;
    assert!(again.is_err(), "nobody connects there any more");
    server.stop().await;
}

/// kazoo 151: after a connection was lost and made again, watches were gone, and what changed
/// later was never told. More than once here, since the second time differs from the first.
#[tokio::test]
async fn what_is_watched_is_still_watched_after_each_loss_of_zookeeper() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let build = || {
        let builder = ZooKeeper::builder(private.address());
        builder.session_timeout(Duration::from_secs(20)).build().unwrap()
    };
    let (ours, theirs) = (build(), build());
    let mut listing = listing_of(&ours);
    let mut servers = vec![Running::start(echo_in(&theirs)).await];
    for _ in 0..2 {
        private.kill().await;
        until("the loss is noticed", || knows_it_is_away(&ours)).await;
        private.start_again().await;
        connected(&ours).await;
        connected(&theirs).await;
        servers.push(Running::start(echo_in(&theirs)).await);
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        listed(&mut listing, &addresses).await;
    }
}

/// kazoo 241: registering again after a loss hung for ever, on the ephemeral nodes of the session
/// before, which still stood.
#[tokio::test]
async fn who_registers_again_does_not_wait_for_the_nodes_of_the_session_before_to_go() {
    let Some(root) = Root::fresh().await else { return };
    let address = test_servers::free_address();
    let id = address.to_string();
    // Those of a process that was killed: its session lives for as long as this test, and nobody
    // serves.
    let path = format!("{INSTANCES}/{id}");
    root.put(&path, &format!("{{\"address\":\"{id}\"}}")).await;
    root.put(&format!("{METHODS}/Describe"), &id).await;
    let before = root.read(&path).await.unwrap().1.ephemeral_owner;
    let _server = Running::start_at(echo_in(&root.zookeeper()), address).await;
    let by_another = async |path: &str| {
        let node = root.read(path).await;
        node.is_some_and(|(_, stat)| stat.ephemeral_owner != before)
    };
    until("registered again", async || {
        by_another(&path).await && by_another(&format!("{METHODS}/Describe")).await
    })
    .await;
}
