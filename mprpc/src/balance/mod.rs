//! Which instance gets the next call.
//!
//! | rule | gives the next call to |
//! |---|---|
//! | [`Balance::p2c_ewma`], the default | the better one of two, by how slow and how busy it is |
//! | [`Balance::least_requests`] | the one with the fewest calls in flight |
//! | [`Balance::round_robin`], [`Balance::weighted_round_robin`] | each in turn |
//! | [`Balance::random`], [`Balance::weighted_random`] | any |
//! | [`Balance::consistent_hash`] | the one that the call's key belongs to |
//! | [`Balance::address_hash`] | the same one for the same client |
//! | [`Balance::new`] | whatever a [`Balancer`] of one's own says |
//!
//! Under every rule a call with a key ([`Context::with_affinity`](crate::Context::with_affinity))
//! goes to the instance that the key belongs to.
//!
//! A rule chooses among [`Candidates`], of which the channel has already taken out what may not get
//! calls:
//!
//! * instances of weight 0, as long as others are there;
//! * those of other zones, as long as there are enough of the own one
//!   ([`ChannelBuilder::zone`](crate::ChannelBuilder::zone));
//! * those outside the subset that this client calls
//!   ([`ChannelBuilder::subset`](crate::ChannelBuilder::subset)).
//!
//! If the one that it chooses is known to be down, it is asked again, and then any other takes its
//! place. Choosing takes no lock and allocates nothing.

mod atomic {
    pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
}
mod candidates;
mod consistent_hash;
mod least_requests;
mod load;
mod p2c;
mod random;
mod round_robin;
#[cfg(test)]
mod shuttled;
mod subset;
mod turns;
mod weighted_round_robin;

use std::fmt;
use std::sync::Arc;

pub use candidates::Candidates;
pub use consistent_hash::AddressHash;
pub(crate) use consistent_hash::{BOUND, mix, of_key};
pub use least_requests::LeastRequests;
pub(crate) use load::Load;
pub use p2c::PeakEwma;
pub use random::{Random, WeightedRandom};
pub use round_robin::RoundRobin;
pub(crate) use subset::subset;
pub use weighted_round_robin::WeightedRoundRobin;

/// A rule for choosing among instances. One balancer serves one service of one channel.
pub trait Balancer: Send + Sync + 'static {
    /// The index of the instance for the next call, below `candidates.len()`.
    ///
    /// Called for every call: it must not lock or allocate.
    fn pick(&self, candidates: &dyn Candidates) -> usize;

    /// A rule for just these candidates, if it is worth preparing one (not by default).
    ///
    /// Called when instances come and go or when their weights change, and before any call chooses
    /// among them: this is the place for what takes time or memory.
    fn prepare(&self, candidates: &dyn Candidates) -> Option<Box<dyn Balancer>> {
        let _ = candidates;
        None
    }
}

/// How the calls of a channel are spread over the instances of a service.
#[derive(Clone)]
pub struct Balance {
    make: Arc<dyn Fn() -> Box<dyn Balancer> + Send + Sync>,
    /// How much above the average an instance may be loaded and still get calls by their keys.
    bound: f64,
}

impl Balance {
    /// The better one of two that are drawn by weight: the one that answers faster, counting a
    /// failure as very slow, and that has less to do. See [`PeakEwma`].
    #[must_use]
    pub fn p2c_ewma() -> Self {
        Self::new(|| Box::new(PeakEwma))
    }

    /// The instance with the fewest calls in flight; among equals, by weight.
    #[must_use]
    pub fn least_requests() -> Self {
        Self::new(|| Box::new(LeastRequests))
    }

    /// Each instance in turn, whatever its weight; each method has turns of its own.
    #[must_use]
    pub fn round_robin() -> Self {
        Self::new(|| Box::new(RoundRobin::default()))
    }

    /// Each instance as often as its weight says, spread out evenly: of weights 5, 1 and 1 comes
    /// `a a b a c a a`. Each method has turns of its own.
    #[must_use]
    pub fn weighted_round_robin() -> Self {
        Self::new(|| Box::new(WeightedRoundRobin))
    }

    /// Any instance, whatever its weight.
    #[must_use]
    pub fn random() -> Self {
        Self::new(|| Box::new(Random))
    }

    /// Any instance, by weight.
    #[must_use]
    pub fn weighted_random() -> Self {
        Self::new(|| Box::new(WeightedRandom))
    }

    /// The instance that the call's key belongs to, unless with this call it would have more than
    /// `bound` times its share of the calls in flight (1.5 under the other rules; at least 1), rounded
    /// up: then the next one in the key's own order of instances. With fewer than 16 calls in flight
    /// it is never passed over. Counted are the calls of this channel: of those of other clients it
    /// knows nothing, and what each of them bounds is bounded in all.
    ///
    /// Calls without a key go as under [`p2c_ewma`](Self::p2c_ewma).
    #[must_use]
    pub fn consistent_hash(bound: f64) -> Self {
        Self { bound: bound.max(1.0), ..Self::p2c_ewma() }
    }

    /// The same instance for the same client: for the caller of the handler that makes the call, if
    /// it is made in one ([`Context::peer`](crate::Context::peer), without the port), else for this
    /// channel ([`ChannelBuilder::client_id`](crate::ChannelBuilder::client_id)). Bounded as calls
    /// with a key are.
    #[must_use]
    pub fn address_hash() -> Self {
        Self::new(|| Box::new(AddressHash))
    }

    /// A rule of one's own: `make` is called once for each service of the channel.
    pub fn new(make: impl Fn() -> Box<dyn Balancer> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), bound: BOUND }
    }

    pub(crate) fn make(&self) -> Box<dyn Balancer> {
        (self.make)()
    }

    pub(crate) fn bound(&self) -> f64 {
        self.bound
    }
}

impl Default for Balance {
    fn default() -> Self {
        Self::p2c_ewma()
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Balance")
    }
}
