//! ZooKeeper away for long, or without its leader, under load: no call fails.
//!
//! The outage takes 20 s, or as many as `MPRPC_OUTAGE_S` says:
//!
//! ```text
//! MPRPC_OUTAGE_S=240 cargo nextest run -p mprpc outage
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use mprpc::discovery::ZooKeeper;
use mprpc_examples::echo_service;
use test_servers::{PrivateZooKeeper, ZooKeeperEnsemble, free_address};
use tokio::time::{Instant, timeout};
use zookeeper_client::Client;

use crate::support::{Running, SOON, soon};
use crate::zookeeper::fixture::{
    INSTANCES, METHODS, PERSISTENT, Root, client_of, connected, echo_in, found, knows_it_is_away,
    listed, listing_of, until,
};
use crate::zookeeper::load::Load;

const OUTAGE_S: u64 = 20;
/// Far less than the outage takes.
const SESSION: Duration = Duration::from_secs(2);
/// How many calls the load makes before it is said that it goes on.
const CALLS: usize = 100;
/// The same, of a load of which there are many kinds.
const SOME: usize = 10;

fn outage() -> Duration {
    let seconds = std::env::var("MPRPC_OUTAGE_S").ok();
    let seconds = seconds.map(|seconds| seconds.parse().expect("MPRPC_OUTAGE_S is a number"));
    Duration::from_secs(seconds.unwrap_or(OUTAGE_S))
}

/// A process of its own, as far as ZooKeeper can tell.
fn process(hosts: &str) -> ZooKeeper {
    let builder = ZooKeeper::builder(hosts).session_timeout(SESSION).request_timeout(SESSION);
    builder.build().unwrap()
}

/// An instance, and the registry that only it uses.
struct Instance {
    zookeeper: ZooKeeper,
    server: Running,
}

impl Instance {
    async fn start(hosts: &str) -> Self {
        Self::start_at(hosts, free_address()).await
    }

