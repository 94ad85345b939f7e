//! The configuration of im-presence. `conf/static/im-presence.toml` explains each key.

mod devices;
mod original;
mod parts;
mod status;

use std::time::Duration;

use im_common::redis::{RedisConfig, RedisUrl};
use im_common::{RpcConfig, Rules, Validate};
use serde::{Deserialize, Serialize};

pub use self::devices::{DevicePolicy, DevicesConfig};
pub use self::original::OriginalConfig;
pub use self::parts::{PartName, RoutingConfig, TargetsConfig};
pub use self::status::StatusConfig;
use crate::dispatch::{EventLimits, PushLimits, StreamLimits};
use crate::routing::{Heard, MemoryLimits, RedisLimits};

/// Everything that can be configured; the defaults are those of a single machine.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// Which parts of im-presence this process has.
    pub parts: Vec<PartName>,
    /// Where this service listens.
    pub rpc: RpcConfig,
    /// Where the parts are that this process does not have.
    pub targets: TargetsConfig,
    /// Which gateway a user is sent to.
    pub routing: RoutingConfig,
    /// Who is connected where, and for how long that is believed.
    pub routes: RoutesConfig,
    /// Which devices of a user may be connected at once.
    pub devices: DevicesConfig,
    /// What is on its way to gateways.
    pub push: PushConfig,
    /// Who is online, busy or away.
    pub status: StatusConfig,
    /// Where Redis is, for what is kept or carried there.
    pub redis: RedisRoles,
    /// Beside the original system.
    pub original: OriginalConfig,
}

/// Who is connected where, and for how long that is believed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RoutesConfig {
    /// How long a route lives without being renewed; gateways renew every second.
    pub ttl_ms: u32,
    /// The same for gateways of the original system, which never renew.
    pub original_ttl_ms: u32,
    /// Routes of all users together.
    pub routes_max: usize,
    /// Sessions of one user, of all devices together.
    pub devices_max: usize,
    /// An entry for more recipients than this goes to every gateway, and no routes are looked up.
    pub broadcast_above: usize,
    /// How long the gateway of a replaced session may take to hand over its cursors.
    pub close_timeout_ms: u32,
}

/// What is on its way to gateways.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PushConfig {
    /// What carries pushes to gateways.
    pub queue: QueueKind,
    /// How long one push may take before it is given up, and what waits behind it.
    pub timeout_ms: u32,
    /// How often a gateway to which nothing is pushed hears that this instance is alive.
    pub heartbeat_ms: u32,
    /// Pushes that may wait for one gateway.
    pub queue_pushes_max: usize,
    /// Their bytes.
    pub queue_bytes_max: usize,
    /// Events that may wait for one gateway; of more, the oldest are dropped.
    pub events_max: usize,
    /// Pushes in one request.
    pub batch_pushes_max: usize,
    /// Their bytes.
    pub batch_bytes_max: usize,
    /// Gateways that are pushed to.
    pub gateways_max: usize,
    /// With `queue = "streams"`: requests that the stream of one gateway keeps, about.
    pub stream_requests_max: usize,
    /// With `queue = "streams"`: how long the stream of a gateway that is gone is kept.
    pub stream_ttl_ms: u32,
}

/// What carries pushes to gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueKind {
    /// A call of the gateway.
    Direct,
    /// A stream in Redis for each boot of a gateway.
    Streams,
}

/// Where Redis is, for what is kept or carried there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct RedisRoles {
    /// Where the routes are kept; empty: in this process, which is right for a single instance.
    pub metadata_url: RedisUrl,
    /// What carries pushes with `push.queue = "streams"`; empty: none.
    pub queue_url: RedisUrl,
    /// What the roles share.
    #[serde(flatten)]
    pub shared: RedisConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            parts: PartName::ALL.into(),
            rpc: RpcConfig::on_loopback(8012),
            targets: TargetsConfig::default(),
            routing: RoutingConfig::default(),
            routes: RoutesConfig::default(),
            devices: DevicesConfig::default(),
            push: PushConfig::default(),
            status: StatusConfig::default(),
            redis: RedisRoles::default(),
            original: OriginalConfig::default(),
        }
    }
}

