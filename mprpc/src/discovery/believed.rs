//! From what a registry lists to what callers are told: the same for every registry that can be
//! away.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::guard::Guard;
use super::probe::{self, Probe, Probes};
use super::snapshot::Snapshot;
use super::{Endpoint, Listing};

/// How long the registry is waited for at the start before the snapshot is used.
const SNAPSHOT_AFTER: Duration = Duration::from_secs(1);

/// What is believed of one service, and told to those who call it.
#[derive(Debug)]
pub(super) struct Believed {
    service: &'static str,
    guard: Guard,
    probes: Probes,
    /// The addresses of those that are doubted.
    doubted: HashMap<SocketAddr, std::sync::Arc<Probe>>,
    /// Whether the registry has said all that it knows, so that nobody being there is known.
    said_all: bool,
    snapshot: Option<Snapshot>,
    /// When to use the snapshot, unless the registry has answered before.
    snapshot_at: Option<Instant>,
    snapshot_failed: bool,
    listing: watch::Sender<Listing>,
}

/// What happens without a word from the registry.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// An instance that is doubted refuses connections.
    Refused(SocketAddr),
    /// The registry has been waited for long enough.
    Silence,
}

impl Believed {
    /// Must be made within a tokio runtime.
    pub(super) fn new(
        service: &'static str,
        probes: Probes,
        snapshot: Option<Snapshot>,
        listing: watch::Sender<Listing>,
    ) -> Self {
        Self {
            service,
            guard: Guard::default(),
            probes,
            doubted: HashMap::new(),
            said_all: false,
            snapshot_at: snapshot.is_some().then(|| Instant::now() + SNAPSHOT_AFTER),
            snapshot,
            snapshot_failed: false,
            listing,
        }
    }

    /// Waits for something that is to be [noted](Self::note). Cancel safe.
    pub(super) async fn news(&self) -> News {
        let silence = async {
            match self.snapshot_at {
                Some(when) => sleep_until(when).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            address = probe::refusing(self.doubted.values().map(|probe| &**probe)) => {
                News::Refused(address)
            }
            () = silence => News::Silence,
        }
    }

    /// Draws the consequences.
    pub(super) async fn note(&mut self, news: News) {
        match news {
            News::Refused(address) => self.guard.refused(address),
            News::Silence => {
                self.snapshot_at = None;
                if self.remember().await {
                    let service = self.service;
                    tracing::info!(service, "the registry is silent; using what it said last");
                }
            }
        }
        self.tell().await;
    }

    /// Waits for something, noting what happens meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        loop {
            let news = tokio::select! {
                done = &mut something => return done,
                news = self.news() => news,
            };
            self.note(news).await;
        }
    }

    /// The registry lists these now; `all` unless others may be about to show.
    pub(super) async fn listed(&mut self, endpoints: Vec<Endpoint>, all: bool) {
        if self.snapshot_at.is_some() {
            // Beside what is known from before it would look as if the rest had gone.
            if !all {
                return;
            }
            self.snapshot_at = None;
            // Where the first thing it says is much less than what is known from before, that may be
            // a registry which was emptied, and to which some have come back.
            self.remember().await;
        }
        self.said_all = all;
        self.guard.listed(Instant::now(), endpoints);
        self.tell().await;
    }

    /// Begins with what was known before this process began, if anything was.
    async fn remember(&mut self) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        let Some(endpoints) = snapshot.load().await else { return false };
        self.guard = Guard::remembering(endpoints);
        true
    }

    async fn tell(&mut self) {
        self.probe_the_doubted();
        let believed = self.guard.believed();
        if believed.is_empty() && !self.said_all {
            return;
        }
        let instances = u32::try_from(believed.len()).unwrap_or(u32::MAX);
        metrics::gauge!("mprpc_instances", "service" => self.service).set(instances);
        let new = Listing::Known(believed.as_slice().into());
        let changed = self.listing.send_if_modified(|listing| {
            let changed = *listing != new;
            *listing = new;
            changed
        });
        // That nobody is there is worth nothing at a start. What could not be stored is tried again.
        if (changed || self.snapshot_failed) && !believed.is_empty() {
            self.store(&believed).await;
        }
    }

    /// Tries the addresses of those that are missing in the registry and not believed to have gone.
    fn probe_the_doubted(&mut self) {
        let doubted: HashSet<_> = self.guard.doubted().collect();
        let (service, count) = (self.service, doubted.len());
        match (self.doubted.is_empty(), count) {
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
        self.doubted.retain(|address, _| doubted.contains(address));
        for address in doubted {
            let probe = || self.probes.follow(address);
            self.doubted.entry(address).or_insert_with(probe);
        }
    }

    async fn store(&mut self, believed: &[Endpoint]) {
        let Some(snapshot) = &self.snapshot else { return };
        let path = snapshot.path().display();
        let failed_before = self.snapshot_failed;
        let stored = snapshot.store(believed).await;
        self.snapshot_failed = stored.is_err();
        match stored {
            Err(error) if !failed_before => {
                tracing::warn!(%path, %error, "a snapshot of a listing cannot be stored");
            }
            Ok(()) if failed_before => {
                tracing::info!(%path, "a snapshot of a listing is stored after all");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "believed_tests.rs"]
mod tests;
