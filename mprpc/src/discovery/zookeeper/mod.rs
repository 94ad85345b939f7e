//! The registry that many machines share: ephemeral nodes in ZooKeeper.
//!
//! | file | holds |
//! |---|---|
//! | `sessions` | that there is a session, or soon will be; all begins anew on each |
//! | `session` | requests, each within a bound |
//! | `children` | what stands under a path, by watches |
//! | `layout` | both layouts of nodes, as bytes and names |
//! | `follow` | from nodes to the listing of a service |
//! | `announcement`, `classic` | an instance's own nodes |

mod announcement;
mod builder;
mod children;
mod classic;
mod core;
mod follow;
mod layout;
mod session;
mod sessions;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::announcement::Announcement;
use self::core::Core;
use self::follow::Follow;

pub use builder::{ZooKeeperBuilder, ZooKeeperError};

use super::{Discover, Endpoint, Listing, Register, Registration, announce};
use crate::ServiceDescriptor;

/// Whether a registry can be asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryState {
    /// Not now; calls go on with the last list.
    Connecting {
        /// What keeps it, for people.
        why: String,
    },
    /// It answers.
    Connected,
}

/// A registry in ZooKeeper: what `zk://` means. Clones share one session.
///
/// It connects in the background, and for ever: a session that is lost is followed by a new one, on
/// which everything is registered and listed again. Calls go on meanwhile with the last lists.
#[derive(Clone)]
pub struct ZooKeeper {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    state: watch::Sender<RegistryState>,
    /// The services that are followed, by their full names.
    listings: Mutex<HashMap<&'static str, watch::Receiver<Listing>>>,
    /// Ends the tasks.
    _gone: DropGuard,
}

impl ZooKeeper {
    /// A registry on these servers: `host:port,host:port`, behind them perhaps a path under which
    /// everything happens, as in `host:port/chroot`.
    pub fn builder(hosts: impl Into<String>) -> ZooKeeperBuilder {
        ZooKeeperBuilder::new(hosts.into())
    }

    fn new(config: builder::Config) -> Self {
        let why = format!("no answer from {} yet", config.hosts);
        let state = watch::Sender::new(RegistryState::Connecting { why });
        let (sessions, current) = watch::channel(None);
        let gone = CancellationToken::new();
        let core = Arc::new(Core::new(config.clone(), current, gone.clone()));
        core.spawn(sessions::keep(config, sessions, state.clone()));
        let listings = Mutex::default();
        Self { shared: Arc::new(Shared { core, state, listings, _gone: gone.drop_guard() }) }
    }

    /// Whether ZooKeeper can be asked now, as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<RegistryState> {
        self.shared.state.subscribe()
    }
}

impl Discover for ZooKeeper {
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        let core = &self.shared.core;
        let mut listings = self.shared.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = || {
            let (sender, listing) = watch::channel(Listing::Unknown);
            core.spawn(Follow::new(core, service, sender).run());
            listing
        };
        listings.entry(service.full_name).or_insert_with(follow).clone()
    }
}

impl Register for ZooKeeper {
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration {
        let Some(address) = announce::nameable("zookeeper", service, &endpoint) else {
            return Registration::new(|| ());
        };
        let core = &self.shared.core;
        let announcement = Announcement::new(Arc::clone(core), service, &endpoint, address);
        announce::announce(announcement, self.clone(), core.gone())
    }
}

impl fmt::Debug for ZooKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ZooKeeper").field(&self.shared.core.config.hosts).finish()
    }
}
