//! The instances of a listing, and which of them serve what.

use std::sync::Arc;

use super::Shared as ChannelShared;
use super::instance::Instance;
use crate::ServiceDescriptor;
use crate::balance::Candidates;
use crate::discovery::{Endpoint, Listing, Methods};

/// The instances of one service. Which of them serve a method is found when they are listed, so
/// that a call only has to look.
#[derive(Debug, Default)]
pub(super) struct Listed {
    all: Vec<Arc<Instance>>,
    /// By a method's index; nothing where every instance serves every method.
    by_method: Option<Box<[Vec<Arc<Instance>>]>>,
}

impl Candidates for Vec<Arc<Instance>> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn in_flight(&self, index: usize) -> usize {
        self[index].in_flight()
    }
}

impl Listed {
    pub(super) fn new(
        channel: &ChannelShared,
        service: &'static ServiceDescriptor,
        listing: &Listing,
    ) -> Self {
        let Listing::Known(endpoints) = listing else {
            return Self::default();
        };
        let instance = |endpoint: &Endpoint| channel.instance(endpoint);
        let all: Vec<_> = endpoints.iter().map(instance).collect();
        if endpoints.iter().all(|endpoint| endpoint.methods == Methods::All) {
            return Self { all, by_method: None };
        }
        let serving = |method: &&str| {
            let both = endpoints.iter().zip(&all);
            both.filter(|(endpoint, _)| endpoint.methods.contain(method))
                .map(|(_, instance)| Arc::clone(instance))
                .collect()
        };
        let by_method = service.methods.iter().map(serving).collect();
        Self { all, by_method: Some(by_method) }
    }

    /// Whether there are none at all, whatever they serve.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The instances that serve the method with index `method`.
    pub(super) fn serving(&self, method: usize) -> &Vec<Arc<Instance>> {
        match &self.by_method {
            None => &self.all,
            Some(by_method) => by_method.get(method).unwrap_or(&self.all),
        }
    }
}
