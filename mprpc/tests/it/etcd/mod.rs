//! Discovery through a real etcd.

mod leaving;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mprpc::discovery::{Discover, Endpoint, Etcd, Listing, Register};
use mprpc::{Channel, Server, ServerBuilder};
use mprpc_examples::{Echo, echo_service};
use serde_json::{Value, json};
use test_servers::PrivateEtcd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{Running, SOON, echo_req, soon};
use crate::zookeeper::fixture::{found, listed, until};
use crate::zookeeper::load::Load;

const LEASE: Duration = Duration::from_secs(5);
const INSTANCES: &str = "/tests/mprpc/echo.EchoService";
const CALLS: usize = 100;

/// A process of its own, as far as etcd can tell.
fn process(etcd: &PrivateEtcd) -> Etcd {
    let builder = Etcd::builder(format!("{}/tests", etcd.address()));
    builder.lease(LEASE).request_timeout(LEASE).build().unwrap()
}

fn echo_in(etcd: &Etcd) -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(etcd.clone())
}

fn listing_of(etcd: &Etcd) -> watch::Receiver<Listing> {
    etcd.watch(&echo_service::DESCRIPTOR)
}

fn client_at(etcd: &PrivateEtcd, snapshots: &std::path::Path) -> echo_service::Client {
    let channel = Channel::builder(format!("etcd://{}/tests", etcd.address()));
    echo_service::Client::new(&channel.snapshots(snapshots).build().unwrap())
}

