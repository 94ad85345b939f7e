//! What others do to the registry harms nobody but themselves.

use std::time::Duration;

use mprpc::discovery::ZooKeeper;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Permission};

use crate::said::Said;
use crate::support::{Running, echo_req, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, PERSISTENT, Root, client_of, echo_in, listed, listing_of, stays, until,
};

#[tokio::test]
async fn a_root_that_somebody_deletes_is_made_anew_and_all_stands_there_again() {
    let Some(root) = Root::fresh().await else { return };
    let zookeeper = root.zookeeper();
    let server = Running::start(echo_in(&zookeeper)).await;
    let id = server.address.to_string();
    let all =
        async || root.ids().await == [id.clone()] && root.owner("Fail").await == Some(id.clone());
    until("registered", all).await;
    let (server_address, path) = root.hosts.split_once('/').unwrap();
    let outside = Client::connect(server_address).await.unwrap();
    until("deleted", async || delete_all(&outside, &format!("/{path}")).await).await;
    until("registered again", all).await;
}

/// Whether it was deleted with all below it, at one moment.
async fn delete_all(client: &Client, root: &str) -> bool {
    let mut paths = vec![root.to_owned()];
    let mut looked_at = 0;
    while let Some(path) = paths.get(looked_at).cloned() {
        let names = client.list_children(&path).await.unwrap_or_default();
        paths.extend(names.iter().map(|name| format!("{path}/{name}")));
        looked_at += 1;
    }
    let mut all = client.new_multi_writer();
    for path in paths.iter().rev() {
        all.add_delete(path, None).unwrap();
    }
    all.commit().await.is_ok()
}

#[tokio::test]
async fn a_node_that_may_not_be_read_is_ignored_and_nothing_else_is_affected() {
    let Some(root) = Root::fresh().await else { return };
    let said = Said::listen();
    let nobody_reads = [Acl::new(Permission::DELETE, AuthId::anyone())];
    let options = CreateMode::Ephemeral.with_acls(Acls::new(&nobody_reads));
    for (parent, name) in [(INSTANCES, "secret"), (METHODS, "Fail")] {
        root.client.mkdir(parent, &PERSISTENT).await.unwrap();
        root.client.create(&format!("{parent}/{name}"), b"x", &options).await.unwrap();
    }
    let zookeeper = root.zookeeper();
    let server = Running::start(echo_in(&zookeeper)).await;
    let mut listing = listing_of(&zookeeper);
    listed(&mut listing, &[server.address]).await;
    client_of(&zookeeper).echo(&soon(), echo_req("x")).await.unwrap();
    let id = server.address.to_string();
    until("the other methods", async || root.owner("Describe").await == Some(id.clone())).await;
    assert_eq!(said.how_often("may not be read"), 2, "{said:?}");
}

/// It names a dead instance, and has a child.
#[tokio::test]
async fn a_method_whose_node_cannot_be_replaced_is_said_once_and_harms_no_other() {
    let Some(root) = Root::fresh().await else { return };
    let said = Said::listen();
    let dead = test_servers::free_address().to_string();
    let blocked = format!("{METHODS}/Echo");
    root.client.mkdir(&format!("{blocked}/child"), &PERSISTENT).await.unwrap();
    root.client.set_data(&blocked, dead.as_bytes(), None).await.unwrap();
    root.put(&format!("{METHODS}/Fail"), &dead).await;
    let server = Running::start(echo_in(&root.zookeeper())).await;
    let id = server.address.to_string();
    for method in ["Fail", "Describe", "EchoSlowly"] {
        until(method, async || root.owner(method).await == Some(id.clone())).await;
    }
    until("it is tried", async || said.how_often("cannot be kept") > 0).await;
    // Some tries more.
    stays("said once", Duration::from_secs(2), async || said.how_often("cannot be kept") <= 1)
        .await;
    assert_eq!(said.how_often("registering failed"), 0, "{said:?}");

    root.client.delete(&format!("{blocked}/child"), None).await.unwrap();
    until("Echo", async || root.owner("Echo").await == Some(id.clone())).await;
    until("said", async || said.how_often("kept after all") == 1).await;
}

#[tokio::test]
async fn a_snapshot_that_could_not_be_stored_is_stored_later() {
    let Some(root) = Root::fresh().await else { return };
    let said = Said::listen();
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("registry");
    std::fs::write(&directory, "a file is in the way").unwrap();
    let zookeeper = ZooKeeper::builder(&root.hosts).snapshots(&directory).build().unwrap();
    let server = Running::start(echo_in(&zookeeper)).await;
    listed(&mut listing_of(&zookeeper), &[server.address]).await;
    until("said", async || said.how_often("cannot be stored") == 1).await;
    std::fs::remove_file(&directory).unwrap();
    // Nothing has changed for callers, but it is looked at again.
    root.put(&format!("{METHODS}/NoSuch"), "").await;
    until("the snapshot", async || directory.join("echo.EchoService.json").exists()).await;
    until("that is said", async || said.how_often("stored after all") == 1).await;
}

/// An administrator who has made our layout's nodes only.
#[tokio::test]
async fn a_classic_directory_that_may_not_be_made_keeps_nobody_from_our_layout() {
    let Some(root) = Root::fresh().await else { return };
    let said = Said::listen();
    root.client.mkdir(INSTANCES, &PERSISTENT).await.unwrap();
    let nothing_new = [Acl::new(Permission::READ | Permission::ADMIN, AuthId::anyone())];
    root.client.set_acl("/", &nothing_new, None).await.unwrap();
    let server = Running::start(echo_in(&root.zookeeper())).await;
    let id = server.address.to_string();
    until("the instance", async || root.ids().await == [id.clone()]).await;
    const WARNED: &str = "the classic nodes cannot be made";
    until("it is said", async || said.how_often(WARNED) > 0).await;
    assert!(root.read(METHODS).await.is_none());
    root.client.set_acl("/", Acls::anyone_all().as_ref(), None).await.unwrap();
    until("the methods", async || root.owner("Fail").await == Some(id.clone())).await;
    assert_eq!(said.how_often(WARNED), 1, "{said:?}");
    server.stop().await;
    until("it is gone", async || root.ids().await.is_empty()).await;
}
