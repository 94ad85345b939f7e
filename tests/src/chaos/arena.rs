//! Where the rounds take place.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::planted::{BadGateway, Bug, forget_last_commits, keep_cursors};
use super::{Fault, Options};
use crate::{End, Instance, Layout, Line, Proxy, Service, Stack};

/// Instances of each service in a cluster.
const INSTANCES: usize = 2;
/// A session with ZooKeeper: short, so that it can be made to expire.
pub(super) const ZOOKEEPER_SESSION_MS: u64 = 4_000;

/// How long a gateway tries a send on a machine that is busy.
const PATIENCE_MS: u64 = 30_000;

/// A running stack, with what faults need to get at it.
pub(super) struct Arena {
    pub(super) stack: Stack,
    bug: Option<Bug>,
    /// In front of each gateway, where it has a bug.
    bad: Vec<BadGateway>,
}

impl Arena {
    /// # Errors
    /// Something that it runs on is not installed.
    pub(super) async fn start(options: &Options) -> anyhow::Result<Self> {
        let Options { layout, bug, .. } = *options;
        let has = |fault| options.faults.contains(&fault);
        let mut builder = match layout {
            Layout::Embedded | Layout::Five => Stack::builder(layout),
            Layout::Cluster => {
                let builder = Stack::cluster_on_its_own_servers().await;
                let builder = builder.ok_or_else(|| anyhow::anyhow!("no servers for a cluster"))?;
                let builder = if has(Fault::RedisFailover) { builder.watched() } else { builder };
                builder
                    .instances(INSTANCES)
                    .set_everywhere("zookeeper.session_timeout_ms", ZOOKEEPER_SESSION_MS)
            }
        };
        if has(Fault::StormThousands) {
            // It is not about what passwords cost: most who come back come with a token.
            builder = builder.set(Service::User, "password.memory_kib", 8);
            builder = builder.set(Service::User, "password.passes", 1);
        }
        if options.patient {
            builder = builder.set(Service::Gateway, "calls.send_timeout_ms", PATIENCE_MS);
        }
        let stack = builder.with_lines().with_clocks().start().await;
        let mut arena = Self { stack, bug, bad: Vec::new() };
        if bug == Some(Bug::CursorsNotWritten) {
            keep_cursors(&arena.stack.directory().join("data/message"))?;
        } else if let Some(bug) = bug {
            for front in arena.fronts() {
                arena.bad.push(BadGateway::before(front, bug).await);
            }
        }
        Ok(arena)
    }

    /// Instances of each service.
    pub(super) fn instances(&self) -> usize {
        self.stack.text_addresses().len()
    }

    /// The name of the process in which an instance of a service is.
    pub(super) fn process_of(&self, service: Service, number: usize) -> String {
        self.stack.process_with(Instance { service, number })
    }

    /// Where clients connect: to each gateway by its line.
    pub(super) fn fronts(&self) -> Vec<SocketAddr> {
        if self.bad.is_empty() {
            let fronts = self.lines(|line| line.from == End::Clients);
            fronts.map(|line| line.proxy.address()).collect()
        } else {
            self.bad.iter().map(BadGateway::address).collect()
        }
    }

    /// Processes have died, and are about to be started.
    pub(super) fn died(&self) {
        if self.bug == Some(Bug::AcknowledgedBeforeCommit) {
            let directory = self.stack.directory().join("data/message");
            forget_last_commits(&directory).expect("im-message keeps its data in files");
        }
    }

    /// The bytes of memory that each process has.
    pub(super) fn memory(&mut self) -> BTreeMap<String, u64> {
        let names = self.stack.processes().into_iter();
        names.map(|name| (name.clone(), self.stack.process(&name).resident_bytes())).collect()
    }

    /// Some lines.
    pub(super) fn lines(&self, which: impl Fn(&Line) -> bool) -> impl Iterator<Item = &Line> {
        self.stack.lines().all().iter().filter(move |line| which(line))
    }

    /// Some proxies.
    pub(super) fn proxies(&self, which: impl Fn(&Line) -> bool) -> Vec<&Proxy> {
        self.lines(which).map(|line| &line.proxy).collect()
    }
}