/// Asks etcd from outside.
pub(crate) async fn ask(etcd: &PrivateEtcd, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let length = body.len();
    let request = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(etcd.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let (_, answer) = said.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(answer).unwrap()
}

fn bytes(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

async fn put(etcd: &PrivateEtcd, id: &str, value: &str) {
    let key = bytes(&format!("{INSTANCES}/{id}"));
    ask(etcd, "/v3/kv/put", &json!({"key": key, "value": bytes(value)})).await;
}

/// The leases that hold the keys of instances.
async fn leases(etcd: &PrivateEtcd) -> Vec<String> {
    let (from, to) = (bytes(&format!("{INSTANCES}/")), bytes(&format!("{INSTANCES}0")));
    let range = ask(etcd, "/v3/kv/range", &json!({"key": from, "range_end": to})).await;
    let keys = range["kvs"].as_array().cloned().unwrap_or_default();
    keys.iter().filter_map(|key| Some(key["lease"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn instances_come_and_go_and_calls_find_them() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let ours = process(&etcd);
    let mut listing = listing_of(&ours);
    listed(&mut listing, &[]).await;
    let first = Running::start(echo_in(&process(&etcd)).weight(7).zone("a")).await;
    listed(&mut listing, &[first.address]).await;
    let Listing::Known(endpoints) = listing.borrow().clone() else { panic!("it is listed") };
    assert_eq!((endpoints[0].weight, &*endpoints[0].zone), (7, "a"));
    let directory = tempfile::tempdir().unwrap();
    let client = client_at(&etcd, directory.path());
    client.echo(&soon(), echo_req("x")).await.unwrap();
    let second = Running::start(echo_in(&process(&etcd))).await;
    listed(&mut listing, &[first.address, second.address]).await;
    first.stop().await;
    listed(&mut listing, &[second.address]).await;
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(leases(&etcd).await.len(), 1, "who left took its key out");
}

#[tokio::test]
async fn no_call_fails_while_etcd_is_away_and_who_was_registered_is_so_again() {
    let Some(mut etcd) = PrivateEtcd::start().await else { return };
    let servers = [
        Running::start(echo_in(&process(&etcd))).await,
        Running::start(echo_in(&process(&etcd))).await,
    ];
    let both = servers.each_ref().map(|server| server.address);
    let ours = process(&etcd);
    let mut listing = listing_of(&ours);
    listed(&mut listing, &both).await;
    let directory = tempfile::tempdir().unwrap();
    let client = client_at(&etcd, directory.path());
    let mut load = Load::on(&client);
    load.calls(CALLS).await;
    let file = directory.path().join("echo.EchoService.json");
    until("the snapshot", async || file.exists()).await;
    let before = found("the leases of both", async || {
        let leases = leases(&etcd).await;
        (leases.len() == 2).then_some(leases)
    })
    .await;

    etcd.kill().await;
    // A process that begins now knows what the others knew.
    let mut load_of_the_begun = Load::on(&client_at(&etcd, directory.path()));
    // Longer than a lease lasts.
    let since = tokio::time::Instant::now();
    while since.elapsed() < LEASE * 2 {
        load.calls(CALLS).await;
        load_of_the_begun.calls(CALLS).await;
    }
    etcd.start_again().await;
    let third = Running::start(echo_in(&process(&etcd))).await;
    listed(&mut listing, &[both[0], both[1], third.address]).await;
    ask(&etcd, "/v3/lease/revoke", &json!({"ID": before[0]})).await;
    until("all are registered", async || {
        let now = leases(&etcd).await;
        now.len() == 3 && !now.contains(&before[0])
    })
    .await;
    third.stop().await;
    listed(&mut listing, &both).await;
    load.calls(CALLS).await;
    assert!(load.end().await > 0 && load_of_the_begun.end().await > 0);
}

#[tokio::test]
async fn an_etcd_that_is_suddenly_empty_is_not_believed_until_connections_are_refused() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let bound = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listeners = [bound().await, bound().await];
    let addresses: [SocketAddr; 2] = listeners.each_ref().map(|one| one.local_addr().unwrap());
    for address in addresses {
        put(&etcd, &address.to_string(), &json!({"address": address}).to_string()).await;
    }
    let ours = process(&etcd);
    let mut listing = listing_of(&ours);
    listed(&mut listing, &addresses).await;
    let (from, to) = (bytes(&format!("{INSTANCES}/")), bytes(&format!("{INSTANCES}0")));
    ask(&etcd, "/v3/kv/deleterange", &json!({"key": from, "range_end": to})).await;
    let [first, second] = listeners;
    drop(second);
    listed(&mut listing, &addresses[..1]).await;
    drop(first);
    listed(&mut listing, &[]).await;
}

#[tokio::test]
async fn keys_with_junk_in_them_are_ignored_and_nothing_else_is_affected() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let huge = json!({"address": "127.0.0.1:1", "zone": "x".repeat(100_000)}).to_string();
    for (id, value) in [("empty", ""), ("text", "127.0.0.1:1"), ("huge", &huge), ("a/b", "{}")] {
        put(&etcd, id, value).await;
    }
    let ours = process(&etcd);
    let server = Running::start(echo_in(&ours)).await;
    listed(&mut listing_of(&ours), &[server.address]).await;
}

#[tokio::test]
async fn of_two_instances_with_one_id_the_second_is_refused_while_the_first_answers() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let server = Running::start(echo_in(&process(&etcd)).instance_id("one")).await;
    let ours = process(&etcd);
    listed(&mut listing_of(&ours), &[server.address]).await;
    let elsewhere =
        Endpoint { id: "one".to_owned(), ..Endpoint::new(test_servers::free_address()) };
    let registration = ours.register(&echo_service::DESCRIPTOR, elsewhere);
    let taken = timeout(SOON, registration.refused()).await.expect("it is refused");
    assert_eq!((taken.id.as_str(), taken.address), ("one", server.address));
}

/// As `etcdctl put` does it. What is edited is what the instance said, so its start time is still
/// there.
#[tokio::test]
async fn what_an_operator_puts_without_a_lease_stands_under_that_of_the_instance_again() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let ours = process(&etcd);
    let mut listing = listing_of(&ours);
    let server = Running::start(echo_in(&process(&etcd)).weight(3)).await;
    listed(&mut listing, &[server.address]).await;
    let id = server.address.to_string();
    let said = value(&etcd, &id).await;
    let edited = said.replace("\"weight\":3", "\"weight\":7");
    assert_ne!(said, edited);
    put(&etcd, &id, &edited).await;
    until("it has a lease", async || leases(&etcd).await.len() == 1).await;
    assert_eq!(value(&etcd, &id).await, edited);
    let weighs = listing.wait_for(
        |listing| matches!(listing, Listing::Known(endpoints) if endpoints[0].weight == 7),
    );
    timeout(SOON, weighs).await.expect("callers learn of it").unwrap();
}

async fn value(etcd: &PrivateEtcd, id: &str) -> String {
    let key = bytes(&format!("{INSTANCES}/{id}"));
    let range = ask(etcd, "/v3/kv/range", &json!({"key": key})).await;
    let value = BASE64_STANDARD.decode(range["kvs"][0]["value"].as_str().expect("it is there"));
    String::from_utf8(value.unwrap()).unwrap()
}
