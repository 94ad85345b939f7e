//! Where the instances of a service are.
//!
//! A registry is a [`Discover`]: for each service it yields listings, whole ones, as they change.
//! A channel follows them and hands the instances to its balancer, which never knows what kind of
//! registry they came from. A registry that can also be written to is a [`Register`].
//!
//! | target | registry |
//! |---|---|
//! | `static://a:1,b:2` | [`Static`]: a list that never changes |
//! | `memory://` | [`Memory`]: the services of one process, and those of tests |
//! | `file:///path` | [`WatchedFile`]: what a file says, as it changes |
//! | `dns://name:port` | [`Dns`]: the addresses of a name, as they change |
//! | `zk://host:port,host:port/chroot` | [`ZooKeeper`]: the instances that live, on many machines |
//! | `etcd://host:port,host:port/root` | `Etcd`, with the feature `etcd`: the same in etcd |
//!
//! What a registry says is not taken for the truth. One that is away or fails leaves the last
//! listing in use. One that suddenly lists less than half of what it did is not believed until
//! connections to those who are missing are refused (but a file, which somebody wrote, is). With a
//! directory for snapshots a process can start while its registry is away, and compares the first
//! listing with what the process before it knew.
//!
//! Who registers stands there until it leaves: `announce` keeps the entry and takes it out, in the
//! same way for every registry that is asked over a network.

mod announce;
mod believed;
mod dns;
#[cfg(feature = "etcd")]
mod etcd;
mod file;
mod fixed;
mod guard;
mod host;
mod instance;
mod junk;
mod memory;
mod probe;
mod registration;
mod snapshot;
mod zookeeper;

use std::sync::Arc;

use tokio::sync::watch;

pub use dns::{Dns, DnsOptions};
#[cfg(feature = "etcd")]
pub use etcd::{Etcd, EtcdBuilder, EtcdError};
pub use file::WatchedFile;
pub use fixed::Static;
pub(crate) use host::check as check_host;
pub use memory::Memory;
pub use registration::{IdTaken, Registration};
pub use zookeeper::{RegistryState, ZooKeeper, ZooKeeperBuilder, ZooKeeperError};

use crate::{Address, ServiceDescriptor};

/// The wires that an instance speaks.
///
/// Which one to use comes from discovery or from the target, never from trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wires {
    /// Both; v2 is used.
    V2,
    /// The original one only: a C++ service.
    Classic,
}

/// The methods of a service that an instance serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Methods {
    /// All of them: what an instance that lists itself as a whole means.
    All,
    /// Those with these names: a classic node names one instance for one method.
    Only(Arc<[String]>),
}

impl Methods {
    /// Those with these names.
    pub fn only(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// Whether the method with this name is among them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|served| served == name),
        }
    }
}

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Names the instance; no two live instances share one.
    pub id: String,
    /// Where it listens.
    pub address: Address,
    /// What it speaks.
    pub wires: Wires,
    /// What it serves.
    pub methods: Methods,
    /// Its share of the calls beside those of others.
    pub weight: u32,
    /// Where it runs; empty if nothing is said.
    pub zone: Arc<str>,
    /// Whatever else is to be known of it.
    pub tags: Arc<[String]>,
}

impl Endpoint {
    /// The weight of an instance of which nothing is said.
    pub const WEIGHT: u32 = 100;

    /// An instance that is named by its address, speaks v2, serves every method, and has the usual
    /// weight, no zone and no tags.
    #[must_use]
    pub fn new(address: impl Into<Address>) -> Self {
        let address = address.into();
        Self {
            id: address.to_string(),
            address,
            wires: Wires::V2,
            methods: Methods::All,
            weight: Self::WEIGHT,
            zone: Arc::from(""),
            tags: Arc::from([]),
        }
    }
}

/// What a registry knows of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Nothing yet: calls wait for a listing as long as their deadlines allow.
    Unknown,
    /// These instances, perhaps none.
    Known(Arc<[Endpoint]>),
}

/// A registry as a channel sees it.
pub trait Discover: Send + Sync + 'static {
    /// Follows `service`. The receiver always holds the newest listing; a registry that has gone
    /// away drops the sender, and the last listing stays in use.
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing>;
}

/// A registry as a server sees it.
pub trait Register: Send + Sync + 'static {
    /// Announces that `endpoint` serves `service` until the registration is withdrawn or dropped. An
    /// address that the registry cannot name, or to which nobody can connect, is not announced, and
    /// an error is logged.
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration;
}
