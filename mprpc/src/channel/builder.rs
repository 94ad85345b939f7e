//! Building a channel.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::connections::{Backoff, Options};
use super::spread::Spread;
use super::target::Target;
use super::{Channel, Shared};
use crate::discovery::{
    Discover, Dns, DnsOptions, Memory, Static, WatchedFile, ZooKeeper, ZooKeeperError,
};
use crate::interceptor::Interceptors;
use crate::local::Network;
use crate::transport::Credentials;
use crate::transport::classic_client::Bounds;
use crate::wire::v2::compression::Compression;
use crate::{Interceptor, Token};

/// Why a channel cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The target cannot be understood.
    #[error("the target `{target}` cannot be used: {reason}")]
    Target {
        /// As it was given.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Builds a [`Channel`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ChannelBuilder {
    target: String,
    memory: Option<Memory>,
    zookeeper: Option<ZooKeeper>,
    snapshots: Option<PathBuf>,
    network: Option<Network>,
    pub(super) spread: Spread,
    connect_timeout: Duration,
    wait_for_instances: Duration,
    connections: Options,
    classic: Bounds,
    credentials: Credentials,
    interceptors: Interceptors,
}

impl ChannelBuilder {
    pub(super) fn new(target: String) -> Self {
        Self {
            target,
            memory: None,
            zookeeper: None,
            snapshots: None,
            network: None,
            connect_timeout: Duration::from_secs(3),
            wait_for_instances: Duration::from_secs(1),
            connections: Options::default(),
            classic: Bounds::default(),
            credentials: Credentials::default(),
            interceptors: Interceptors::default(),
            spread: Spread::default(),
        }
    }

    /// The registry that `memory://` means.
    pub fn memory(mut self, memory: &Memory) -> Self {
        self.memory = Some(memory.clone());
        self
    }

    /// The session that `zk://`, without hosts, means.
    pub fn zookeeper(mut self, zookeeper: &ZooKeeper) -> Self {
        self.zookeeper = Some(zookeeper.clone());
        self
    }

    /// Keeps the newest listing of each service in a file there, for a start while the registry that
    /// the target names is away: `dns://name:port`, `etcd://host:port` or `zk://host:port` (kept nowhere). A session
    /// that was given brings its own. A directory is for one registry: a file that another left is
    /// ignored.
    pub fn snapshots(mut self, directory: impl Into<PathBuf>) -> Self {
        self.snapshots = Some(directory.into());
        self
    }

    /// Where `local:` names are looked up (one of the process).
    pub fn network(mut self, network: &Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// The time for connecting to an instance (3 s). Once a tenth of it has passed, calls go to
    /// others that are not known to be away, if there are any.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For how long nobody may have been listed before calls fail (1 s), with `Unavailable`. Until
    /// then they wait: the only instance of a service may be being replaced. It is counted from when
    /// the list became empty, so that a service that is gone fails its callers at once. Before the
    /// registry has said anything, calls wait as long as their deadlines allow.
    pub fn wait_for_instances(mut self, wait: Duration) -> Self {
        self.wait_for_instances = wait;
        self
    }

    /// How many v2 connections an instance gets at most (4). It begins with one, which calls share,
    /// and gets more while pings show that calls queue on it.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections.bounds.connections_max = connections.max(1);
        self
    }

    /// The time after which the v2 connections of an instance that nobody calls are closed
    /// (5 minutes). The next call makes one again.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.connections.bounds.idle_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Whether to connect to every listed instance that speaks v2 before it is called, and to keep
    /// one connection however long nobody calls (no).
    pub fn connect_ahead(mut self, ahead: bool) -> Self {
        self.connections.bounds.ahead = ahead;
        self
    }

