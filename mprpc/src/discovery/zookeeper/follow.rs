//! The listing of one service: from nodes to what callers are told.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::children::Followed;
use super::core::Core;
use super::guard::Guard;
use super::layout;
use super::probe::{self, Probe};
use super::snapshot::Snapshot;
use crate::ServiceDescriptor;
use crate::discovery::{Endpoint, Listing, Wires};

/// How long the registry is waited for at the start before the snapshot is used.
const SNAPSHOT_AFTER: Duration = Duration::from_secs(1);

/// How long an instance must have stood in the classic layout alone before it is taken for one that
/// speaks nothing else: the two layouts are not read at one moment.
const ALONE_FOR: Duration = Duration::from_millis(100);

/// Follows one service for as long as the registry lives.
pub(super) struct Follow {
    core: Arc<Core>,
    service: &'static ServiceDescriptor,
    instances: Followed,
    methods: Followed,
    snapshot: Option<Snapshot>,
    /// When to use the snapshot, unless the registry has answered before.
    snapshot_at: Option<Instant>,
    guard: Guard,
    /// The addresses of those that are doubted.
    probes: HashMap<SocketAddr, Arc<Probe>>,
    /// Those that stand in the classic layout alone, and since when.
    alone: HashMap<SocketAddr, Instant>,
    /// When to look again, because one of them has not been alone for long.
    look_at: Option<Instant>,
    /// What was said of nodes that make no sense.
    junk: HashSet<(String, String)>,
    snapshot_failed: bool,
    listing: watch::Sender<Listing>,
}

enum Event {
    Nodes,
    Refused(SocketAddr),
    Snapshot,
}

impl Follow {
    pub(super) fn new(
        core: Arc<Core>,
        service: &'static ServiceDescriptor,
        listing: watch::Sender<Listing>,
    ) -> Self {
        let directory = core.config.snapshots.as_deref();
        let snapshot = directory.map(|directory| Snapshot::new(directory, service));
        Self {
            instances: core.follow(&layout::instances(service)),
            methods: core.follow(&layout::methods(service)),
            snapshot_at: snapshot.is_some().then(|| Instant::now() + SNAPSHOT_AFTER),
            snapshot,
            core,
            service,
            guard: Guard::default(),
            probes: HashMap::new(),
            alone: HashMap::new(),
            look_at: None,
            junk: HashSet::new(),
            snapshot_failed: false,
            listing,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Some(Event::Nodes) => self.look().await,
                Some(Event::Refused(address)) => self.guard.refused(address),
                Some(Event::Snapshot) => self.use_snapshot().await,
                None => return,
            }
            self.probe_the_doubted();
            self.publish().await;
        }
    }

    /// Tries the addresses of those that are missing in the registry and not believed to have gone.
    fn probe_the_doubted(&mut self) {
        let doubted: HashSet<_> = self.guard.doubted().collect();
        let (service, count) = (self.service.full_name, doubted.len());
        match (self.probes.is_empty(), count) {
            (true, 0) | (false, 1..) => {}
            // The only instance of a service leaves so, too.
            (true, 1) => tracing::info!(service, "the last instance is no longer listed"),
            (true, missing) => tracing::warn!(
                service,
                missing,
                "the registry suddenly lists far fewer instances; those that are missing are \
                 called until they refuse connections"
            ),
            (false, 0) => tracing::info!(service, "the listing is believed again"),
        }
        let gauge = metrics::gauge!("mprpc_instances_doubted", "service" => service);
        gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
        self.probes.retain(|address, _| doubted.contains(address));
        for address in doubted {
            let probe = || self.core.probes.follow(address);
            self.probes.entry(address).or_insert_with(probe);
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let probes = self.probes.values().map(|probe| &**probe);
        tokio::select! {
            changed = self.instances.changed() => changed.ok().map(|()| Event::Nodes),
            changed = self.methods.changed() => changed.ok().map(|()| Event::Nodes),
            address = probe::refusing(probes) => Some(Event::Refused(address)),
            () = at(self.look_at) => Some(Event::Nodes),
            () = at(self.snapshot_at) => Some(Event::Snapshot),
        }
    }

    /// Reads the newest nodes, once both layouts were listed.
    async fn look(&mut self) {
        let (instances, methods) =
            (self.instances.borrow_and_update().clone(), self.methods.borrow_and_update().clone());
        let (Some(instances), Some(methods)) = (instances, methods) else { return };
        let read = layout::read(self.service, &instances, &methods);
        self.complain(read.junk);
        let now = Instant::now();
        let endpoints = self.without_new_classic_ones(now, read.endpoints);
        if self.snapshot_at.take().is_some() && endpoints.is_empty() && self.look_at.is_none() {
            // The first thing it says is that there is nobody: that may be a registry which was
            // emptied, so what is known from before has to be refuted, too.
            self.remember().await;
        }
        self.guard.listed(now, endpoints);
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

    /// Says of each node once that it makes no sense, for as long as it does not.
    fn complain(&mut self, junk: Vec<(String, String)>) {
        for (path, what) in &junk {
            if !self.junk.contains(&(path.clone(), what.clone())) {
                tracing::warn!(path, what, "a node of the registry makes no sense; ignored");
            }
        }
        self.junk = junk.into_iter().collect();
    }

    async fn use_snapshot(&mut self) {
        self.snapshot_at = None;
        self.remember().await;
    }

    async fn remember(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        if let Some(endpoints) = snapshot.load().await {
            let (service, instances) = (self.service.full_name, endpoints.len());
            tracing::info!(
                service,
                instances,
                "the registry knows nothing; using what it said last"
            );
            self.guard = Guard::remembering(endpoints);
        }
    }

    async fn publish(&mut self) {
        let believed = self.guard.believed();
        let known = self.instances.borrow().is_some() && self.methods.borrow().is_some();
        if believed.is_empty() && !(known && self.look_at.is_none()) {
            return;
        }
        let instances = u32::try_from(believed.len()).unwrap_or(u32::MAX);
        metrics::gauge!("mprpc_instances", "service" => self.service.full_name).set(instances);
        let new = Listing::Known(believed.as_slice().into());
        let changed = self.listing.send_if_modified(|listing| {
            let changed = *listing != new;
            *listing = new;
            changed
        });
        // That nobody is there is worth nothing at a start. What could not be stored is tried again.
        if !(changed || self.snapshot_failed) || believed.is_empty() {
            return;
        }
        let Some(snapshot) = &self.snapshot else { return };
        let stored = snapshot.store(&believed).await;
        let failed = stored.is_err();
        if let Err(error) = stored
            && !self.snapshot_failed
        {
            let path = snapshot.path().display();
            tracing::warn!(%path, %error, "a snapshot of a listing cannot be stored");
        }
        if std::mem::replace(&mut self.snapshot_failed, failed) && !failed {
            let path = snapshot.path().display();
            tracing::info!(%path, "a snapshot of a listing is stored after all");
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
