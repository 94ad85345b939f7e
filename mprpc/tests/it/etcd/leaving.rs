//! What an instance leaves behind in etcd when it leaves: nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mprpc::discovery::{Endpoint, Etcd, Register};
use mprpc_examples::echo_service;
use serde_json::{Value, json};
use test_servers::{PrivateEtcd, free_address};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{INSTANCES, ask, bytes, echo_in, leases};
use crate::support::Running;
use crate::zookeeper::fixture::until;

/// Far longer than a test takes: what goes in time was taken out.
const LONG: Duration = Duration::from_secs(300);

fn at(hosts: &str) -> Etcd {
    Etcd::builder(format!("{hosts}/tests")).lease(LONG).build().unwrap()
}

async fn registered(etcd: &PrivateEtcd, instances: usize) {
    let what = format!("{instances} are registered");
    until(&what, async || leases(etcd).await.len() == instances).await;
}

/// Puts something else under the key of an instance, as an operator would.
async fn edit(etcd: &PrivateEtcd, address: SocketAddr, ignore_lease: bool) {
    let value = json!({"address": address, "weight": 7}).to_string();
    let key = bytes(&format!("{INSTANCES}/{address}"));
    let put = json!({"key": key, "value": bytes(&value), "ignore_lease": ignore_lease});
    ask(etcd, "/v3/kv/put", &put).await;
}

#[tokio::test]
async fn who_leaves_takes_out_a_key_that_an_operator_edited_with_its_lease_or_without() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    for ignore_lease in [true, false] {
        let server = Running::start(echo_in(&at(&etcd.address()))).await;
        registered(&etcd, 1).await;
        edit(&etcd, server.address, ignore_lease).await;
        server.stop().await;
        let what = format!("it is gone, ignore_lease: {ignore_lease}");
        until(&what, async || keys(&etcd).await == 0).await;
    }
}

#[tokio::test]
async fn who_leaves_takes_out_no_key_that_another_process_has_made_its_own() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let server = Running::start(echo_in(&at(&etcd.address()))).await;
    registered(&etcd, 1).await;
    // Its successor on the same port, which it does not know of yet.
    let lease = ask(&etcd, "/v3/lease/grant", &json!({"TTL": "300"})).await;
    let key = bytes(&format!("{INSTANCES}/{}", server.address));
    let value = bytes(&json!({"address": server.address}).to_string());
    ask(&etcd, "/v3/kv/put", &json!({"key": key, "value": value, "lease": lease["ID"]})).await;
    server.stop().await;
    assert_eq!(leases(&etcd).await, [lease["ID"].as_str().unwrap()]);
}

#[tokio::test]
async fn dropping_the_registration_and_the_last_handle_takes_the_key_out() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let ours = at(&etcd.address());
    let registration = ours.register(&echo_service::DESCRIPTOR, Endpoint::new(free_address()));
    drop(ours);
    registered(&etcd, 1).await;
    drop(registration);
    registered(&etcd, 0).await;
}

/// It takes connections and says nothing: of two servers one is as if frozen.
#[tokio::test]
async fn a_server_that_hangs_does_not_keep_an_instance_from_leaving_through_another() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let ways = [Way::to(&etcd).await, Way::to(&etcd).await];
    let hosts = ways.each_ref().map(|way| way.address.to_string()).join(",");
    let server = Running::start(echo_in(&at(&hosts))).await;
    registered(&etcd, 1).await;
    // The one that it uses.
    let used = ways.iter().max_by_key(|way| way.connections.load(Ordering::Relaxed)).unwrap();
    used.freeze();
    server.stop().await;
    until("it is gone", async || keys(&etcd).await == 0).await;
}

/// While all hang nothing can be taken out, and leaving has its bound all the same; what could not
/// be taken out is as soon as they go on, if the process does.
#[tokio::test]
async fn where_all_servers_hang_an_instance_leaves_within_a_bound_and_its_key_follows() {
    let Some(etcd) = PrivateEtcd::start().await else { return };
    let ours = at(&etcd.address());
    let server = Running::start(echo_in(&ours)).await;
    registered(&etcd, 1).await;
    etcd.pause();
    server.stop().await;
    etcd.resume();
    registered(&etcd, 0).await;
    drop(ours);
}

async fn keys(etcd: &PrivateEtcd) -> usize {
    let (from, to) = (bytes(&format!("{INSTANCES}/")), bytes(&format!("{INSTANCES}0")));
    let range = ask(etcd, "/v3/kv/range", &json!({"key": from, "range_end": to})).await;
    range["kvs"].as_array().map_or(0, Vec::<Value>::len)
}

/// An address of its own that leads to an etcd, until it is frozen.
struct Way {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    freeze: CancellationToken,
}

impl Way {
    async fn to(etcd: &PrivateEtcd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            freeze: CancellationToken::new(),
        };
        let (to, connections) = (etcd.address(), Arc::clone(&way.connections));
        let freeze = way.freeze.clone();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (to, freeze) = (to.clone(), freeze.clone());
                tokio::spawn(async move {
                    let through = async {
                        let mut to = TcpStream::connect(to).await.unwrap();
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    };
                    tokio::select! {
                        biased;
                        // Kept open, and silent.
                        () = freeze.cancelled() => std::future::pending().await,
                        () = through => {}
                    }
                });
            }
        });
        way
    }

    fn freeze(&self) {
        self.freeze.cancel();
    }
}
