//! Building a registry in etcd.

use std::path::PathBuf;
use std::time::Duration;

use super::Etcd;
use crate::discovery::host;
use crate::discovery::snapshot::Origin;

/// Why there can be no registry: its servers cannot be understood. Servers that are away are no
/// error, they are waited for.
#[derive(Debug, thiserror::Error)]
#[error("the etcd servers `{hosts}` cannot be used: {reason}")]
pub struct EtcdError {
    hosts: String,
    reason: String,
}

/// Builds an [`Etcd`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct EtcdBuilder {
    given: String,
    config: Config,
}

/// What a registry is built with.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Each `host:port`.
    pub(super) hosts: Vec<String>,
    /// Empty, or a path that begins with a slash.
    pub(super) root: String,
    pub(super) lease: Duration,
    pub(super) request_timeout: Duration,
    pub(super) snapshots: Option<PathBuf>,
}

impl Config {
    /// What a snapshot is known by.
    pub(super) fn origin(&self) -> Origin {
        let (servers, root) = (self.hosts.clone(), self.root.clone());
        Origin { registry: "etcd".to_owned(), servers, root }
    }
}

impl EtcdBuilder {
    pub(super) fn new(given: String) -> Self {
        let config = Config {
            hosts: Vec::new(),
            root: String::new(),
            lease: Duration::from_secs(15),
            request_timeout: Duration::from_secs(5),
            snapshots: None,
        };
        Self { given, config }
    }

    /// For how long the servers keep what this process registered after they last heard of it
    /// (15 s), in whole seconds, of at least one. They may choose another.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// The time for a request (5 s); the next one goes to another server then.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// Keeps the newest listing of each service in a file there, for a start while etcd is down
    /// (kept nowhere). A directory is for one registry: a file that another left is ignored.
    pub fn snapshots(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.snapshots = Some(directory.into());
        self
    }

    /// Builds it. Nothing is asked before somebody is registered or looked for.
    ///
    /// # Errors
    /// The servers' addresses or the path behind them make no sense.
    pub fn build(mut self) -> Result<Etcd, EtcdError> {
        let bad = |reason: String| EtcdError { hosts: self.given.clone(), reason };
        let (hosts, root) = match self.given.find('/') {
            Some(at) => self.given.split_at(at),
            None => (self.given.as_str(), ""),
        };
        for host in hosts.split(',') {
            host::check(host).map_err(bad)?;
        }
        let root = root.strip_suffix('/').unwrap_or(root);
        if root.contains("//") || root.chars().any(char::is_control) {
            return Err(bad(format!("`{root}` is no path")));
        }
        self.config.hosts = hosts.split(',').map(str::to_owned).collect();
        self.config.root = root.to_owned();
        Ok(Etcd::new(self.config))
    }
}
