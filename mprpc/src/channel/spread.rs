//! How a channel spreads its calls: the rule, and who may be chosen at all.

use std::sync::Arc;
use std::time::Duration;

use super::ChannelBuilder;
use super::instance::hash;
use crate::balance::Balance;

/// How calls are spread over instances.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) balance: Balance,
    /// Where this client runs; empty if it does not matter.
    pub(super) zone: Arc<str>,
    /// How many instances are called at most, of those that are there.
    pub(super) subset: Option<usize>,
    /// How long a newcomer takes until it gets its whole share.
    pub(super) slow_start: Duration,
    /// A hash of this client's name.
    pub(super) client: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            zone: Arc::from(""),
            subset: None,
            slow_start: Duration::ZERO,
            client: fastrand::u64(..),
        }
    }
}

impl ChannelBuilder {
    /// How calls are spread over instances ([`Balance::p2c_ewma`]).
    pub fn balance(mut self, balance: Balance) -> Self {
        self.spread.balance = balance;
        self
    }

    /// Where this client runs (nowhere in particular). Calls go to instances of this zone as long as
    /// enough of them are up: at least half as many as a zone has on average. Otherwise they go to
    /// all. Calls with a key ([`Context::with_affinity`](crate::Context::with_affinity)) go to where
    /// the key belongs, in whatever zone that is.
    pub fn zone(mut self, zone: impl Into<Arc<str>>) -> Self {
        self.spread.zone = zone.into();
        self
    }

    /// Calls at most `instances` instances of those that are there (all), and so has connections to
    /// no more: for fleets of hundreds that have hundreds of clients. Of every zone but the own one
    /// together so many may be called, too, if there are not enough of the own one.
    ///
    /// Which ones is decided by [`client_id`](Self::client_id): each client has its own, they stay
    /// the same while others come and go, and every instance has about as many clients as any
    /// other. Clients with different subsets do not agree on where a key belongs, and a client whose
    /// whole subset is down calls nobody else: let it be as large as makes that unlikely. At least 1.
    pub fn subset(mut self, instances: usize) -> Self {
        self.spread.subset = Some(instances.max(1));
        self
    }

    /// How long an instance that appears after the first listing takes until it gets its whole share
    /// (no time): its weight grows from a tenth to all, so that cold caches do not meet a flood.
    /// Holds for the rules that look at weights; not for calls with a key, which belong to one
    /// instance whatever its age, and not where all instances are newcomers.
    pub fn slow_start(mut self, time: Duration) -> Self {
        self.spread.slow_start = time;
        self
    }

    /// Names this client, for [`subset`](Self::subset) and [`Balance::address_hash`] (a random
    /// name). Under the same name it gets the same subset when it starts again.
    pub fn client_id(mut self, id: impl AsRef<str>) -> Self {
        self.spread.client = hash(id.as_ref());
        self
    }
}
