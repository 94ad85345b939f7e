//! A list of addresses that never changes.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Discover, Endpoint, Listing};
use crate::ServiceDescriptor;

/// The same instances for every service: what `static://a:1,b:2` means.
#[derive(Clone, Debug)]
pub struct Static(Arc<[Endpoint]>);

impl Static {
    /// These instances, for ever.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self(endpoints.into_iter().collect())
    }
}

impl Discover for Static {
    fn watch(&self, _service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        watch::Sender::new(Listing::Known(Arc::clone(&self.0))).subscribe()
    }
}
