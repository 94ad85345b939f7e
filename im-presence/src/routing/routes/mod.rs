//! The port to wherever routes are kept.
//!
//! A route says that one session of a user's device is connected to one boot of a gateway. It lives
//! for a while and is renewed by its gateway every second, so that a user is never stuck "online"
//! after a crash. Routes are not the truth about anything: whoever loses them all gets them back
//! from the gateways, which bind again what their renewals find missing.
//!
//! The methods are atomic facts. In particular [`Routes::bind`] decides in one step which sessions
//! were replaced, and [`Routes::unbind`] and [`Routes::renew`] touch a route only if it is still that
//! of the session named: a session that was fenced can never take away its successor's route.

#[cfg(test)]
mod conformance;
mod memory;
mod redis;

use std::future::Future;
use std::sync::Arc;

use im_common::redis::RedisFailure;
pub(crate) use mpim_proto::Excludes;
use serde::{Deserialize, Serialize};

pub(crate) use self::memory::{MemoryLimits, MemoryRoutes};
pub(crate) use self::redis::{RedisLimits, RedisRoutes};

/// One run of one gateway process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gateway {
    /// The gateway's name: what `QueryRoute` answers.
    pub(crate) id: String,
    /// `host:port` of its mprpc port; empty for a gateway of the original system, to which nothing
    /// can be pushed.
    pub(crate) addr: String,
    /// Made anew at each start; empty for a gateway of the original system.
    pub(crate) boot_id: String,
}

impl Gateway {
    /// Whether it is one of the original system's: it neither renews its routes nor takes pushes.
    pub(crate) fn is_original(&self) -> bool {
        self.addr.is_empty()
    }
}

/// Where clients connect to a gateway, and how many of them it takes beside others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Offer {
    /// `host:port` for clients.
    pub(crate) endpoint: String,
    /// Its part of the users among gateways; 0: none while there is another gateway.
    pub(crate) weight: u32,
    /// Lower comes first.
    pub(crate) priority: u32,
    /// `host:port` for clients that speak binary frames; empty: there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) frames_endpoint: String,
}

/// Where one session of a user is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) user_id: i64,
    pub(crate) device: String,
    /// Unique within one boot of the gateway.
    pub(crate) session_id: String,
    /// When the session began, by the clock of im-presence; 0 in a bind that begins it.
    pub(crate) since_ms: i64,
    pub(crate) gateway: Arc<Gateway>,
}

/// Whether a session of `device` cannot live beside one of `other`. What stands before the colon of
/// a device's name is its class; those of the original may be called anything.
fn covers(excludes: Excludes, device: &str, other: &str) -> bool {
    let class = |device: &str| device.split_once(':').map_or(device, |(class, _)| class).to_owned();
    match excludes {
        Excludes::Nothing => false,
        Excludes::Device => device == other,
        Excludes::Class => class(device) == class(other),
    }
}

/// What became of a bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The route is bound.
    Here {
        /// When the session began.
        since_ms: i64,
        /// The live routes of *other* sessions that it has replaced.
        replaced: Vec<Route>,
    },
    /// A session that began later has the route; nothing has changed.
    Fenced,
}

/// A route as its gateway names it in a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) user_id: i64,
    pub(crate) device: String,
    pub(crate) session_id: String,
}

/// Why routes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoutesError {
    /// There is no room for another route; those that exist stay.
    #[error("no room for another route: {what} is reached")]
    Full {
        /// The bound, by the name of its config key.
        what: &'static str,
    },
    /// They are out of reach for now. After a change it is unknown whether it happened.
    #[error("the routes are out of reach")]
    Unavailable(#[source] Box<RedisFailure>),
}

impl From<RedisFailure> for RoutesError {
    fn from(failure: RedisFailure) -> Self {
        Self::Unavailable(Box::new(failure))
    }
}

/// What im-presence needs from a place that keeps routes.
pub(crate) trait Routes: Send + Sync + 'static {
    /// Binds `route` for one lifetime from now, and ends the user's other routes that it `excludes`.
    /// A session that begins counts as later than all others of its user, whatever the clock says.
    /// One that binds again renews its route, or gets back what was lost, unless one of those that
    /// it would end began later.
    ///
    /// # Errors
    /// [`RoutesError::Full`] when a bound is reached; then nothing has changed.
    fn bind(
        &self,
        route: Route,
        excludes: Excludes,
    ) -> impl Future<Output = Result<Bound, RoutesError>> + Send;

    /// Gives the routes `keys` of a gateway's boot another lifetime, or at least half of one, and the
    /// gateway itself, which takes clients as it `offer`s. Answers with those that are not bound to the session that they name (any more).
    fn renew(
        &self,
        gateway: &Arc<Gateway>,
        offer: Option<Offer>,
        keys: Vec<Key>,
    ) -> impl Future<Output = Result<Vec<Key>, RoutesError>> + Send;

    /// Removes the route of exactly this session. Answers whether it was there.
    fn unbind(
        &self,
        boot_id: &str,
        key: &Key,
    ) -> impl Future<Output = Result<bool, RoutesError>> + Send;

    /// The live routes of one user, the one that began last at the end.
    fn query(&self, user_id: i64) -> impl Future<Output = Result<Vec<Route>, RoutesError>> + Send;

    /// For each of `users`, each gateway at which that user has a live route, in the order of
    /// `users`; a gateway is named once for a user however many devices are there. Read fresh: a
    /// route that was bound before the call began is found.
    fn resolve(
        &self,
        users: &[i64],
    ) -> impl Future<Output = Result<Vec<(i64, Arc<Gateway>)>, RoutesError>> + Send;

    /// The gateways that have bound or renewed within a lifetime; those of the original system are
    /// left out.
    fn gateways(&self) -> impl Future<Output = Result<Vec<Arc<Gateway>>, RoutesError>> + Send;

    /// Those of [`gateways`](Self::gateways) that offered something in their last renewal, with that.
    fn offers(
        &self,
    ) -> impl Future<Output = Result<Vec<(Arc<Gateway>, Offer)>, RoutesError>> + Send;

    /// Ends every route of a boot of a gateway: it is known to be gone. Should it be alive after
    /// all, its next renewal finds them missing.
    fn drop_gateway(&self, boot_id: &str) -> impl Future<Output = Result<(), RoutesError>> + Send;

    /// Frees what has expired; readers do not see it in any case. Called from time to time.
    fn sweep(&self) -> impl Future<Output = ()> + Send;
}
