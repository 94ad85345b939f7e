//! The classic nodes: each names one instance, and that one should live.

use std::net::SocketAddr;

use mprpc::discovery::ZooKeeper;
use mprpc::{Channel, Server};
use mprpc_examples::{Echo, echo_service};
use tokio::net::TcpListener;

use crate::support::{Running, echo_req, soon};
use crate::zookeeper::fixture::{METHODS, Root, echo_in, until};

async fn owned_by(root: &Root, method: &str, address: SocketAddr) {
    let what = format!("{method} is of {address}");
    until(&what, async || root.owner(method).await == Some(address.to_string())).await
}

#[tokio::test]
async fn a_live_instance_takes_over_within_a_second_of_the_owner_refusing_connections() {
    let Some(root) = Root::fresh().await else { return };
    let owner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = owner.local_addr().unwrap();
    for method in ["Echo", "Fail"] {
        root.put(&format!("{METHODS}/{method}"), &address.to_string()).await;
    }
    let zookeepers = [root.zookeeper(), root.zookeeper()];
    let _servers = [
        Running::start(echo_in(&zookeepers[0])).await,
        Running::start(echo_in(&zookeepers[1])).await,
    ];
    // Nobody stands for the others, so that they are taken at once; these have an owner that lives.
    until("the free ones", async || {
        root.owner("Describe").await.is_some() && root.owner("EchoSlowly").await.is_some()
    })
    .await;
    for _ in 0..3 {
        // An owner that is asked whether it lives, and does.
        owner.accept().await.unwrap();
    }
    for method in ["Echo", "Fail"] {
        assert_eq!(root.owner(method).await, Some(address.to_string()));
    }

    drop(owner);
    for method in ["Echo", "Fail"] {
        until(method, async || root.owner(method).await != Some(address.to_string())).await;
        let owner = root.owner(method).await.expect("it is replaced, never missing");
        call_classic(&owner).await;
    }
}

#[tokio::test]
async fn a_node_whose_owner_leaves_is_made_anew_by_another() {
    let Some(root) = Root::fresh().await else { return };
    let (first, second) = (root.zookeeper(), root.zookeeper());
    let owner = Running::start(echo_in(&first)).await;
    owned_by(&root, "Echo", owner.address).await;
    let other = Running::start(echo_in(&second)).await;
    until("both", async || root.ids().await.len() == 2).await;
    assert_eq!(root.owner("Echo").await, Some(owner.address.to_string()), "it lives");
    owner.stop().await;
    for method in ["Echo", "Fail", "Describe", "EchoSlowly"] {
        owned_by(&root, method, other.address).await;
    }
}

#[tokio::test]
async fn who_leaves_deletes_no_node_that_names_another_server_of_its_process() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let owner = Running::start(echo_in(&zookeeper)).await;
    owned_by(&root, "Echo", owner.address).await;
    let (_, before) = root.read(&format!("{METHODS}/Echo")).await.unwrap();
    let other = Running::start(echo_in(&zookeeper)).await;
    until("both", async || root.ids().await.len() == 2).await;
    other.stop().await;
    let (_, after) = root.read(&format!("{METHODS}/Echo")).await.expect("it stays");
    assert_eq!(after.czxid, before.czxid, "and was not made anew");
}

/// A process that was killed and is there again before its session has expired.
#[tokio::test]
async fn an_instance_replaces_the_nodes_of_its_former_self() {
    let Some(root) = Root::fresh().await else { return };
    let address = test_servers::free_address();
    root.put(&format!("{METHODS}/Echo"), &address.to_string()).await;
    let theirs = root.client.session_id().0;
    let _server = Running::start_at(echo_in(&root.zookeeper()), address).await;
    until("it is of the new session", async || {
        let node = root.read(&format!("{METHODS}/Echo")).await;
        node.is_some_and(|(data, stat)| {
            data == address.to_string() && stat.ephemeral_owner != theirs
        })
    })
    .await;
}

#[tokio::test]
async fn an_ipv6_instance_stands_in_our_layout_alone() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let Ok(server) = echo_in(&zookeeper).bind("[::1]:0".parse().unwrap()).await else { return };
    let id = server.local_addr().to_string();
    tokio::spawn(server.serve(std::future::pending()));
    until("the id", async || root.ids().await == [id.clone()]).await;
    assert!(root.read(METHODS).await.is_none());
}

/// What a caller of the original framework does: one call over the classic wire.
async fn call_classic(address: &str) {
    let channel = Channel::builder(format!("static://{address}?wire=classic")).build().unwrap();
    let answer = echo_service::Client::new(&channel).echo(&soon(), echo_req("classic")).await;
    assert_eq!(answer.unwrap().payload, "classic");
}

#[tokio::test]
async fn two_services_of_one_server_stand_side_by_side() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = ZooKeeper::builder(&root.hosts).build().unwrap();
    let twice = Server::builder()
        .add_service(echo_service::serve(Echo))
        .register(mprpc::discovery::Memory::new())
        .register(zookeeper);
    let server = Running::start(twice).await;
    owned_by(&root, "Echo", server.address).await;
    until("the id", async || root.ids().await == [server.address.to_string()]).await;
}
