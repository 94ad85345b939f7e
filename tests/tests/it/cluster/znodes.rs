//! What is in ZooKeeper, as a client that nobody here wrote sees it: kazoo.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mpim_tests::{Service, Stack, until};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::process;

/// A node: its data, and the session that it goes with, if any.
#[derive(Debug)]
struct Node {
    data: String,
    owner: u64,
}

/// `TEST_PYTHON`, or what `scripts/test` installs.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("TEST_PYTHON").map(PathBuf::from);
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().nth(3).unwrap().join("test-python/bin/python");
    named.or_else(|| target.is_file().then_some(target))
}

/// Every node below `root` by its path.
async fn nodes(python: &PathBuf, root: &str) -> BTreeMap<String, Node> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cluster/list_znodes.py");
    let output = Command::new(python).arg(script).arg(root).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let node = |(path, node): (&String, &Value)| {
        let data = node["data"].as_str().unwrap().to_owned();
        (path.clone(), Node { data, owner: node["owner"].as_u64().unwrap() })
    };
    listed.as_object().unwrap().iter().map(node).collect()
}

/// The sessions that own the nodes of instances, by the nodes' paths.
pub(super) async fn sessions(root: &str) -> BTreeMap<String, i64> {
    use zookeeper_client::Client;
    let client = Client::connect(root).await.unwrap();
    let mut found = BTreeMap::new();
    for service in client.list_children("/mprpc").await.unwrap_or_default() {
        let service = format!("/mprpc/{service}");
        for instance in client.list_children(&service).await.unwrap_or_default() {
            let path = format!("{service}/{instance}");
            if let Ok(Some(stat)) = client.check_stat(&path).await {
                found.insert(path, stat.ephemeral_owner);
            }
        }
    }
    found
}

/// The services that the original knows, with a method of each, and who serves them.
const CLASSIC: [(&str, &str, Service); 4] = [
    ("UserService", "Login", Service::User),
    ("MessageService", "Send", Service::Message),
    ("PresenceService", "Deliver", Service::Presence),
    ("GroupService", "CreateGroup", Service::Group),
];

/// Within this a process has deleted its nodes: far less than its session would live.
const DELETED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn both_layouts_are_there_and_go_with_their_instances() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no kazoo; scripts/test installs it");
        return;
    };
    let Some(builder) = Stack::cluster().await else { return };
    // Sessions outlive everything here, so that only deleting takes nodes out.
    let builder = builder.set_everywhere("zookeeper.session_timeout_ms", 60_000);
    let mut stack = builder.start().await;
    let root = stack.servers().zookeeper_root().to_owned();
    // Method nodes follow a moment after an instance is listed.
    let found = until("every method is there", async || {
        let found = nodes(&python, &root).await;
        let missing = CLASSIC.map(|(service, method, _)| format!("/{service}/{method}"));
        match missing.into_iter().find(|path| !found.contains_key(path)) {
            Some(path) => Err(path),
            None => Ok(found),
        }
    })
    .await;
    for (service, method, of) in CLASSIC {
        let address = stack.address(of).to_string();
        assert_eq!(found[&format!("/{service}")].owner, 0, "persistent");
        let classic = &found[&format!("/{service}/{method}")];
        assert!(classic.owner != 0 && classic.data == address, "{classic:?}");
        let v2 = &found[&format!("/mprpc/mpim.{service}/{address}")];
        let json: Value = serde_json::from_str(&v2.data).unwrap();
        assert!(v2.owner != 0 && json["address"] == address.as_str(), "{v2:?}");
    }
    for (service, method, of) in CLASSIC {
        stack.stop(process(of, 1)).await;
        let classic = format!("/{service}/{method}");
        let v2 = format!("/mprpc/mpim.{service}/{}", stack.address(of));
        let gone = until("its nodes are gone", async || {
            let left = nodes(&python, &root).await;
            match [&classic, &v2].into_iter().find(|path| left.contains_key(*path)) {
                Some(path) => Err(path.clone()),
                None => Ok(left),
            }
        });
        let left = timeout(DELETED, gone).await.expect("its nodes are deleted");
        assert!(left.contains_key(&format!("/{service}")), "{service} is persistent");
    }
}

#[tokio::test]
async fn the_classic_nodes_of_a_killed_instance_name_the_other_within_seconds() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).start().await;
    let root = stack.servers().zookeeper_root().to_owned();
    let client = zookeeper_client::Client::connect(&root).await.unwrap();
    let named = async |path: &str| {
        let (data, _) = client.get_data(path).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(String::from_utf8_lossy(&data).into_owned())
    };
    let path = "/MessageService/Send";
    let first = until("an instance is named", async || named(path).await).await;
    let number = if first == stack.address(Service::Message).to_string() { 1 } else { 2 };
    stack.kill(process(Service::Message, number)).await;
    until("the other instance is named", async || match named(path).await {
        Ok(now) if now != first => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
