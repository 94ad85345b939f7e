//! `[zookeeper]`: the registry of a process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::target::is_host_list;
use super::{Rules, Validate};

/// `[zookeeper]`: where a process registers its services and finds others. It belongs to the process,
/// like [`LogConfig`](super::LogConfig): the services of one process share a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZooKeeperConfig {
    /// `host:port,host:port`, perhaps with a `/path` under which everything is; `""`: none.
    pub hosts: String,
    /// After how long without contact the registry drops what this process registered.
    pub session_timeout_ms: u64,
    /// For how long one request to the registry may take.
    pub request_timeout_ms: u64,
    /// Where the last listings are kept, so that the process can start while the registry is down;
    /// empty: nowhere.
    pub snapshot_dir: PathBuf,
    /// Whether services are also registered as the original's callers find them.
    pub classic: bool,
    /// The name of this instance, which no two live ones share; `""`: the address that it advertises.
    pub instance_id: String,
}

impl Default for ZooKeeperConfig {
    fn default() -> Self {
        Self {
            hosts: String::new(),
            session_timeout_ms: 30_000,
            request_timeout_ms: 5_000,
            snapshot_dir: PathBuf::new(),
            classic: true,
            instance_id: String::new(),
        }
    }
}

/// Longer names would only make the paths of nodes unreadable.
const INSTANCE_ID_LENGTH_MAX: usize = 128;

impl ZooKeeperConfig {
    /// Whether there is a registry at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.hosts.is_empty()
    }
}

impl Validate for ZooKeeperConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        rules.within("zookeeper.session_timeout_ms", self.session_timeout_ms, 1_000..=600_000);
        rules.within("zookeeper.request_timeout_ms", self.request_timeout_ms, 10..=60_000);
        let (hosts, path) = self
            .hosts
            .find('/')
            .map_or((self.hosts.as_str(), "/x"), |slash| self.hosts.split_at(slash));
        if self.is_configured() && !(is_host_list(hosts) && is_path(path)) {
            rules.broken(
                "zookeeper.hosts",
                "must be empty or like `10.0.0.5:2181,10.0.0.6:2181` or `10.0.0.5:2181/mpim`",
            );
        }
        if !is_instance_id(&self.instance_id) {
            rules.broken(
                "zookeeper.instance_id",
                "must be at most 128 letters, digits, `.`, `-`, `_` and `:`",
            );
        }
        rules.finish()
    }
}

/// A path that ZooKeeper takes: no empty part, no dots, no end in a slash.
fn is_path(path: &str) -> bool {
    let parts = path.strip_prefix('/').map(|path| path.split('/'));
    parts.is_some_and(|mut parts| parts.all(|part| !matches!(part, "" | "." | "..")))
}

/// A part of such a path.
fn is_instance_id(id: &str) -> bool {
    id.len() <= INSTANCE_ID_LENGTH_MAX
        && !matches!(id, "." | "..")
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(hosts: &str, instance_id: &str) -> Vec<String> {
        let config = ZooKeeperConfig {
            hosts: hosts.to_owned(),
            instance_id: instance_id.to_owned(),
            ..ZooKeeperConfig::default()
        };
        config.validate().err().unwrap_or_default()
    }

    #[test]
    fn hosts_and_the_name_of_an_instance_are_checked_when_they_are_read() {
        for good in ["", "a:2181", "10.0.0.5:2181,[::1]:2181", "a:1/mpim", "a:1,b:2/mpim/blue"] {
            assert_eq!(wrong(good, "user-1"), [] as [&str; 0], "{good}");
        }
        for bad in ["a", "a:0", "a:1,", "/mpim", "a:1/", "a:1//x", "a:1/..", "zk://a:1"] {
            assert!(wrong(bad, "")[0].starts_with("zookeeper.hosts: must be"), "{bad}");
        }
        for bad in ["a/b", "..", "a b", "\u{e9}"] {
            assert!(wrong("", bad)[0].starts_with("zookeeper.instance_id: must be"), "{bad}");
        }
    }
}
