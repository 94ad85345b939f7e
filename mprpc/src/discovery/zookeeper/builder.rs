//! Building a session.

use std::path::PathBuf;
use std::time::Duration;

use super::ZooKeeper;
use crate::discovery::host;
use crate::discovery::snapshot::Origin;

/// Why there can be no session: its servers cannot be understood. Servers that are away are no
/// error, they are waited for.
#[derive(Debug, thiserror::Error)]
#[error("the ZooKeeper servers `{hosts}` cannot be used: {reason}")]
pub struct ZooKeeperError {
    hosts: String,
    reason: String,
}

/// Builds a [`ZooKeeper`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ZooKeeperBuilder {
    config: Config,
}

/// What a session is built with.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// `host:port,host:port`, without the chroot.
    pub(super) hosts: String,
    /// Empty, or a path that begins with a slash.
    pub(super) chroot: String,
    pub(super) session_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) classic: bool,
    pub(super) snapshots: Option<PathBuf>,
}

impl Config {
    /// What a snapshot is known by.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            registry: "zookeeper".to_owned(),
            servers: self.hosts.split(',').map(str::to_owned).collect(),
            root: self.chroot.clone(),
        }
    }
}

impl ZooKeeperBuilder {
    pub(super) fn new(hosts: String) -> Self {
        let config = Config {
            hosts,
            chroot: String::new(),
            session_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            classic: true,
            snapshots: None,
        };
        Self { config }
    }

    /// For how long the servers keep what this process registered after they last heard of it
    /// (30 s). They may choose another.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.config.session_timeout = timeout;
        self
    }

    /// The time for a request (5 s); a session on which one takes longer is replaced.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// Whether to register so that callers of the original framework find the instances, too
    /// (they do).
    pub fn classic(mut self, classic: bool) -> Self {
        self.config.classic = classic;
        self
    }

    /// Keeps the newest listing of each service in a file there, for a start while ZooKeeper is
    /// down (kept nowhere). A directory is for one registry: a file that another left is ignored.
    pub fn snapshots(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.snapshots = Some(directory.into());
        self
    }

    /// Begins the session in the background. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The servers' addresses or the path behind them make no sense.
    pub fn build(mut self) -> Result<ZooKeeper, ZooKeeperError> {
        let given = std::mem::take(&mut self.config.hosts);
        let bad = |reason: String| ZooKeeperError { hosts: given.clone(), reason };
        let (hosts, chroot) = match given.find('/') {
            Some(at) => given.split_at(at),
            None => (given.as_str(), ""),
        };
        for host in hosts.split(',') {
            host::check(host).map_err(bad)?;
        }
        let chroot = chroot.strip_suffix('/').unwrap_or(chroot);
        if chroot.contains("//") || chroot.chars().any(char::is_control) {
            return Err(bad(format!("`{chroot}` is no path")));
        }
        self.config.hosts = hosts.to_owned();
        self.config.chroot = chroot.to_owned();
        Ok(ZooKeeper::new(self.config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_path_behind_the_servers_is_the_root_of_all() {
        for (given, hosts, chroot) in [
            ("a:1", "a:1", ""),
            ("a:1,b:2/x/y", "a:1,b:2", "/x/y"),
            ("[::1]:2181/", "[::1]:2181", ""),
        ] {
            let zookeeper = ZooKeeper::builder(given).build().unwrap();
            let config = &zookeeper.shared.core.config;
            assert_eq!((config.hosts.as_str(), config.chroot.as_str()), (hosts, chroot));
        }
    }

    #[test]
    fn servers_that_make_no_sense_are_named() {
        for given in ["", "a", "a:", "a:0", ":1", "a:1,", "a:1//x", "/x", "a:99999"] {
            let error = ZooKeeper::builder(given).build().unwrap_err().to_string();
            assert!(error.contains(&format!("`{given}`")), "{error}");
        }
    }
}
