//! Where a service finds another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a service finds another: `memory://` (the same process), `static://host:port,host:port`, or
/// `zk://` (the process's [ZooKeeper](super::ZooKeeperConfig)).
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

    /// Whether it is found through the process's ZooKeeper.
    #[must_use]
    pub fn is_zookeeper(&self) -> bool {
        self.0 == ZOOKEEPER
    }
}

/// The process's session: its hosts are said once, in `[zookeeper]`.
pub(super) const ZOOKEEPER: &str = "zk://";

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string that is no target.
#[derive(Debug, thiserror::Error)]
#[error(
    "must be `memory://`, `static://host:port,host:port`, or `zk://` (the hosts of [zookeeper])"
)]
pub struct TargetError;

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        let known = match text.split_once("://") {
            Some(("memory" | "zk", rest)) => rest.is_empty(),
            Some(("static", rest)) => {
                let (hosts, query) = rest.split_once('?').unwrap_or((rest, "wire=v2"));
                is_host_list(hosts) && query.split('&').all(is_option)
            }
            _ => false,
        };
        if known { Ok(Self(text)) } else { Err(TargetError) }
    }
}

/// `wire=classic` or `methods=Send,PullOffline`.
fn is_option(option: &str) -> bool {
    match option.split_once('=') {
        Some(("wire", wire)) => matches!(wire, "v2" | "classic"),
        Some(("methods", methods)) => methods.split(',').all(|method| !method.is_empty()),
        _ => false,
    }
}

/// `host:port,host:port`, each with a port that can be connected to.
pub(super) fn is_host_list(hosts: &str) -> bool {
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
        for good in [
            "memory://",
            "zk://",
            "static://a:1",
            "static://127.0.0.1:8010,[::1]:8010?wire=classic",
            "static://a:1?wire=classic&methods=Send,PullOffline",
        ] {
            assert_eq!(Target::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "127.0.0.1:8010",
            "memory://x",
            "zk://a:1",
            "static://",
            "static://a",
            "static://a:0",
            "static://a:1?wire=v3",
            "static://a:1?methods=",
        ] {
            assert!(Target::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
