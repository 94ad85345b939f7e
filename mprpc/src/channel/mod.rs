//! The client's side: from a target to an answer.
//!
//! ```text
//! stub -> ServiceChannel -> stack -> balancer -> Instance -> Connections -> Connection (v2) -> socket
//!              ^                               -> ClassicPool -> socket
//!              listings of the target's registry
//! ```

mod attempt;
mod builder;
mod connections;
mod group;
mod instance;
mod listed;
mod nobody;
mod passing;
mod pick;
mod service;
mod spread;
mod stack;
mod streams;
mod target;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use builder::{ChannelBuilder, ChannelError};
pub use service::ServiceChannel;

use crate::discovery::{Discover, Endpoint, Wires};
use crate::interceptor::Interceptors;
use crate::local::Network;
use crate::transport::classic_client::Bounds;
use crate::transport::{Credentials, Dialer};
use crate::{Address, ServiceDescriptor};
use instance::Instance;
use spread::Spread;

/// A way to the services behind a target. Cheap to clone; clones share their connections.
///
/// Nothing is connected before the first call. Connections are shared by all services of the
/// channel and close when its last clone and stub are gone: a stub may be made for each call, and
/// finds what those before it have left.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    /// Not shared with the stubs, which are of these: the last of all ends them.
    services: Arc<Mutex<Services>>,
}

/// What the services of a channel share.
pub(crate) struct Shared {
    target: String,
    registry: Box<dyn Discover>,
    network: Network,
    spread: Spread,
    connect_timeout: Duration,
    wait_for_instances: Duration,
    connections: connections::Options,
    classic: Bounds,
    credentials: Credentials,
    interceptors: Interceptors,
    /// The instances in use, by where and how they are reached. Two services of one process are
    /// called over one connection.
    instances: Mutex<HashMap<Reached, Weak<Instance>>>,
}

/// What tells instances apart: one that serves few methods of one service and all of another is
/// still one.
#[derive(PartialEq, Eq, Hash)]
struct Reached {
    id: String,
    address: Address,
    wires: Wires,
}

/// The services that stubs were made for.
#[derive(Default)]
struct Services {
    channels: HashMap<Named, ServiceChannel>,
    /// The number of the next one's first method: a method has one number on all connections of a
    /// channel.
    next_method: u16,
}

/// A service with its methods in their order: two versions of one `.proto` in a process number them
/// in different ways, and a call must not reach the method that has its number in the other.
type Named = (&'static str, &'static [&'static str]);

fn named(descriptor: &'static ServiceDescriptor) -> Named {
    (descriptor.full_name, descriptor.methods)
}

impl Channel {
    /// Builds a channel to a target:
    ///
    /// * `static://host:port,host:port`, also `unix:/path` and `local:name` in place of a host; behind
    ///   it `?wire=classic` for services that speak only the original wire and `&methods=Name,Name`
    ///   where they serve only these;
    /// * `memory://`: what is registered in the process;
    /// * `file:///path`: what a file says ([`WatchedFile`](crate::discovery::WatchedFile) has its
    ///   form), looked at every second or, with `?poll=500ms`, as often as that says;
    /// * `dns://name:port`: the addresses of a name, asked for every 5 s or, with `?refresh=30s`, as
    ///   often as that says; `wire` and `methods` as above;
    /// * `etcd://host:port,host:port/root`, with the feature `etcd`;
    /// * `zk://host:port,host:port/chroot`, or `zk://` for a session that is there already.
    pub fn builder(target: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder::new(target.into())
    }

    /// The part of the channel that calls one service. Used by generated stubs.
    ///
    /// Must be called within a tokio runtime: a task follows the service's listings, as long as the
    /// channel or a stub is there.
    #[doc(hidden)]
    #[must_use]
    pub fn service(&self, descriptor: &'static ServiceDescriptor) -> ServiceChannel {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let Services { channels, next_method } = &mut *services;
        let new = || {
            let first = *next_method;
            // Far more than a connection can name: calls past that bound are refused there.
            let methods = u16::try_from(descriptor.methods.len()).unwrap_or(u16::MAX);
            *next_method = first.saturating_add(methods);
            ServiceChannel::new(Arc::clone(&self.shared), descriptor, first)
        };
        channels.entry(named(descriptor)).or_insert_with(new).clone()
    }
}

impl Shared {
    /// The instance at `endpoint`, shared with other services that are there.
    fn instance(&self, endpoint: &Endpoint) -> Arc<Instance> {
        let Endpoint { id, address, wires, .. } = endpoint;
        let reached = Reached { id: id.clone(), address: address.clone(), wires: *wires };
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instance) = instances.get(&reached).and_then(Weak::upgrade) {
            return instance;
        }
        instances.retain(|_, instance| instance.strong_count() > 0);
        let dialer = Dialer {
            address: address.clone(),
            network: self.network.clone(),
            timeout: self.connect_timeout,
            credentials: self.credentials.clone(),
        };
        let instance = Arc::new(Instance::new(endpoint, dialer, self.connections, self.classic));
        instances.insert(reached, Arc::downgrade(&instance));
        instance
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.shared.target).finish()
    }
}
