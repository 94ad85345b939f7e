//! The registry of one process: services that run beside each other, and tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Discover, Endpoint, Listing, Register, Registration};
use crate::ServiceDescriptor;

/// A registry that lives as long as its clones do: what `memory://` means.
///
/// Servers of the process [register](crate::ServerBuilder::register) in it, or a test says by hand
/// what is [listed](Self::list). Channels follow either at once. [`local`](crate::local) shows a test.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    services: Arc<Mutex<HashMap<&'static str, watch::Sender<Listing>>>>,
}

impl Memory {
    /// An empty registry. Services that were never registered are unknown: calls to them wait.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists exactly `endpoints` for `service`, whatever was listed before; perhaps none. Those that
    /// servers register afterwards are added.
    pub fn list(
        &self,
        service: &'static ServiceDescriptor,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) {
        let listing = Listing::Known(endpoints.into_iter().collect());
        self.with(service.full_name, |sender| sender.send_replace(listing));
    }

    /// Forgets `service`: as if nothing had ever been known of it, so that calls wait for a listing.
    pub fn forget(&self, service: &'static ServiceDescriptor) {
        self.with(service.full_name, |sender| sender.send_replace(Listing::Unknown));
    }

    /// Runs `change` on the listing of `service`.
    fn with<R>(
        &self,
        service: &'static str,
        change: impl FnOnce(&watch::Sender<Listing>) -> R,
    ) -> R {
        // A listing is replaced as a whole, so a panic elsewhere cannot have left half of one.
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        change(services.entry(service).or_insert_with(|| watch::Sender::new(Listing::Unknown)))
    }
}

impl Discover for Memory {
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        self.with(service.full_name, watch::Sender::subscribe)
    }
}

impl Register for Memory {
    fn register(&self, service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration {
        let id = endpoint.id.clone();
        self.with(service.full_name, |listing| {
            listing.send_modify(|listing| {
                let mut endpoints = without(listing, &endpoint.id);
                endpoints.push(endpoint);
                *listing = Listing::Known(endpoints.into());
            });
        });
        let registry = self.clone();
        Registration::new(move || {
            registry.with(service.full_name, |listing| {
                listing.send_modify(|listing| {
                    *listing = Listing::Known(without(listing, &id).into());
                });
            });
        })
    }
}

fn without(listing: &Listing, id: &str) -> Vec<Endpoint> {
    match listing {
        Listing::Unknown => Vec::new(),
        Listing::Known(endpoints) => endpoints.iter().filter(|e| e.id != id).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ECHO: ServiceDescriptor =
        ServiceDescriptor { full_name: "echo.Echo", short_name: "Echo", methods: &["Echo"] };

    fn endpoint(port: u16) -> Endpoint {
        Endpoint::new(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_listing_follows_who_is_registered() {
        let memory = Memory::new();
        let mut listing = memory.watch(&ECHO);
        assert_eq!(*listing.borrow_and_update(), Listing::Unknown);

        let first = memory.register(&ECHO, endpoint(1));
        let second = memory.register(&ECHO, endpoint(2));
        let both = Listing::Known(Arc::new([endpoint(1), endpoint(2)]));
        assert_eq!(*listing.borrow_and_update(), both);

        drop(first);
        assert_eq!(*listing.borrow_and_update(), Listing::Known(Arc::new([endpoint(2)])));
        drop(second);
        assert_eq!(*listing.borrow_and_update(), Listing::Known(Arc::new([])));
    }

    #[test]
    fn what_is_listed_by_hand_replaces_the_rest() {
        let memory = Memory::new();
        let mut listing = memory.watch(&ECHO);
        let _first = memory.register(&ECHO, endpoint(1));
        memory.list(&ECHO, [endpoint(2), endpoint(3)]);
        let two = Listing::Known(Arc::new([endpoint(2), endpoint(3)]));
        assert_eq!(*listing.borrow_and_update(), two);
        memory.forget(&ECHO);
        assert_eq!(*listing.borrow_and_update(), Listing::Unknown);
    }
}
