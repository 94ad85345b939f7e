//! Settings that several services have, under the same names in every file.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// `[rpc]`: where a service takes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcConfig {
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The address under which others reach it; `""` in a file: the one it really listens on.
    #[serde(with = "addr_or_empty")]
    pub advertise: Option<SocketAddr>,
}

/// A `None` would vanish from the defaults, and the key would be unknown: it is written as `""`.
mod addr_or_empty {
    use std::net::SocketAddr;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        addr: &Option<SocketAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&addr.map(|addr| addr.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let addr = || {
            text.parse().map_err(|error| {
                D::Error::custom(format!("{error}: must be empty or like 10.0.0.5:8010"))
            })
        };
        if text.is_empty() { Ok(None) } else { addr().map(Some) }
    }
}

impl RpcConfig {
    /// On 127.0.0.1, where nobody else can call: these ports ask for no proof of who calls.
    #[must_use]
    pub fn on_loopback(port: u16) -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, port).into(), advertise: None }
    }

    /// What to tell discovery, given the address that was bound.
    #[must_use]
    pub fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        self.advertise.unwrap_or(bound)
    }
}

/// `[log]`: what a process logs, and how. It belongs to the process, not to a service: the body of
/// every binary reads it from the same file, so the `Config` of a service does not have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// Which events, as `tracing-subscriber`'s filter: `info`, `info,im_message=debug`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// Also log each hop of each message when it ends (target `walk`), with its `msg_id`. For
    /// tests and for looking at one problem: it is a line per hop and message.
    pub spans: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto, spans: false }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[shutdown]`: how a process ends. It belongs to the process, like [`LogConfig`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownConfig {
    /// For how long work in flight may go on after the first signal.
    pub drain_ms: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain_ms: u64::try_from(crate::DRAIN.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// `[admin]`: where a process answers those who watch it. It belongs to the process, like
/// [`LogConfig`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminConfig {
    /// The address for `/healthz`, `/readyz` and `/metrics`; `""` in a file: nowhere.
    #[serde(with = "addr_or_empty")]
    pub listen: Option<SocketAddr>,
}

impl AdminConfig {
    /// On 127.0.0.1: what it tells is for operators.
    #[must_use]
    pub fn on_loopback(port: u16) -> Self {
        Self { listen: Some((Ipv4Addr::LOCALHOST, port).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advertised_is_what_was_bound_unless_configured() {
        let bound = SocketAddr::from((Ipv4Addr::LOCALHOST, 4711));
        let mut rpc = RpcConfig::on_loopback(0);
        assert_eq!(rpc.advertised(bound), bound);
        let public = SocketAddr::from(([10, 0, 0, 5], 8010));
        rpc.advertise = Some(public);
        assert_eq!(rpc.advertised(bound), public);
    }
}
