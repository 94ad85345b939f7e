//! The default queue: pushes each gateway's entries to it over mprpc.
//!
//! Every boot of a gateway has one [`Link`], with a task that pushes. Links share nothing, so a slow
//! gateway fills only its own queue. They are made at the first push, and go when their gateway is
//! gone, or has not been heard of for longest when another one needs the room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use im_common::Tasks;
use mpim_proto::Push;
use tokio::sync::oneshot;

use super::link::{Gone, Item, Link};
use super::{Queue, QueueError};
use crate::gateways::Gateways;
use crate::routes::{Gateway, Routes};

/// The bounds of a [`DirectQueue`].
#[derive(Clone, Debug)]
pub(crate) struct PushLimits {
    /// How long one push may take before its entries are given up.
    pub(crate) timeout: Duration,
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
pub(crate) struct DirectQueue<R> {
    shared: Arc<Shared<R>>,
}

#[derive(Debug)]
struct Shared<R> {
    /// Made anew at each start of im-presence; half of the name of each link.
    boot_id: String,
    limits: PushLimits,
    gateways: Gateways,
    routes: Arc<R>,
    tasks: Tasks,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    by_boot: HashMap<String, Arc<Link>>,
    /// No link that was given up has used a number above this one. New links start above it, so
    /// that a gateway which meets a link again never sees a number twice: it would take what it
    /// missed for what it has.
    floor: u64,
    /// Grows with each use of a link: its value then says which was used longest ago.
    uses: u64,
}

impl Links {
    fn remove(&mut self, boot_id: &str) {
        if let Some(link) = self.by_boot.remove(boot_id) {
            self.floor = self.floor.max(link.close());
        }
    }

    /// Unless another one has taken its place.
    fn remove_link(&mut self, link: &Arc<Link>) {
        let boot_id = &link.gateway().boot_id;
        if self.by_boot.get(boot_id).is_some_and(|listed| Arc::ptr_eq(listed, link)) {
            self.remove(boot_id);
        }
    }

    fn remove_longest_unused(&mut self) {
        let oldest = self.by_boot.iter().min_by_key(|(_, link)| link.last_use());
        if let Some(boot_id) = oldest.map(|(boot_id, _)| boot_id.clone()) {
            self.remove(&boot_id);
        }
    }
}

impl<R: Routes> DirectQueue<R> {
    /// `boot_id` is that of this im-presence. Tasks run on `tasks`, until [`close`](Self::close).
    pub(crate) fn new(
        boot_id: String,
        limits: PushLimits,
        gateways: Gateways,
        routes: Arc<R>,
        tasks: Tasks,
    ) -> Self {
        let links = Mutex::default();
        Self { shared: Arc::new(Shared { boot_id, limits, gateways, routes, tasks, links }) }
    }

    /// Gives up what waits and ends all tasks.
    pub(crate) fn close(&self) {
        let mut links = self.shared.links();
        let boots: Vec<String> = links.by_boot.keys().cloned().collect();
        for boot_id in boots {
            links.remove(&boot_id);
        }
    }
}

impl<R: Routes> Shared<R> {
    fn links(&self) -> MutexGuard<'_, Links> {
        // A panic while it is held leaves at worst a link that nobody uses.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link to a gateway, made if there is none; `None` for a gateway without an address.
    fn link(self: &Arc<Self>, gateway: &Arc<Gateway>) -> Option<Arc<Link>> {
        let mut links = self.links();
        links.uses += 1;
        let uses = links.uses;
        if let Some(link) = links.by_boot.get(&gateway.boot_id) {
            link.set_last_use(uses);
            return Some(Arc::clone(link));
        }
        let client = self.gateways.client(gateway)?;
        if links.by_boot.len() >= self.limits.links_max {
            links.remove_longest_unused();
        }
        let link = Arc::new(Link::new(
            Arc::clone(gateway),
            client,
            self.boot_id.clone(),
            links.floor,
            self.limits.clone(),
        ));
        link.set_last_use(uses);
        links.by_boot.insert(gateway.boot_id.clone(), Arc::clone(&link));
        self.tasks.spawn("link", Self::run(Arc::clone(self), Arc::clone(&link)));
        Some(link)
    }

    async fn run(self: Arc<Self>, link: Arc<Link>) {
        let Err(Gone) = link.run().await else { return };
        let boot_id = &link.gateway().boot_id;
        tracing::info!(
            gateway_id = link.gateway().id,
            addr = link.gateway().addr,
            "the gateway is gone: its routes are dropped"
        );
        // The link before the routes: what is still offered to it is lost for sessions that have to
        // bind again, should they be alive, and routes bound from then on lead to a new link.
        self.links().remove_link(&link);
        if let Err(error) = self.routes.drop_gateway(boot_id).await {
            tracing::warn!(%error, "could not drop the routes of a gateway that is gone");
        }
    }
}

impl<R: Routes> Queue for DirectQueue<R> {
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

    fn last_push(&self, boot_id: &str) -> u64 {
        let mut links = self.shared.links();
        links.uses += 1;
        let uses = links.uses;
        links.by_boot.get(boot_id).map_or(0, |link| {
            link.set_last_use(uses);
            link.settled()
        })
    }
}

#[cfg(test)]
mod tests;
