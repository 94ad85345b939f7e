//! The gateways that this instance has heard of lately, by binds, renewals and listings.
//!
//! It is what is left when the routes cannot be read: an entry that is handed to all of them reaches
//! everybody who is connected, since a gateway ignores recipients that it does not have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::routes::{Gateway, Offer};

/// See the module.
#[derive(Debug)]
pub(crate) struct Heard {
    lifetime: Duration,
    max: usize,
    by_boot: Mutex<HashMap<String, One>>,
}

#[derive(Debug)]
struct One {
    gateway: Arc<Gateway>,
    offer: Option<Offer>,
    heard_at: Instant,
}

impl Heard {
    /// Gateways are remembered for `lifetime`, at most `max` of them.
    pub(crate) fn new(lifetime: Duration, max: usize) -> Self {
        Self { lifetime, max, by_boot: Mutex::default() }
    }

    /// A gateway has bound or renewed, or was listed. Those of the original system are left out:
    /// nothing can be pushed to them.
    pub(crate) fn note(&self, gateway: &Arc<Gateway>) {
        if gateway.is_original() {
            return;
        }
        let now = Instant::now();
        let mut by_boot = self.lock();
        if by_boot.len() >= self.max && !by_boot.contains_key(&gateway.boot_id) {
            by_boot.retain(|_, one| now - one.heard_at < self.lifetime);
            if by_boot.len() >= self.max {
                return;
            }
        }
        let new = || One { gateway: Arc::clone(gateway), offer: None, heard_at: now };
        let one = by_boot.entry(gateway.boot_id.clone()).or_insert_with(new);
        (one.gateway, one.heard_at) = (Arc::clone(gateway), now);
    }

    /// What it says that it offers clients.
    pub(crate) fn note_offer(&self, gateway: &Gateway, offer: &Offer) {
        if let Some(one) = self.lock().get_mut(&gateway.boot_id) {
            one.offer = Some(offer.clone());
        }
    }

    /// It is gone.
    pub(crate) fn forget(&self, boot_id: &str) {
        self.lock().remove(boot_id);
    }

    /// Those heard of within the lifetime.
    pub(crate) fn gateways(&self) -> Vec<Arc<Gateway>> {
        self.fresh().values().map(|one| Arc::clone(&one.gateway)).collect()
    }

    /// Those of them that offered something.
    pub(crate) fn offers(&self) -> Vec<(Arc<Gateway>, Offer)> {
        let offers = |one: &One| Some((Arc::clone(&one.gateway), one.offer.clone()?));
        self.fresh().values().filter_map(offers).collect()
    }

    fn fresh(&self) -> MutexGuard<'_, HashMap<String, One>> {
        let now = Instant::now();
        let mut by_boot = self.lock();
        by_boot.retain(|_, one| now - one.heard_at < self.lifetime);
        by_boot
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, One>> {
        // Each change is one insertion or removal: a panic leaves nothing half done.
        self.by_boot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(name: &str, addr: &str) -> Arc<Gateway> {
        let (id, boot_id) = (name.to_owned(), format!("boot-of-{name}"));
        Arc::new(Gateway { id, addr: addr.to_owned(), boot_id })
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_is_remembered_for_a_lifetime_unless_it_is_gone() {
        let heard = Heard::new(Duration::from_secs(10), 2);
        let [a, b, c] = ["a", "b", "c"].map(|name| gateway(name, "127.0.0.1:1"));
        heard.note(&a);
        tokio::time::advance(Duration::from_secs(5)).await;
        heard.note(&b);
        heard.note(&c);
        heard.note(&gateway("original", ""));
        assert_eq!(heard.gateways().len(), 2, "no more than the bound");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(heard.gateways(), [Arc::clone(&b)]);
        let offer = Offer { endpoint: "b:6000".to_owned(), weight: 1, ..Offer::default() };
        heard.note_offer(&b, &offer);
        heard.note(&b);
        heard.note(&c);
        assert_eq!(heard.offers(), [(Arc::clone(&b), offer)], "what it offers is remembered, too");
        heard.forget(&b.boot_id);
        assert_eq!(heard.gateways(), [c]);
    }
}
