//! What is counted of registries.

use mprpc_examples::echo_service;
use test_servers::PrivateZooKeeper;
use tokio::net::TcpListener;

use crate::support::Running;
use crate::told::Told;
use crate::zookeeper::fixture::{INSTANCES, Root, client_of, echo_in};

const LISTED: &str = "mprpc_instances{service=echo.EchoService}";
const DOUBTED: &str = "mprpc_instances_doubted{service=echo.EchoService}";

#[tokio::test]
async fn instances_that_are_listed_and_those_that_are_only_believed_in_are_counted() {
    let Some(root) = Root::fresh().await else { return };
    let (mut told, _guard) = Told::listen();
    let (theirs, ours) = (root.zookeeper(), root.zookeeper());
    let _client = client_of(&ours);
    let server = Running::start(echo_in(&theirs)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let path = format!("{INSTANCES}/other");
    root.put(&path, &format!("{{\"address\":\"{other}\"}}")).await;
    told.wait_for(&[(LISTED, 2.0), (DOUBTED, 0.0)]).await;

    // Both nodes at one moment: too many to be believed, while something accepts connections there.
    let mut gone = root.client.new_multi_writer();
    for path in [path, format!("{INSTANCES}/{}", server.address)] {
        gone.add_delete(&path, None).unwrap();
    }
    gone.commit().await.unwrap();
    // One registers again, the other does not.
    told.wait_for(&[(LISTED, 2.0), (DOUBTED, 1.0)]).await;
    drop(listener);
    told.wait_for(&[(LISTED, 1.0), (DOUBTED, 0.0)]).await;
}

#[tokio::test]
async fn whether_zookeeper_answers_is_told_and_each_session_counts() {
    let Some(mut zookeeper) = PrivateZooKeeper::start().await else { return };
    let (mut told, _guard) = Told::listen();
    let root = Root::at(zookeeper.server().fresh_root().await).await;
    let registry = root.zookeeper();
    mprpc::discovery::Discover::watch(&registry, &echo_service::DESCRIPTOR);
    let connected = "mprpc_registry_connected{}";
    told.wait_for(&[(connected, 1.0), ("mprpc_registry_sessions_total{}", 1.0)]).await;
    zookeeper.kill().await;
    told.wait_for(&[(connected, 0.0)]).await;
    zookeeper.start_again().await;
    told.wait_for(&[(connected, 1.0)]).await;
}
