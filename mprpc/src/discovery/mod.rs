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

mod fixed;
mod memory;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

pub use fixed::Static;
pub use memory::{Memory, Registration};

use crate::ServiceDescriptor;

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

/// One instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Names the instance; no two live instances share one.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it speaks.
    pub wires: Wires,
}

impl Endpoint {
    /// An instance that is named by its address and speaks v2.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { id: address.to_string(), address, wires: Wires::V2 }
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
    /// Announces that `endpoint` serves `service` until the registration is dropped.
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration;
}