    async fn start_at(hosts: &str, address: SocketAddr) -> Self {
        let zookeeper = process(hosts);
        let server = Running::start_at(echo_in(&zookeeper), address).await;
        Self { zookeeper, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// As an operator does it: it comes back where it was, with nothing remembered.
    async fn restart(self, hosts: &str) -> Self {
        let address = self.address();
        self.server.stop().await;
        drop(self.zookeeper);
        Self::start_at(hosts, address).await
    }
}

/// The sessions that hold the nodes of instances, by their addresses; nothing unless all of them
/// stand there.
async fn holders(root: &Root, addresses: &[SocketAddr]) -> Option<Vec<i64>> {
    let mut holders = Vec::new();
    for address in addresses {
        let (_, stat) = root.read(&format!("{INSTANCES}/{address}")).await?;
        holders.push(stat.ephemeral_owner);
    }
    Some(holders)
}

/// A session from outside, with servers of which one may have just been killed.
async fn look_at(hosts: &str) -> Root {
    let reached = async {
        while Client::connect(hosts).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Root::at(hosts.to_owned()).await
    };
    timeout(SOON * 3, reached).await.expect("ZooKeeper takes connections")
}

#[tokio::test]
async fn no_call_fails_in_a_long_outage_in_which_instances_are_restarted_and_processes_begin() {
    let Some(mut private) = PrivateZooKeeper::start().await else { return };
    let hosts = private.address();
    let directory = tempfile::tempdir().unwrap();
    let build = || ZooKeeper::builder(&hosts).session_timeout(SESSION).request_timeout(SESSION);
    let ours = build().snapshots(directory.path()).build().unwrap();
    let mut listing = listing_of(&ours);
    let client = client_of(&ours);
    // One as a C++ service is: it knows the original's layout only, and two methods.
    let plain = Running::echo().await;
    let root = Root::at(hosts.clone()).await;
    for method in ["Echo", "Fail"] {
        let path = format!("{METHODS}/{method}");
        root.client.mkdir(&path, &PERSISTENT).await.unwrap();
        root.client.set_data(&path, plain.address.to_string().as_bytes(), None).await.unwrap();
    }
    // And one that nobody restarts, for a stream that stays open and for those who know no v2.
    let steady = Instance::start(&hosts).await;
    listed(&mut listing, &[plain.address, steady.address()]).await;
    let mut stream = Load::in_one_stream(&client);
    let mut classic = Load::on(&steady.server.classic_client());
    stream.calls(CALLS).await;
    let mut instances = [
        Instance::start(&hosts).await,
        Instance::start(&hosts).await,
        Instance::start(&hosts).await,
    ];
    let restarted_ones: Vec<_> = instances.iter().map(Instance::address).collect();
    let mut registered: Vec<_> = [&[steady.address()], &restarted_ones[..]].concat();
    let with_plain = |registered: &[SocketAddr]| [registered, &[plain.address]].concat();
    listed(&mut listing, &with_plain(&registered)).await;
    let before = found("all stand there", async || holders(&root, &registered).await).await;
    let mut loads = Load::of_all_kinds(&client);
    all_go_on(&mut loads).await;

    private.kill().await;
    let since = Instant::now();
    until("the loss is noticed", || knows_it_is_away(&ours)).await;
    // Nobody can tell of the newcomer until ZooKeeper is back.
    let newcomer = Instance::start(&hosts).await;
    let begun = build().snapshots(directory.path()).build().unwrap();
    let client_of_the_begun = client_of(&begun);
    let mut loads_of_the_begun = Load::of_all_kinds(&client_of_the_begun);
    while since.elapsed() < outage() {
        for (index, address) in restarted_ones.iter().enumerate() {
            instances = restarted(instances, index, &hosts).await;
            // Who restarts one after the other waits until each serves again.
            for client in [&client, &client_of_the_begun] {
                calls_reach(client, *address).await;
                calls_reach(client, plain.address).await;
            }
            all_go_on(loads.iter_mut().chain(&mut loads_of_the_begun)).await;
            all_go_on([&mut stream, &mut classic]).await;
        }
    }
    assert!(knows_it_is_away(&ours).await && knows_it_is_away(&begun).await);
    listed(&mut listing, &with_plain(&registered)).await;

    private.start_again().await;
    connected(&ours).await;
    registered.push(newcomer.address());
    listed(&mut listing, &with_plain(&registered)).await;
    listed(&mut listing_of(&begun), &with_plain(&registered)).await;
    let root = look_at(&hosts).await;
    until("all are registered by sessions of now", async || {
        let now = holders(&root, &registered).await;
        now.is_some_and(|now| now.iter().all(|holder| !before.contains(holder)))
    })
    .await;
    until("methods name instances of now", async || {
        let node = root.read(&format!("{METHODS}/Describe")).await;
        node.is_some_and(|(named, stat)| {
            registered.iter().any(|one| one.to_string() == named)
                && !before.contains(&stat.ephemeral_owner)
        })
    })
    .await;
    all_go_on(&mut loads).await;
    // The watches are there again.
    newcomer.server.stop().await;
    registered.pop();
    listed(&mut listing, &with_plain(&registered)).await;
    all_go_on(&mut loads).await;
    for load in loads.into_iter().chain(loads_of_the_begun).chain([stream, classic]) {
        assert!(load.end().await > 0);
    }
}

/// Waits until each has made some calls more. None may fail.
async fn all_go_on(loads: impl IntoIterator<Item = &mut Load>) {
    for load in loads {
        load.calls(SOME).await;
    }
}

/// Waits until a call gets there. An error names its peer.
async fn calls_reach(client: &echo_service::Client, address: SocketAddr) {
    until("it is called again", async || {
        let fail = mprpc_examples::FailReq { code: 5, message: String::new() };
        let status = client.fail(&soon(), fail).await.unwrap_err();
        status.peer().is_some_and(|peer| *peer == address)
    })
    .await;
}

async fn restarted(instances: [Instance; 3], index: usize, hosts: &str) -> [Instance; 3] {
    let mut next = Vec::new();
    for (at, instance) in instances.into_iter().enumerate() {
        next.push(if at == index { instance.restart(hosts).await } else { instance });
    }
    next.try_into().unwrap_or_else(|_| unreachable!("as many as before"))
}

#[tokio::test]
async fn no_call_fails_when_the_leader_of_three_is_killed_and_all_is_there_again() {
    let Some(mut ensemble) = ZooKeeperEnsemble::start().await else { return };
    let hosts = ensemble.hosts();
    let first = Instance::start(&hosts).await;
    let second = Instance::start(&hosts).await;
    let both = [first.address(), second.address()];
    let ours = process(&hosts);
    let mut listing = listing_of(&ours);
    listed(&mut listing, &both).await;
    let client = client_of(&ours);
    let mut loads = Load::of_all_kinds(&client);
    let mut stream = Load::in_one_stream(&client);
    let mut classic = Load::on(&second.server.classic_client());
    all_go_on(loads.iter_mut().chain([&mut stream, &mut classic])).await;

    let leader = ensemble.leader().await;
    ensemble.server(leader).kill().await;
    all_go_on(loads.iter_mut().chain([&mut stream, &mut classic])).await;
    let next = ensemble.leader().await;
    assert_ne!(leader, next);
    for zookeeper in [&ours, &first.zookeeper, &second.zookeeper] {
        connected(zookeeper).await;
    }
    let root = look_at(&hosts).await;
    until("both are registered", async || holders(&root, &both).await.is_some()).await;
    all_go_on(loads.iter_mut().chain([&mut stream, &mut classic])).await;

    // The watches are there again.
    let third = Instance::start(&hosts).await;
    listed(&mut listing, &[both[0], both[1], third.address()]).await;
    // Whoever ends a server knows nothing of the streams that would stay open; these have seen all.
    for load in [stream, classic] {
        assert!(load.end().await > 0);
    }
    first.server.stop().await;
    second.server.stop().await;
    listed(&mut listing, &[third.address()]).await;
    all_go_on(&mut loads).await;

    ensemble.server(leader).start_again().await;
    all_go_on(&mut loads).await;
    for load in loads {
        assert!(load.end().await > 0);
    }
}
