//! A registry in etcd: the same instances as in ZooKeeper, as keys that go with a lease.
//!
//! etcd's client for Rust needs `protoc` to build, which those who use this crate need not have. So
//! its JSON gateway is spoken, which every etcd from 3.4 on serves on the port of its clients.
//!
//! | file | holds |
//! |---|---|
//! | `gateway` | requests to it, each within a bound |
//! | `keys` | what it is asked, and what it answers |
//! | `follow` | from keys to the listing of a service |
//! | `announcement` | an instance's own key and its lease |

mod announcement;
mod builder;
mod follow;
mod gateway;
mod keys;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use builder::{EtcdBuilder, EtcdError};

use self::announcement::Announcement;
use self::builder::Config;
use self::gateway::Gateway;
use super::probe::Probes;
use super::{Discover, Endpoint, Listing, Register, Registration, announce};
use crate::ServiceDescriptor;

/// A registry in etcd: what `etcd://` means. Clones share what they know.
///
/// While it is away calls go on with the last lists, and who is registered registers again as soon
/// as it is back. It is asked without a password and without TLS.
#[derive(Clone)]
pub struct Etcd {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    /// The services that are followed, by their full names.
    listings: Mutex<HashMap<&'static str, watch::Receiver<Listing>>>,
    /// Ends the tasks.
    _gone: DropGuard,
}

/// What the tasks of one registry share. They end when its last handle is gone.
struct Core {
    config: Config,
    gateway: Gateway,
    probes: Probes,
    gone: CancellationToken,
}

impl Core {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let gone = self.gone.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = gone.cancelled() => {}
            }
        });
    }
}

impl Etcd {
    /// A registry on these servers: `host:port,host:port`, behind them perhaps a path under which
    /// everything stands, as in `host:port/root`.
    pub fn builder(hosts: impl Into<String>) -> EtcdBuilder {
        EtcdBuilder::new(hosts.into())
    }

    fn new(config: Config) -> Self {
        let gone = CancellationToken::new();
        let gateway = Gateway::new(config.hosts.clone(), config.request_timeout);
        let core = Core { config, gateway, probes: Probes::default(), gone: gone.clone() };
        let (core, listings) = (Arc::new(core), Mutex::default());
        Self { shared: Arc::new(Shared { core, listings, _gone: gone.drop_guard() }) }
    }
}

impl Discover for Etcd {
    /// Must be called within a tokio runtime.
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        let core = &self.shared.core;
        let mut listings = self.shared.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = || {
            let (sender, listing) = watch::channel(Listing::Unknown);
            core.spawn(follow::follow(Arc::clone(core), service, sender));
            listing
        };
        listings.entry(service.full_name).or_insert_with(follow).clone()
    }
}

impl Register for Etcd {
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration {
        let Some(address) = announce::nameable("etcd", service, &endpoint) else {
            return Registration::new(|| ());
        };
        let core = &self.shared.core;
        let announcement = Announcement::new(Arc::clone(core), service, &endpoint, address);
        announce::announce(announcement, self.clone(), core.gone.clone())
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Etcd").field(&self.shared.core.config.hosts).finish()
    }
}