impl Default for RoutesConfig {
    fn default() -> Self {
        Self {
            // Ten renewals may fail in a row.
            ttl_ms: 10_000,
            // As in the original.
            original_ttl_ms: 120_000,
            routes_max: 1_000_000,
            devices_max: 16,
            broadcast_above: 100,
            close_timeout_ms: 1_000,
        }
    }
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            queue: QueueKind::Direct,
            timeout_ms: 1_000,
            heartbeat_ms: 1_000,
            queue_pushes_max: 65_536,
            queue_bytes_max: 16 << 20,
            events_max: 1_024,
            batch_pushes_max: 512,
            // A quarter of the largest frame of mprpc.
            batch_bytes_max: 1 << 20,
            gateways_max: 1_024,
            stream_requests_max: 10_000,
            // As long as a gateway may be frozen and come back.
            stream_ttl_ms: 120_000,
        }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        if self.parts.is_empty() {
            rules.broken("parts", "must name at least one");
        }
        self.targets.validate(&mut rules);
        let RoutesConfig {
            ttl_ms,
            original_ttl_ms,
            routes_max,
            devices_max,
            broadcast_above,
            close_timeout_ms,
        } = self.routes;
        rules.within("routes.ttl_ms", ttl_ms, 2_000..=600_000);
        rules.within("routes.original_ttl_ms", original_ttl_ms, 1_000..=86_400_000);
        rules.within("routes.routes_max", routes_max, 1..=100_000_000);
        rules.within("routes.devices_max", devices_max, 1..=1_000);
        rules.within("routes.broadcast_above", broadcast_above, 0..=1_000_000);
        rules.within("routes.close_timeout_ms", close_timeout_ms, 1..=10_000);
        let push = &self.push;
        rules.within("push.timeout_ms", push.timeout_ms, 10..=60_000);
        rules.within("push.heartbeat_ms", push.heartbeat_ms, 10..=60_000);
        rules.within("push.queue_pushes_max", push.queue_pushes_max, 1..=10_000_000);
        rules.within("push.queue_bytes_max", push.queue_bytes_max, 64 << 10..=1 << 30);
        rules.within("push.events_max", push.events_max, 1..=1_000_000);
        rules.within("push.batch_pushes_max", push.batch_pushes_max, 1..=100_000);
        rules.within("push.batch_bytes_max", push.batch_bytes_max, 1 << 10..=3 << 20);
        rules.within("push.gateways_max", push.gateways_max, 1..=100_000);
        rules.within("push.stream_requests_max", push.stream_requests_max, 100..=10_000_000);
        rules.within("push.stream_ttl_ms", push.stream_ttl_ms, 1_000..=86_400_000);
        if push.queue == QueueKind::Streams && self.redis.queue_url.is_none() {
            rules.broken("redis.queue_url", "is needed with `push.queue = \"streams\"`");
        }
        self.status.validate(&mut rules);
        self.redis.shared.validate(&mut rules);
        self.original.validate(&self.redis, &mut rules);
        rules.finish()
    }
}

impl Config {
    /// Whether this process has that part.
    pub(crate) fn has(&self, part: PartName) -> bool {
        self.parts.contains(&part)
    }

    /// The gateways that are remembered for when the routes, or routing, are out of reach. Of several
    /// instances, each hears of a gateway only now and then.
    pub(crate) fn heard(&self) -> Heard {
        let lifetime = Duration::from_millis(self.routes.ttl_ms.into()) * 6;
        Heard::new(lifetime, self.push.gateways_max)
    }
}

impl RoutesConfig {
    pub(crate) fn memory_limits(&self) -> MemoryLimits {
        MemoryLimits {
            ttl_ms: self.ttl_ms.into(),
            original_ttl_ms: self.original_ttl_ms.into(),
            routes_max: self.routes_max,
            devices_max: self.devices_max,
        }
    }

    pub(crate) fn redis_limits(&self) -> RedisLimits {
        RedisLimits {
            ttl_ms: self.ttl_ms.into(),
            original_ttl_ms: self.original_ttl_ms.into(),
            devices_max: self.devices_max,
        }
    }

    pub(crate) fn close_timeout(&self) -> Duration {
        Duration::from_millis(self.close_timeout_ms.into())
    }

    /// How often expired routes are freed; readers do not see them in any case.
    pub(crate) fn sweep_interval(&self) -> Duration {
        Duration::from_millis(self.ttl_ms.into())
    }
}

impl PushConfig {
    pub(crate) fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            requests_max: self.stream_requests_max,
            ttl: Duration::from_millis(self.stream_ttl_ms.into()),
        }
    }

    pub(crate) fn event_limits(&self) -> EventLimits {
        EventLimits {
            waiting_max: self.events_max,
            timeout: Duration::from_millis(self.timeout_ms.into()),
        }
    }

    pub(crate) fn limits(&self) -> PushLimits {
        PushLimits {
            timeout: Duration::from_millis(self.timeout_ms.into()),
            heartbeat: Duration::from_millis(self.heartbeat_ms.into()),
            queue_pushes_max: self.queue_pushes_max,
            queue_bytes_max: self.queue_bytes_max,
            batch_pushes_max: self.batch_pushes_max,
            batch_bytes_max: self.batch_bytes_max,
            links_max: self.gateways_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_would_be_right() {
        let mut config = Config::default();
        config.routes.ttl_ms = 1;
        config.push.gateways_max = 0;
        assert_eq!(
            config.validate().unwrap_err(),
            [
                "routes.ttl_ms: must be 2000..=600000, is 1",
                "push.gateways_max: must be 1..=100000, is 0"
            ]
        );
    }
}
