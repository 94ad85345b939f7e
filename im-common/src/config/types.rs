//! Settings that several services have, under the same names in every file.

use std::fmt;
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

/// Where a service finds another: `memory://` (the same process) or `static://host:port,host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

impl Target {
    /// The service of the same process.
    #[must_use]
    pub fn memory() -> Self {
        Self("memory://".to_owned())
    }

    /// One instance at a port of this machine.
    #[must_use]
    pub fn on_loopback(port: u16) -> Self {
        Self(format!("static://127.0.0.1:{port}"))
    }

    /// The target as `mprpc::Channel::builder` takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string that is no target.
#[derive(Debug, thiserror::Error)]
#[error("must be `memory://` or `static://host:port,host:port`")]
pub struct TargetError;

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        let known = match text.split_once("://") {
            Some(("memory", rest)) => rest.is_empty(),
            Some(("static", rest)) => {
                let (hosts, wire) = rest.split_once('?').unwrap_or((rest, "wire=v2"));
                is_host_list(hosts) && matches!(wire, "wire=v2" | "wire=classic")
            }
            _ => false,
        };
        if known { Ok(Self(text)) } else { Err(TargetError) }
    }
}

fn is_host_list(hosts: &str) -> bool {
    hosts.split(',').all(|host| {
        host.rsplit_once(':').is_some_and(|(name, port)| {
            !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        })
    })
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_checked_when_it_is_read() {
        for good in ["memory://", "static://a:1", "static://127.0.0.1:8010,[::1]:8010?wire=classic"]
        {
            assert_eq!(Target::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "127.0.0.1:8010", "memory://x", "static://", "static://a", "static://a:0"] {
            assert!(Target::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

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
