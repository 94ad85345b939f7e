//! The nodes of an instance, as others see them.

use std::time::Duration;

use mprpc::discovery::ZooKeeper;
use mprpc_examples::echo_service;

use crate::support::{Running, echo_req, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, Root, calls_go_on, client_of, echo_in, listed, listing_of, until,
};

#[tokio::test]
async fn a_server_stands_in_both_layouts_while_it_serves_and_deletes_its_nodes_when_it_leaves() {
    let Some(root) = Root::fresh().await else { return };
    // A session that outlives everything here.
    let lasting = ZooKeeper::builder(&root.hosts).session_timeout(Duration::from_secs(60));
    let zookeeper = lasting.build().unwrap();
    let server = Running::start(echo_in(&zookeeper)).await;
    let id = server.address.to_string();
    until("all nodes", async || {
        root.owner("Describe").await.is_some() && root.ids().await == [id.clone()]
    })
    .await;

    let (data, stat) = root.read(&format!("{INSTANCES}/{id}")).await.unwrap();
    assert_ne!(stat.ephemeral_owner, 0);
    let said: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(said["address"], id);
    assert_eq!(said["wires"], serde_json::json!(["v2", "classic"]));
    for key in ["weight", "zone", "version", "tags", "started_ms"] {
        assert!(!said[key].is_null(), "{key} in {data}");
    }
    for method in ["Echo", "EchoSlowly", "Fail", "Describe"] {
        until(method, async || root.owner(method).await == Some(id.clone())).await;
        let (_, stat) = root.read(&format!("{METHODS}/{method}")).await.unwrap();
        assert_ne!(stat.ephemeral_owner, 0, "{method}");
    }

    server.stop().await;
    // Before the session could expire, so that only deleting can have done it.
    until("deleted", async || root.ids().await.is_empty() && root.owner("Echo").await.is_none())
        .await;
    assert!(root.read(METHODS).await.is_some(), "the service itself stays");
}

#[tokio::test]
async fn the_classic_layout_can_be_left_out() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = ZooKeeper::builder(&root.hosts).classic(false).build().unwrap();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    assert!(root.read(METHODS).await.is_none());
}

#[tokio::test]
async fn an_instance_has_the_id_that_it_was_given() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let _server = Running::start(echo_in(&zookeeper).instance_id("rack/7")).await;
    until("the id", async || root.ids().await == ["rack_7"]).await;
}

#[tokio::test]
async fn an_instance_that_leaves_is_out_of_the_registry_before_it_stops_to_answer() {
    let Some(root) = Root::fresh().await else { return };
    let (theirs, ours) = (root.zookeeper(), root.zookeeper());
    let servers = [Running::start(echo_in(&theirs)).await, Running::start(echo_in(&theirs)).await];
    let mut listing = listing_of(&ours);
    listed(&mut listing, &[servers[0].address, servers[1].address]).await;
    let client = client_of(&ours);
    let [first, second] = servers;
    let (_, calls) = calls_go_on(&client, async {
        call_often(&client).await;
        first.stop().await;
        call_often(&client).await;
    })
    .await;
    assert!(calls > 0);
    listed(&mut listing, &[second.address]).await;
}

#[tokio::test]
async fn nodes_that_somebody_deletes_come_back() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let server = Running::start(echo_in(&zookeeper)).await;
    let id = server.address.to_string();
    let all =
        async || root.ids().await == [id.clone()] && root.owner("Fail").await == Some(id.clone());
    until("registered", all).await;
    // At one moment: a node that is missing comes back before the next could be deleted.
    let mut gone = root.client.new_multi_writer();
    for path in [&format!("{INSTANCES}/{id}"), INSTANCES, &format!("{METHODS}/Fail")] {
        gone.add_delete(path, None).unwrap();
    }
    gone.commit().await.unwrap();
    until("registered again", all).await;
}

async fn call_often(client: &echo_service::Client) {
    for _ in 0..50 {
        client.echo(&soon(), echo_req("x")).await.expect("no call fails");
    }
}
