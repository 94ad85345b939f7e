//! What callers are told, whatever stands in the registry.

use std::net::SocketAddr;
use std::time::Duration;

use mprpc::discovery::{Endpoint, Listing, Methods, Wires};
use mprpc::{Channel, Code, Executed};
use mprpc_examples::echo_service;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Running, SOON, echo_req, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, Root, addresses, client_of, echo_in, listed, listing_of, only, stays, until,
};

#[tokio::test]
async fn callers_learn_of_instances_as_they_come_and_go_without_calling() {
    let Some(root) = Root::fresh().await else { return };
    let (theirs, ours) = (root.zookeeper(), root.zookeeper());
    let mut listing = listing_of(&ours);
    let first = Running::start(echo_in(&theirs)).await;
    listed(&mut listing, &[first.address]).await;
    let endpoint = only(&listing);
    assert_eq!((endpoint.wires, endpoint.methods), (Wires::V2, Methods::All));
    until("in both layouts", async || root.owner("Echo").await.is_some()).await;
    // For longer than it takes until who stands in the classic layout alone is believed to.
    stays("it counts once", Duration::from_millis(300), async || {
        addresses(&listing.borrow()) == [first.address]
    })
    .await;
    let second = Running::start(echo_in(&theirs)).await;
    listed(&mut listing, &[first.address, second.address]).await;
    let last = second.address;
    first.stop().await;
    listed(&mut listing, &[last]).await;
    second.stop().await;
    listed(&mut listing, &[]).await;
}

/// An operator drains an instance, or gives it more, by writing to its node.
#[tokio::test]
async fn what_a_node_says_of_its_instance_is_read_again_with_every_change() {
    let Some(root) = Root::fresh().await else { return };
    let ours = root.zookeeper();
    let mut listing = listing_of(&ours);
    let server = echo_in(&root.zookeeper()).weight(7).zone("a").tags(["x"]).instance_id("one");
    let server = Running::start(server).await;
    listed(&mut listing, &[server.address]).await;
    let endpoint = only(&listing);
    assert_eq!(
        (endpoint.weight, &*endpoint.zone, &*endpoint.tags),
        (7, "a", &["x".to_owned()][..])
    );

    let path = format!("{INSTANCES}/one");
    let (data, _) = root.read(&path).await.unwrap();
    // Each in less time than that between two looks without a reason.
    for weight in [0, 50, 3] {
        let edited = data.replace("\"weight\":7", &format!("\"weight\":{weight}"));
        root.client.set_data(&path, edited.as_bytes(), None).await.unwrap();
        let wanted = [Endpoint { weight, ..endpoint.clone() }];
        let known = listing.wait_for(|now| *now == Listing::Known(wanted.clone().into()));
        timeout(SOON, known).await.expect("it is read again").unwrap();
    }
}

#[tokio::test]
async fn a_channel_to_zookeeper_needs_nothing_but_its_target() {
    let Some(root) = Root::fresh().await else { return };
    let _server = Running::start(echo_in(&root.zookeeper())).await;
    until("registered", async || !root.ids().await.is_empty()).await;
    let channel = Channel::builder(format!("zk://{}", root.hosts)).build().unwrap();
    let client = echo_service::Client::new(&channel);
    assert_eq!(client.echo(&soon(), echo_req("found")).await.unwrap().payload, "found");
    let error = Channel::builder("zk://").build().unwrap_err().to_string();
    assert!(error.contains("no ZooKeeper session"), "{error}");
}

/// As a C++ service does it. It stands for two methods of four.
#[tokio::test]
async fn an_instance_that_only_registered_the_classic_way_is_called_so_for_the_methods_it_stands_for()
 {
    let Some(root) = Root::fresh().await else { return };
    // It speaks both; that its v2 wire is not used is seen by what only that carries.
    let server = Running::echo().await;
    for method in ["Echo", "Describe"] {
        root.put(&format!("{METHODS}/{method}"), &server.address.to_string()).await;
    }
    let zookeeper = root.zookeeper();
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    let endpoint = only(&listing);
    assert_eq!(endpoint.wires, Wires::Classic);
    assert_eq!(endpoint.methods, Methods::only(["Echo", "Describe"]));

    let client = client_of(&zookeeper);
    assert_eq!(client.echo(&soon(), echo_req("x")).await.unwrap().payload, "x");
    let described = client.describe(&soon(), mprpc_examples::DescribeReq {}).await.unwrap();
    assert!(described.remaining_ms > 25_000, "the classic wire does not carry the deadline");
    let fail = mprpc_examples::FailReq { code: 5, message: String::new() };
    let status = client.fail(&soon(), fail).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
    assert!(status.message().contains("echo.EchoService/Fail"), "{status}");
}

#[tokio::test]
async fn nodes_with_junk_in_them_are_ignored_and_nothing_else_is_affected() {
    let Some(root) = Root::fresh().await else { return };
    let huge = format!("{{\"address\":\"127.0.0.1:1\",\"zone\":\"{}\"}}", "x".repeat(100_000));
    for (name, data) in [
        ("empty", ""),
        ("text", "127.0.0.1:1"),
        ("number", "7"),
        ("no-address", "{\"weight\":1}"),
        ("nowhere", "{\"address\":\"0.0.0.0:0\"}"),
        ("cut", "{\"address\":\"127.0.0.1:1\""),
        ("huge", huge.as_str()),
    ] {
        root.put(&format!("{INSTANCES}/{name}"), data).await;
    }
    for (method, data) in [("Echo", "nobody"), ("Fail", "[::1]:7"), ("NoSuch", "127.0.0.1:1")] {
        root.put(&format!("{METHODS}/{method}"), data).await;
    }
    let zookeeper = root.zookeeper();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    client_of(&zookeeper).echo(&soon(), echo_req("x")).await.unwrap();
}

/// Keys that we do not know may come with the next version, and most have defaults.
#[tokio::test]
async fn a_node_needs_nothing_but_an_address() {
    let Some(root) = Root::fresh().await else { return };
    let server = Running::echo().await;
    let data = format!("{{\"address\":\"{}\",\"mood\":\"good\"}}", server.address);
    root.put(&format!("{INSTANCES}/one"), &data).await;
    let zookeeper = root.zookeeper();
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    assert_eq!(only(&listing).id, "one");
    client_of(&zookeeper).echo(&soon(), echo_req("x")).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_suddenly_empty_is_not_believed_until_connections_are_refused() {
    let Some(root) = Root::fresh().await else { return };
    let listeners = [bound().await, bound().await, bound().await];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    for address in addresses {
        root.put(&format!("{INSTANCES}/{address}"), &said(address)).await;
    }
    let zookeeper = root.zookeeper();
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &addresses).await;
    let mut all = root.client.new_multi_writer();
    for address in addresses {
        all.add_delete(&format!("{INSTANCES}/{address}"), None).unwrap();
    }
    all.commit().await.unwrap();
    let [first, second, third] = listeners;
    drop(third);
    listed(&mut listing, &addresses[..2]).await;
    drop((first, second));
    listed(&mut listing, &[]).await;
}

async fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn said(address: SocketAddr) -> String {
    format!("{{\"address\":\"{address}\"}}")
}