    /// How often a v2 connection looks whether its peer is alive (1 s). One that says nothing is
    /// found to be gone within three times that.
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.connections.keepalive = interval.max(Duration::from_millis(1));
        self
    }

    /// The pauses between attempts to connect that fail: the first, and the longest (50 ms, 1 s).
    /// Each is twice the one before, and shortened by chance to no less than half.
    pub fn reconnect_pause(mut self, first: Duration, longest: Duration) -> Self {
        self.connections.backoff = Backoff::new(first.max(Duration::from_millis(1)), longest);
        self
    }

    /// How many classic connections an instance gets at most (50); a call past that waits for one.
    pub fn classic_connections_max(mut self, connections: usize) -> Self {
        self.classic.connections_max = connections.max(1);
        self
    }

    /// Shows `token` to the servers, once on each v2 connection (nothing is shown). It is shown only
    /// where nobody on the way can read it: in TLS, or within this machine. Elsewhere that is warned
    /// of, and nothing is shown.
    pub fn token(mut self, token: &Token) -> Self {
        self.credentials.token = Some(token.clone());
        self
    }

    /// Calls v2 instances at IP addresses in TLS, and no others there: not those that speak only the
    /// classic wire (no TLS).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &crate::ClientTls) -> Self {
        self.credentials.tls = Some(tls.clone());
        self
    }

    /// Whether to show the token also where others on the way could read it (no). Whoever can write
    /// to the registry then can have it shown to himself.
    pub fn token_in_clear(mut self, in_clear: bool) -> Self {
        self.credentials.in_clear = in_clear;
        self
    }

    /// Takes every call through `interceptor`, behind those that were named before.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// How much of a stream waits for its reader at most, in bytes (1 MiB), at this end. A stream
    /// begins with 64 KiB, or this if it is less, and is given more while it is read.
    pub fn stream_window_max(mut self, bytes: u32) -> Self {
        self.connections.offer.windows.stream_max = bytes;
        self
    }

    /// How much of all streams of a connection waits for readers at most, in bytes (32 MiB), at this
    /// end. It should hold many streams' windows: those that are not read hold the others up once it
    /// is full. Calls that do not stream are not concerned.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connections.offer.windows.connection = bytes;
        self
    }

    /// Compresses messages of so many bytes and more, and takes compressed ones, on v2 connections to
    /// servers that do so too (no). `usize::MAX` only takes them.
    ///
    /// With DEFLATE, at its quickest; a message that would not become shorter goes as it is. It costs
    /// both sides' processors more than a fast network would: for messages of kilobytes that are much
    /// of the same, between places far apart. Do not mix secrets with what others may choose in one
    /// message that an eavesdropper can see the length of.
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.connections.offer.compression = Compression::above(bytes);
        self
    }

    /// How many idle classic connections are kept, however long, and how many at all (2, 10).
    pub fn classic_idle(mut self, min: usize, max: usize) -> Self {
        (self.classic.idle_min, self.classic.idle_max) = (min, max.max(min));
        self
    }

    /// The time after which an idle classic connection is closed (60 s), unless it is one of the
    /// fewest that are kept.
    pub fn classic_idle_timeout(mut self, timeout: Duration) -> Self {
        self.classic.idle_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Builds the channel. Nothing is connected yet, except that a target `zk://host:port` begins a
    /// session of its own in the background and `file:///path` begins to be looked at, and so must
    /// be built within a tokio runtime.
    ///
    /// # Errors
    /// The target cannot be understood, or is `memory://` or `zk://` and no registry was given.
    pub fn build(self) -> Result<Channel, ChannelError> {
        let bad = |reason: &str| ChannelError::Target {
            target: self.target.clone(),
            reason: reason.to_owned(),
        };
        let registry: Box<dyn Discover> = match Target::parse(&self.target)? {
            Target::Static(endpoints) => Box::new(Static::new(endpoints)),
            Target::Memory => {
                let none = || bad("no registry of this process was given");
                Box::new(self.memory.ok_or_else(none)?)
            }
            Target::File(path, poll) => Box::new(WatchedFile::new(path, poll)),
            Target::Dns(name, options) => {
                Box::new(Dns::new(name, DnsOptions { snapshots: self.snapshots, ..options }))
            }
            #[cfg(feature = "etcd")]
            Target::Etcd(hosts) => {
                let mut etcd = crate::discovery::Etcd::builder(hosts);
                if let Some(directory) = self.snapshots {
                    etcd = etcd.snapshots(directory);
                }
                Box::new(etcd.build().map_err(|error| bad(&error.to_string()))?)
            }
            Target::ZooKeeper(hosts) if hosts.is_empty() => {
                let none = || bad("no ZooKeeper session was given, and it names no hosts");
                Box::new(self.zookeeper.ok_or_else(none)?)
            }
            Target::ZooKeeper(hosts) => {
                let bad = |error: ZooKeeperError| bad(&error.to_string());
                let mut zookeeper = ZooKeeper::builder(hosts);
                if let Some(directory) = self.snapshots {
                    zookeeper = zookeeper.snapshots(directory);
                }
                Box::new(zookeeper.build().map_err(bad)?)
            }
        };
        Ok(Channel {
            shared: Arc::new(Shared {
                target: self.target,
                registry,
                network: self.network.unwrap_or_else(Network::of_process),
                spread: self.spread,
                connect_timeout: self.connect_timeout,
                wait_for_instances: self.wait_for_instances,
                connections: self.connections.bounded(),
                classic: self.classic,
                credentials: self.credentials,
                interceptors: self.interceptors,
                instances: Mutex::new(HashMap::new()),
            }),
            services: Arc::default(),
        })
    }
}
