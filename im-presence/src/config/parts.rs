//! Which parts of im-presence a process has, where the others are, and `[routing]`.

use std::time::Duration;

use im_common::{Rules, Target};
use serde::{Deserialize, Serialize};

use crate::routing::Strategy;

/// A part of im-presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartName {
    /// What gateways and other services ask: `PresenceService`. Calls the other three.
    Presence,
    /// The table of routes.
    Routing,
    /// The links to gateways. Calls routing.
    Dispatch,
    /// Lists gateways, and closes sessions there. Calls routing.
    Connections,
}

impl PartName {
    /// All of them: what a process has that is told nothing else.
    pub(super) const ALL: [Self; 4] =
        [Self::Presence, Self::Routing, Self::Dispatch, Self::Connections];
}

/// Where the parts are that a process does not have, and im-user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TargetsConfig {
    /// im-user, which presence asks who is whose friend.
    pub user: Target,
    /// Routing.
    pub routing: Target,
    /// Dispatch.
    pub dispatch: Target,
    /// Connections.
    pub connections: Target,
    /// How long a call of routing may take. Less than half of what im-message gives a dispatch: with
    /// routing away, that goes to every gateway.
    pub timeout_ms: u32,
}

/// Which gateway a user is sent to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RoutingConfig {
    /// By which rule.
    pub strategy: Strategy,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { strategy: Strategy::ConsistentHash }
    }
}

impl Default for TargetsConfig {
    fn default() -> Self {
        Self {
            user: Target::on_loopback(8010),
            routing: Target::on_loopback(8015),
            dispatch: Target::on_loopback(8016),
            connections: Target::on_loopback(8017),
            timeout_ms: 500,
        }
    }
}

impl TargetsConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        rules.within("targets.timeout_ms", self.timeout_ms, 10..=10_000);
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }
}
