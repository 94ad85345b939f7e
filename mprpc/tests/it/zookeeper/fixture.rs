//! A root of one's own in a real ZooKeeper, a client that looks at it from outside, and servers
//! that register there.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Listing, RegistryState, ZooKeeper};
use mprpc::{Balance, Channel, Server, ServerBuilder};
use mprpc_examples::{Echo, echo_service};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Stat};

use crate::support::{SOON, echo_req, soon};

/// Where the instances of the echo service stand, and its methods.
pub(crate) const INSTANCES: &str = "/mprpc/echo.EchoService";
pub(crate) const METHODS: &str = "/EchoService";

pub(crate) const PERSISTENT: CreateOptions<'static> =
    CreateMode::Persistent.with_acls(Acls::anyone_all());
pub(crate) const EPHEMERAL: CreateOptions<'static> =
    CreateMode::Ephemeral.with_acls(Acls::anyone_all());

/// A part of a ZooKeeper that only one test uses.
pub(crate) struct Root {
    /// `host:port/path`
    pub(crate) hosts: String,
    /// Somebody else's session there.
    pub(crate) client: Client,
}

impl Root {
    /// In the ZooKeeper that tests share.
    pub(crate) async fn fresh() -> Option<Self> {
        Some(Self::at(test_servers::zookeeper().await?.fresh_root().await).await)
    }

    pub(crate) async fn at(hosts: String) -> Self {
        let client = Client::connect(&hosts).await.unwrap();
        Self { hosts, client }
    }

    pub(crate) fn zookeeper(&self) -> ZooKeeper {
        ZooKeeper::builder(&self.hosts).session_timeout(Duration::from_secs(4)).build().unwrap()
    }

    /// What a node has in it.
    pub(crate) async fn read(&self, path: &str) -> Option<(String, Stat)> {
        let (data, stat) = self.client.get_data(path).await.ok()?;
        Some((String::from_utf8(data).unwrap(), stat))
    }

    /// The data of a classic node.
    pub(crate) async fn owner(&self, method: &str) -> Option<String> {
        Some(self.read(&format!("{METHODS}/{method}")).await?.0)
    }

    /// The ids that are registered.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let mut ids = self.client.list_children(INSTANCES).await.unwrap_or_default();
        ids.sort();
        ids
    }

    /// Makes a node of somebody else's.
    pub(crate) async fn put(&self, path: &str, data: &str) {
        self.put_bytes(path, data.as_bytes()).await;
    }

    pub(crate) async fn put_bytes(&self, path: &str, data: &[u8]) {
        let (parent, _) = path.rsplit_once('/').unwrap();
        self.client.mkdir(parent, &PERSISTENT).await.unwrap();
        self.client.create(path, data, &EPHEMERAL).await.unwrap();
    }
}

/// An echo that registers in `zookeeper`.
pub(crate) fn echo_in(zookeeper: &ZooKeeper) -> ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(zookeeper.clone())
}

/// A client that finds its instances there.
pub(crate) fn client_of(zookeeper: &ZooKeeper) -> echo_service::Client {
    let channel = Channel::builder("zk://").zookeeper(zookeeper).balance(Balance::round_robin());
    echo_service::Client::new(&channel.build().unwrap())
}

pub(crate) fn listing_of(zookeeper: &ZooKeeper) -> watch::Receiver<Listing> {
    zookeeper.watch(&echo_service::DESCRIPTOR)
}

pub(crate) async fn connected(zookeeper: &ZooKeeper) {
    let mut state = zookeeper.state();
    let state = state.wait_for(|state| *state == RegistryState::Connected);
    timeout(SOON, state).await.expect("ZooKeeper answers").unwrap();
}

/// Waits until the listing has these addresses, in any order.
pub(crate) async fn listed(listing: &mut watch::Receiver<Listing>, wanted: &[SocketAddr]) {
    let mut wanted = wanted.to_vec();
    wanted.sort();
    let reached = listing.wait_for(|listing| addresses(listing) == wanted);
    let reached = timeout(SOON, reached).await.map(drop);
    assert!(reached.is_ok(), "wanted {wanted:?}, seen {:?}", *listing.borrow());
}

pub(crate) fn addresses(listing: &Listing) -> Vec<SocketAddr> {
    let Listing::Known(endpoints) = listing else { return Vec::new() };
    let mut addresses: Vec<_> = endpoints.iter().filter_map(|one| one.address.tcp()).collect();
    addresses.sort();
    addresses
}

/// The one instance that is listed.
pub(crate) fn only(listing: &watch::Receiver<Listing>) -> Endpoint {
    match &*listing.borrow() {
        Listing::Known(endpoints) if endpoints.len() == 1 => endpoints[0].clone(),
        other => panic!("not one instance: {other:?}"),
    }
}

/// Waits until `look` finds what it looks for: for less time than lists are kept without a look, so
/// that what is found was told of.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let begin = Instant::now();
    while !look().await {
        assert!(begin.elapsed() < SOON, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The same, with what it finds.
pub(crate) async fn found<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < SOON, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Looks again and again for so long, and always finds it so.
pub(crate) async fn stays<F: Future<Output = bool>>(
    what: &str,
    duration: Duration,
    look: impl Fn() -> F,
) {
    let begin = Instant::now();
    while begin.elapsed() < duration {
        assert!(look().await, "no longer: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the registry knows that ZooKeeper is away.
pub(crate) async fn knows_it_is_away(zookeeper: &ZooKeeper) -> bool {
    *zookeeper.state().borrow() != RegistryState::Connected
}

/// Calls until `during` is ready, and answers how many calls there were. None may fail.
pub(crate) async fn calls_go_on<T>(
    client: &echo_service::Client,
    during: impl Future<Output = T>,
) -> (T, usize) {
    let mut during = std::pin::pin!(during);
    let mut calls = 0;
    loop {
        let cx = soon();
        tokio::select! {
            biased;
            done = &mut during => return (done, calls),
            answer = client.echo(&cx, echo_req("x")) => {
                assert_eq!(answer.expect("no call fails").payload, "x");
                calls += 1;
            }
        }
        tokio::task::yield_now().await;
    }
}
