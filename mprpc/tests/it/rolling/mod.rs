//! A rolling restart under load, as its clients see it.

mod load;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Memory, Register, Registration, Wires};
use mprpc::{Channel, Server, ServerBuilder, ServiceDescriptor, Status};
use mprpc_examples::{Echo, echo_service};

use self::load::Load;
use crate::support::{Running, channel, echo_req, soon};
use crate::zookeeper::fixture::{Root, listed, until};

const INSTANCES: usize = 3;
const CALLERS: usize = 8;

/// Restarts each of the servers that `start` starts, once for each element of `same_port`: on its own
/// port, or on a new one. As whoever restarts servers does, it waits until the new one is listed
/// before the next leaves.
async fn restart_each(
    registry: &impl Discover,
    mut load: Load,
    same_port: &[bool],
    start: impl AsyncFn(SocketAddr) -> Running,
    stop: impl AsyncFn(Running, &mut Load),
) {
    let mut listing = registry.watch(&echo_service::DESCRIPTOR);
    let addresses =
        |servers: &[Running]| -> Vec<_> { servers.iter().map(|server| server.address).collect() };
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut servers = Vec::new();
    for _ in 0..INSTANCES {
        servers.push(start(free).await);
    }
    listed(&mut listing, &addresses(&servers)).await;
    load.goes_on().await;
    for same_port in same_port {
        for _ in 0..INSTANCES {
            let leaving = servers.remove(0);
            let at = if *same_port { leaving.address } else { free };
            stop(leaving, &mut load).await;
            servers.push(start(at).await);
            listed(&mut listing, &addresses(&servers)).await;
            load.goes_on().await;
        }
    }
    load.end().await;
    for server in servers {
        server.stop().await;
    }
}

async fn stop(server: Running, _: &mut Load) {
    server.stop().await;
}

fn echo(registry: impl Register) -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(registry)
}

fn client_of(memory: &Memory) -> echo_service::Client {
    let channel = Channel::builder("memory://").memory(memory).build().unwrap();
    echo_service::Client::new(&channel)
}

fn all_kinds(client: &echo_service::Client) -> Load {
    Load::default().unary(CALLERS, client).streams(client).open_loop(client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_each_of_three_servers_is_restarted_twice() {
    for threads in [0, 2] {
        let memory = Memory::new();
        let load = all_kinds(&client_of(&memory));
        let start = async |at| Running::start_at(echo(memory.clone()).threads(threads), at).await;
        restart_each(&memory, load, &[false, true], start, stop).await;
    }
}

/// On one thread, where everything happens in another order.
#[tokio::test]
async fn nor_does_one_where_clients_and_servers_share_a_thread() {
    let memory = Memory::new();
    let load = all_kinds(&client_of(&memory));
    let start = async |at| Running::start_at(echo(memory.clone()), at).await;
    restart_each(&memory, load, &[false, true], start, stop).await;
}

/// Where the drain is too short for them, they are told what they may do, and open another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_never_end_are_told_so_and_go_on_elsewhere_while_no_other_call_fails() {
    let (memory, told) = (Memory::new(), Arc::new(AtomicUsize::new(0)));
    let client = client_of(&memory);
    let load = all_kinds(&client).long_stream(&client, &told).long_stream(&client, &told);
    let start = async |at| {
        let builder = echo(memory.clone()).drain_timeout(Duration::from_secs(5));
        Running::start_at(builder, at).await
    };
    restart_each(&memory, load, &[false], start, stop).await;
    // Each server was restarted once, so each stream lost its server at least once.
    assert!(told.load(Ordering::Relaxed) >= 2);
}

/// Lists servers as those that speak only the classic wire.
#[derive(Clone)]
struct AsClassic(Memory);

impl Register for AsClassic {
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration {
        self.0.register(service, Endpoint { wires: Wires::Classic, ..endpoint })
    }
}

/// A server cannot say on that wire that it leaves, so that callers hear it from the registry. For
/// a moment it has to serve those who have not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_classic_call_fails_while_each_of_three_servers_is_restarted_twice() {
    for threads in [0, 2] {
        let memory = Memory::new();
        let client = client_of(&memory);
        let load = Load::default().unary(CALLERS, &client).open_loop(&client);
        let start = async |at| {
            let builder = echo(AsClassic(memory.clone()));
            let builder = builder.lame_duck_time(Duration::from_secs(2)).threads(threads);
            Running::start_at(builder, at).await
        };
        restart_each(&memory, load, &[false, true], start, stop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_servers_that_stand_in_zookeeper_are_restarted_twice() {
    let Some(root) = Root::fresh().await else { return };
    let (theirs, ours) = (root.zookeeper(), root.zookeeper());
    let channel = Channel::builder("zk://").zookeeper(&ours).build().unwrap();
    let load = all_kinds(&echo_service::Client::new(&channel));
    let start = async |at| Running::start_at(echo(theirs.clone()), at).await;
    restart_each(&ours, load, &[false, true], start, stop).await;
}

/// Callers as the original's: they look at the node of the method, and call whom it names over the
/// classic wire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_an_original_caller_fails_while_servers_in_zookeeper_are_restarted() {
    let Some(root) = Root::fresh().await else { return };
    let (theirs, ours, root) = (root.zookeeper(), root.zookeeper(), Arc::new(root));
    let original = Arc::new(Original { root: Arc::clone(&root), ways: Mutex::default() });
    let load = (0..CALLERS).fold(Load::default(), |load, _| {
        let original = Arc::clone(&original);
        load.closed_loop(move || Arc::clone(&original).call())
    });
    let start = async |at| Running::start_at(echo(theirs.clone()), at).await;
    let stop = async |server: Running, load: &mut Load| {
        server.handle.lame_duck();
        until("another is named", async || {
            let owner = root.owner("Echo").await;
            owner.is_some_and(|owner| owner != server.address.to_string())
        })
        .await;
        // Who looked before that has called by then.
        load.goes_on().await;
        server.stop().await;
    };
    restart_each(&ours, load, &[true], start, stop).await;
}

/// A program of the original's.
struct Original {
    root: Arc<Root>,
    /// By address.
    ways: Mutex<HashMap<String, echo_service::Client>>,
}

impl Original {
    async fn call(self: Arc<Self>) -> Result<(), Status> {
        until("somebody is named", async || self.root.owner("Echo").await.is_some()).await;
        let Some(owner) = self.root.owner("Echo").await else { return Ok(()) };
        let client = {
            let mut ways = self.ways.lock().unwrap();
            let new = || channel(&format!("static://{owner}?wire=classic"));
            ways.entry(owner.clone()).or_insert_with(|| echo_service::Client::new(&new())).clone()
        };
        client.echo(&soon(), echo_req("x")).await.map(drop)
    }
}
