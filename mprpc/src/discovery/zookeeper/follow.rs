//! The listing of one service: from nodes to what is listed.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::children::Followed;
use super::core::Core;
use super::layout;
use crate::ServiceDescriptor;
use crate::discovery::believed::{Believed, News};
use crate::discovery::junk::Junk;
use crate::discovery::snapshot::Snapshot;
use crate::discovery::{Endpoint, Listing, Wires};

/// How long an instance must have stood in the classic layout alone before it is taken for one that
/// speaks nothing else: the two layouts are not read at one moment.
const ALONE_FOR: Duration = Duration::from_millis(100);

/// Follows one service for as long as the registry lives.
pub(super) struct Follow {
    service: &'static ServiceDescriptor,
    instances: Followed,
    methods: Followed,
    believed: Believed,
    /// Those that stand in the classic layout alone, and since when.
    alone: HashMap<SocketAddr, Instant>,
    /// When to look again, because one of them has not been alone for long.
    look_at: Option<Instant>,
    junk: Junk,
}

enum Event {
    Nodes,
    News(News),
}

impl Follow {
    pub(super) fn new(
        core: &Arc<Core>,
        service: &'static ServiceDescriptor,
        listing: watch::Sender<Listing>,
    ) -> Self {
        let directory = core.config.snapshots.as_deref();
        let snapshot =
            directory.map(|directory| Snapshot::new(directory, service, core.config.origin()));
        let believed = Believed::new(service.full_name, core.probes.clone(), snapshot, listing);
        Self {
            instances: core.follow(&layout::instances(service)),
            methods: core.follow(&layout::methods(service)),
            believed,
            service,
            alone: HashMap::new(),
            look_at: None,
            junk: Junk::new("zookeeper"),
        }
    }

    pub(super) async fn run(mut self) {
        while let Some(event) = self.next().await {
            match event {
                Event::Nodes => self.look().await,
                Event::News(news) => self.believed.note(news).await,
            }
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let look_at = self.look_at;
        let due = async {
            match look_at {
                Some(when) => sleep_until(when).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.instances.changed() => changed.ok().map(|()| Event::Nodes),
            changed = self.methods.changed() => changed.ok().map(|()| Event::Nodes),
            () = due => Some(Event::Nodes),
            news = self.believed.news() => Some(Event::News(news)),
        }
    }

    /// Reads the newest nodes, once both layouts were listed.
    async fn look(&mut self) {
        let (instances, methods) =
            (self.instances.borrow_and_update().clone(), self.methods.borrow_and_update().clone());
        let (Some(instances), Some(methods)) = (instances, methods) else { return };
        let read = layout::read(self.service, &instances, &methods);
        self.junk.is(read.junk);
        let endpoints = self.without_new_classic_ones(Instant::now(), read.endpoints);
        self.believed.listed(endpoints, self.look_at.is_none()).await;
    }

    /// Leaves out those that were not in the classic layout alone for long, and sees to it that
    /// they are looked at again.
    fn without_new_classic_ones(&mut self, now: Instant, read: Vec<Endpoint>) -> Vec<Endpoint> {
        let is_alone = |endpoint: &Endpoint| endpoint.wires == Wires::Classic;
        let alone: HashSet<_> =
            read.iter().filter(|one| is_alone(one)).filter_map(|one| one.address.tcp()).collect();
        self.alone.retain(|address, _| alone.contains(address));
        for address in alone {
            self.alone.entry(address).or_insert(now);
        }
        let young = |since: &&Instant| now.duration_since(**since) < ALONE_FOR;
        self.look_at = self.alone.values().filter(young).min().map(|since| *since + ALONE_FOR);
        let old = |endpoint: &Endpoint| {
            let since = endpoint.address.tcp().and_then(|address| self.alone.get(&address));
            since.is_none_or(|since| !young(&since))
        };
        read.into_iter().filter(old).collect()
    }
}
