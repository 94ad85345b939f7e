//! What an instance leaves behind in ZooKeeper when it leaves: nothing.

use std::time::Duration;

use mprpc::discovery::{Endpoint, Register, ZooKeeper};
use mprpc_examples::echo_service;
use test_servers::{PrivateZooKeeper, free_address};
use zookeeper_client::{Acl, AuthId, Permission};

use crate::support::Running;
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, Root, connected, echo_in, knows_it_is_away, stays, until,
};

/// Far longer than a test takes: what goes in time was taken out.
const LONG: Duration = Duration::from_secs(60);

fn long(hosts: &str) -> ZooKeeper {
    ZooKeeper::builder(hosts).session_timeout(LONG).build().unwrap()
}

#[tokio::test]
async fn who_leaves_takes_out_nodes_that_an_operator_edited() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = long(&root.hosts);
    let server = Running::start(echo_in(&zookeeper)).await;
    let (id, path) = (server.address.to_string(), format!("{INSTANCES}/{}", server.address));
    until("registered", async || root.owner("Echo").await == Some(id.clone())).await;
    let edited = format!("{{\"address\":\"{id}\",\"weight\":7}}");
    root.client.set_data(&path, edited.as_bytes(), None).await.unwrap();
    // As the original writes it.
    let classic = format!("{id}\0");
    root.client.set_data(&format!("{METHODS}/Echo"), classic.as_bytes(), None).await.unwrap();
    server.stop().await;
    until("it is gone", async || root.ids().await.is_empty() && root.owner("Echo").await.is_none())
        .await;
}

#[tokio::test]
async fn a_classic_node_that_cannot_be_looked_at_does_not_keep_the_others_from_being_taken_out() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = long(&root.hosts);
    let server = Running::start(echo_in(&zookeeper)).await;
    let id = server.address.to_string();
    until("registered", async || root.owner("Fail").await == Some(id.clone())).await;
    let nobody_reads = [Acl::new(Permission::DELETE, AuthId::anyone())];
    root.client.set_acl(&format!("{METHODS}/Echo"), &nobody_reads, None).await.unwrap();
    server.stop().await;
    until("it is gone", async || root.ids().await.is_empty() && root.owner("Fail").await.is_none())
        .await;
}

#[tokio::test]
async fn who_leaves_while_zookeeper_restarts_is_taken_out_once_it_is_back() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let zookeeper = long(&private.address());
    let server = Running::start(echo_in(&zookeeper)).await;
    let other = Running::start(echo_in(&zookeeper)).await;
    let root = Root::at(private.address()).await;
    until("both", async || root.ids().await.len() == 2 && root.owner("Fail").await.is_some()).await;
    let (first, second) = (server.address.to_string(), other.address.to_string());

    private.kill().await;
    until("the loss is noticed", || knows_it_is_away(&zookeeper)).await;
    // Longer than the session is given to find a server by itself.
    stays("away", Duration::from_secs(4), || knows_it_is_away(&zookeeper)).await;
    // Within a bound, although nothing can be deleted.
    server.stop().await;
    private.start_again().await;
    connected(&zookeeper).await;
    let root = Root::at(private.address()).await;
    // Long before the lost session expires.
    until("it is gone, and the other is not", async || {
        root.ids().await == [second.clone()] && root.owner("Echo").await == Some(second.clone())
    })
    .await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn dropping_the_registration_and_the_last_handle_takes_the_nodes_out() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = long(&root.hosts);
    let address = free_address();
    let registration = zookeeper.register(&echo_service::DESCRIPTOR, Endpoint::new(address));
    drop(zookeeper);
    until("registered", async || root.owner("Fail").await == Some(address.to_string())).await;
    drop(registration);
    until("it is gone", async || root.ids().await.is_empty() && root.owner("Fail").await.is_none())
        .await;
}

/// Two processes on one port, as where one replaces the other without a gap.
#[tokio::test]
async fn who_leaves_takes_out_no_node_that_its_successor_on_the_same_port_has_made_its_own() {
    let Some(root) = Root::fresh().await else { return };
    let (before, after) = (long(&root.hosts), long(&root.hosts));
    let server = Running::start(echo_in(&before)).await;
    let id = server.address.to_string();
    until("registered", async || root.owner("Fail").await == Some(id.clone())).await;
    let path = format!("{INSTANCES}/{id}");
    let (_, first) = root.read(&path).await.unwrap();
    let _successor = after.register(&echo_service::DESCRIPTOR, Endpoint::new(server.address));
    let of_the_successor = async |path: &str| {
        let node = root.read(path).await;
        node.is_some_and(|(_, stat)| stat.ephemeral_owner != first.ephemeral_owner)
    };
    until("replaced", async || of_the_successor(&path).await).await;
    server.stop().await;
    assert!(of_the_successor(&path).await);
    let method = format!("{METHODS}/Fail");
    until("the methods follow", async || of_the_successor(&method).await).await;
}

/// It has the id, and nobody can say whether it lives.
#[tokio::test]
async fn a_node_that_names_an_address_where_nobody_can_be_makes_no_sense_and_is_replaced() {
    let Some(root) = Root::fresh().await else { return };
    for nowhere in ["224.0.0.1:80", "255.255.255.255:80", "[ff02::1]:80", "0.0.0.0:80"] {
        let address = test_servers::free_address();
        let path = format!("{INSTANCES}/{address}");
        root.put(&path, &format!("{{\"address\":\"{nowhere}\"}}")).await;
        let server = Running::start_at(echo_in(&root.zookeeper()), address).await;
        until(nowhere, async || {
            root.read(&path).await.is_some_and(|(data, _)| data.contains("started_ms"))
        })
        .await;
        server.stop().await;
    }
}
