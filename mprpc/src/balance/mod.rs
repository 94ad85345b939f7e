//! Which instance gets the next call.

mod affinity;
mod least_requests;
mod round_robin;

use std::fmt;
use std::sync::Arc;

pub(crate) use affinity::{mix, of_key};
pub use least_requests::LeastRequests;
pub use round_robin::RoundRobin;

/// What a balancer may know of the instances that it chooses among.
pub trait Candidates {
    /// How many there are, at least one.
    fn len(&self) -> usize;

    /// How many calls of this channel are in flight on the instance at `index`.
    fn in_flight(&self, index: usize) -> usize;

    /// Never true; for completeness beside [`len`](Self::len).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A rule for choosing among instances. One balancer serves one service of one channel.
pub trait Balancer: Send + Sync + 'static {
    /// The index of the instance for the next call, below `candidates.len()`.
    ///
    /// Called for every call: it must not lock or allocate.
    fn pick(&self, candidates: &dyn Candidates) -> usize;
}

/// How the calls of a channel are spread over the instances of a service.
#[derive(Clone)]
pub struct Balance(Arc<dyn Fn() -> Box<dyn Balancer> + Send + Sync>);

impl Balance {
    /// Each instance in turn.
    #[must_use]
    pub fn round_robin() -> Self {
        Self::new(|| Box::new(RoundRobin::default()))
    }

    /// The instance with the fewest calls in flight; among equals, each in turn.
    #[must_use]
    pub fn least_requests() -> Self {
        Self::new(|| Box::new(LeastRequests::default()))
    }

    /// A rule of one's own: `make` is called once for each service of the channel.
    pub fn new(make: impl Fn() -> Box<dyn Balancer> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self) -> Box<dyn Balancer> {
        (self.0)()
    }
}

impl Default for Balance {
    fn default() -> Self {
        Self::least_requests()
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Balance")
    }
}
