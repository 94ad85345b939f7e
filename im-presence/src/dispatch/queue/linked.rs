//! A queue of numbered links, whatever carries their pushes.
//!
//! Every boot of a gateway has one [`Link`], with a task that pushes. Links share nothing, so a slow
//! gateway fills only its own queue. They are made when a gateway is heard of or pushed to, and go
//! when it is gone, or has not been heard of for longest when another one needs the room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use im_common::Tasks;
use mpim_proto::{Push, routing_service};
use mprpc::Context;
use tokio::sync::oneshot;

use super::carrier::{Carrier, Carriers};
use super::link::{End, Item, Link};
use super::metrics::LinkMetrics;
use super::{Queue, QueueError};
use crate::routing::{Gateway, Roster};

/// The bounds of a queue of links.
#[derive(Clone, Debug)]
pub(crate) struct PushLimits {
    /// How long one push may take before its entries are given up.
    pub(crate) timeout: Duration,
    /// How often a link that has nothing to push repeats its last number.
    pub(crate) heartbeat: Duration,
    /// Pushes that may wait for one gateway.
    pub(crate) queue_pushes_max: usize,
    /// Their bytes.
    pub(crate) queue_bytes_max: usize,
    /// Pushes in one request.
    pub(crate) batch_pushes_max: usize,
    /// Their bytes; a single push that is larger goes alone.
    pub(crate) batch_bytes_max: usize,
    /// Links, and so gateways.
    pub(crate) links_max: usize,
}

/// See the module. Cheap to clone.
#[derive(Debug)]
pub(crate) struct LinkedQueue<G, C: Carriers> {
    shared: Arc<Shared<G, C>>,
}

#[derive(Debug)]
struct Shared<G, C: Carriers> {
    /// Made anew at each start of im-presence; half of the name of each link.
    boot_id: String,
    limits: PushLimits,
    carriers: C,
    roster: Arc<Roster<G>>,
    tasks: Tasks,
    metrics: LinkMetrics,
    links: Mutex<Links<C::Carrier>>,
}

#[derive(Debug)]
struct Links<C> {
    by_boot: HashMap<String, Arc<Link<C>>>,
    /// No link that was given up uses a number above this one. New links start above it, so that a
    /// gateway which meets a link again never sees a number twice: it would take what it missed for
    /// what it has.
    floor: u64,
}

impl<C: Carrier> Links<C> {
    fn remove(&mut self, boot_id: &str) {
        if let Some(link) = self.by_boot.remove(boot_id) {
            self.floor = self.floor.max(link.close());
        }
    }

    /// Unless another one has taken its place.
    fn remove_link(&mut self, link: &Arc<Link<C>>) {
        let boot_id = &link.gateway().boot_id;
        if self.by_boot.get(boot_id).is_some_and(|listed| Arc::ptr_eq(listed, link)) {
            self.remove(boot_id);
        }
    }

    fn remove_longest_unused(&mut self) {
        let oldest = self.by_boot.iter().min_by_key(|(_, link)| link.used_at());
        if let Some(boot_id) = oldest.map(|(boot_id, _)| boot_id.clone()) {
            self.remove(&boot_id);
        }
    }
}

/// What links have in common with the rest of im-presence.
#[derive(Debug)]
pub(crate) struct Around<G> {
    /// Of this im-presence.
    pub(crate) boot_id: String,
    pub(crate) limits: PushLimits,
    pub(crate) roster: Arc<Roster<G>>,
    pub(crate) tasks: Tasks,
}

impl<G> Clone for Around<G> {
    fn clone(&self) -> Self {
        Self {
            boot_id: self.boot_id.clone(),
            limits: self.limits.clone(),
            roster: Arc::clone(&self.roster),
            tasks: self.tasks.clone(),
        }
    }
}

impl<G: routing_service::Server, C: Carriers> LinkedQueue<G, C> {
    /// Tasks run until [`close`](Self::close). `name` tells its metrics from those of other queues.
    pub(crate) fn new(name: &'static str, around: Around<G>, carriers: C) -> Self {
        let Around { boot_id, limits, roster, tasks } = around;
        let metrics = LinkMetrics::new(name);
        let links = Mutex::new(Links { by_boot: HashMap::new(), floor: 0 });
        let shared = Shared { boot_id, limits, carriers, roster, tasks, metrics, links };
        Self { shared: Arc::new(shared) }
    }
}

impl<G: routing_service::Server, C: Carriers> Shared<G, C> {
    fn links(&self) -> MutexGuard<'_, Links<C::Carrier>> {
        // A panic while it is held leaves at worst a link that nobody uses.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link to a gateway, made if there is none; `None` for a gateway without an address.
    fn link(self: &Arc<Self>, gateway: &Arc<Gateway>) -> Option<Arc<Link<C::Carrier>>> {
        let mut links = self.links();
        if let Some(link) = links.by_boot.get(&gateway.boot_id) {
            link.used();
            return Some(Arc::clone(link));
        }
        let carrier = self.carriers.to(gateway)?;
        if links.by_boot.len() >= self.limits.links_max {
            links.remove_longest_unused();
        }
        let link = Arc::new(Link::new(
            Arc::clone(gateway),
            carrier,
            self.boot_id.clone(),
            links.floor,
            self.limits.clone(),
            self.metrics.clone(),
        ));
        links.by_boot.insert(gateway.boot_id.clone(), Arc::clone(&link));
        // Should routing go away before it was asked for all gateways, this one is known.
        self.roster.note(gateway);
        self.tasks.spawn("link", Self::run(Arc::clone(self), Arc::clone(&link)));
        Some(link)
    }

    async fn run(self: Arc<Self>, link: Arc<Link<C::Carrier>>) {
        let end = link.run().await;
        // The link before the routes: what is still offered to it is lost for sessions that have to
        // bind again, should they be alive, and routes bound from then on lead to a new link.
        self.links().remove_link(&link);
        if end != End::Gone {
            return;
        }
        let gateway = link.gateway();
        tracing::info!(
            gateway_id = gateway.id,
            addr = gateway.addr,
            "the gateway is gone: its routes are dropped"
        );
        self.roster.gone(&Context::with_timeout(self.limits.timeout), gateway).await;
    }
}

impl<G: routing_service::Server, C: Carriers> Queue for LinkedQueue<G, C> {
    fn heard_of(&self, gateway: &Arc<Gateway>) -> u64 {
        let link = self.shared.link(gateway).filter(|_| C::Carrier::CONFIRMS);
        link.map_or(0, |link| link.settled())
    }

    async fn offer(&self, gateway: &Arc<Gateway>, pushes: Vec<Push>, resync: bool) {
        if let Some(link) = self.shared.link(gateway) {
            link.offer(pushes.into_iter().map(Item::unconfirmed), resync);
        }
    }

    async fn deliver(&self, gateway: &Arc<Gateway>, push: Push) -> Result<u32, QueueError> {
        let link = self.shared.link(gateway).ok_or(QueueError::Unreachable)?;
        let (confirm, confirmed) = oneshot::channel();
        link.offer([Item::confirmed(push, confirm)], false);
        // Dropped without an answer when the link gives up what waits.
        confirmed.await.unwrap_or(Err(QueueError::Behind))
    }

    fn close(&self) {
        let mut links = self.shared.links();
        let boots: Vec<String> = links.by_boot.keys().cloned().collect();
        for boot_id in boots {
            links.remove(&boot_id);
        }
    }
}

#[cfg(test)]
mod tests;
