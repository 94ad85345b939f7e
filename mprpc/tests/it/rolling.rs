//! A rolling restart under load, as its clients see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mprpc::discovery::{Discover, Memory, Register, ZooKeeper};
use mprpc::{Channel, Server, ServerBuilder, Status};
use mprpc_examples::{Echo, echo_service};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Running, SOON, echo_req, soon};
use crate::zookeeper::fixture::{Root, listed};

const INSTANCES: usize = 3;
const CALLERS: usize = 8;

/// Clients that call without a pause until they are stopped.
struct Load {
    calls: Arc<AtomicUsize>,
    over: CancellationToken,
    callers: Vec<JoinHandle<Result<(), Status>>>,
}

impl Load {
    fn begin(client: &echo_service::Client) -> Self {
        let (calls, over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let callers = (0..CALLERS).map(|_| {
            let (client, calls, over) = (client.clone(), Arc::clone(&calls), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    client.echo(&soon(), echo_req("x")).await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let callers = callers.collect();
        Self { calls, over, callers }
    }

    /// Waits until there were some more calls.
    async fn goes_on(&self) {
        let enough = self.calls.load(Ordering::Relaxed) + 10 * CALLERS;
        let more = async {
            while self.calls.load(Ordering::Relaxed) < enough {
                // Those who failed have ended.
                if self.callers.iter().any(JoinHandle::is_finished) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, more).await.expect("calls go on");
    }

    async fn end(self) {
        self.over.cancel();
        for caller in self.callers {
            caller.await.unwrap().expect("no call fails");
        }
    }
}

/// Restarts each of the servers that `start` starts, twice: once on a new port, once on its own.
/// As whoever restarts servers does, it waits until the new one is listed before the next leaves.
async fn restart_each(
    registry: &impl Discover,
    client: &echo_service::Client,
    start: impl AsyncFn(SocketAddr) -> Running,
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
    let load = Load::begin(client);
    load.goes_on().await;
    for same_port in [false, true] {
        for _ in 0..INSTANCES {
            let leaving = servers.remove(0);
            let at = if same_port { leaving.address } else { free };
            leaving.stop().await;
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

fn echo(registry: impl Register) -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(registry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_each_of_three_servers_is_restarted_twice() {
    for threads in [0, 2] {
        let memory = Memory::new();
        let channel = Channel::builder("memory://").memory(&memory).build().unwrap();
        restart_each(&memory, &echo_service::Client::new(&channel), async |at| {
            Running::start_at(echo(memory.clone()).threads(threads), at).await
        })
        .await;
    }
}

/// On one thread, where everything happens in another order.
#[tokio::test]
async fn nor_does_one_where_clients_and_servers_share_a_thread() {
    let memory = Memory::new();
    let channel = Channel::builder("memory://").memory(&memory).build().unwrap();
    restart_each(&memory, &echo_service::Client::new(&channel), async |at| {
        Running::start_at(echo(memory.clone()), at).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_servers_that_stand_in_zookeeper_are_restarted_twice() {
    let Some(root) = Root::fresh().await else { return };
    let connect = |hosts: &str| -> ZooKeeper {
        ZooKeeper::builder(hosts).session_timeout(Duration::from_secs(4)).build().unwrap()
    };
    let (theirs, ours) = (connect(&root.hosts), connect(&root.hosts));
    let channel = Channel::builder("zk://").zookeeper(&ours).build().unwrap();
    restart_each(&ours, &echo_service::Client::new(&channel), async |at| {
        Running::start_at(echo(theirs.clone()), at).await
    })
    .await;
}
