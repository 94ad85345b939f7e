//! Two live instances never share an id.

use mprpc::ServeError;
use tokio::time::timeout;

use crate::support::{Running, SOON};
use crate::zookeeper::fixture::{INSTANCES, Root, echo_in, until};

#[tokio::test]
async fn an_instance_whose_id_is_taken_refuses_to_serve_and_says_by_whom() {
    let Some(root) = Root::fresh().await else { return };
    let first = Running::start(echo_in(&root.zookeeper()).instance_id("one")).await;
    until("the first", async || root.ids().await == ["one"]).await;
    let second = echo_in(&root.zookeeper()).instance_id("one");
    let second = second.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let outcome = timeout(SOON, second.serve(std::future::pending())).await.expect("it gives up");
    let ServeError::IdTaken(taken) = outcome.unwrap_err() else { panic!("another error") };
    assert_eq!((taken.id.as_str(), taken.address), ("one", first.address));
    assert_eq!(taken.path, format!("{INSTANCES}/one"));
    let text = taken.to_string();
    for part in ["`one`", taken.path.as_str(), &first.address.to_string()] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (data, _) = root.read(&format!("{INSTANCES}/one")).await.unwrap();
    assert!(data.contains(&first.address.to_string()), "the first keeps its place");
}

#[tokio::test]
async fn nor_do_two_servers_of_one_process_share_an_id() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let first = Running::start(echo_in(&zookeeper).instance_id("one")).await;
    until("the first", async || root.ids().await == ["one"]).await;
    let second = echo_in(&zookeeper).instance_id("one");
    let second = second.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let outcome = timeout(SOON, second.serve(std::future::pending())).await.expect("it gives up");
    let ServeError::IdTaken(taken) = outcome.unwrap_err() else { panic!("another error") };
    assert_eq!(taken.address, first.address);
    let (data, _) = root.read(&format!("{INSTANCES}/one")).await.unwrap();
    assert!(data.contains(&first.address.to_string()), "the first keeps its place");
}

#[tokio::test]
async fn an_id_whose_owner_refuses_connections_changes_hands() {
    let Some(root) = Root::fresh().await else { return };
    let dead = test_servers::free_address();
    root.put(&format!("{INSTANCES}/one"), &format!("{{\"address\":\"{dead}\"}}")).await;
    let server = Running::start(echo_in(&root.zookeeper()).instance_id("one")).await;
    until("it is ours", async || {
        let node = root.read(&format!("{INSTANCES}/one")).await;
        node.is_some_and(|(data, _)| data.contains(&server.address.to_string()))
    })
    .await;
}

#[tokio::test]
async fn an_id_with_the_same_address_is_that_of_a_former_self_and_so_is_one_with_junk() {
    let Some(root) = Root::fresh().await else { return };
    for former in [true, false] {
        let address = test_servers::free_address();
        let path = format!("{INSTANCES}/{address}");
        let data =
            if former { format!("{{\"address\":\"{address}\"}}") } else { "junk".to_owned() };
        root.put(&path, &data).await;
        let theirs = root.client.session_id().0;
        let server = Running::start_at(echo_in(&root.zookeeper()), address).await;
        until("it is of the new session", async || {
            let node = root.read(&path).await;
            node.is_some_and(|(data, stat)| {
                stat.ephemeral_owner != theirs && data.contains("started_ms")
            })
        })
        .await;
        server.stop().await;
    }
}
