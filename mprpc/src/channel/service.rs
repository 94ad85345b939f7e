//! The calls to one service: which instances it has, and which of them gets a call.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use bytes::Bytes;
use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared as ChannelShared;
use super::instance::{Callee, Instance};
use crate::balance::{Balancer, Candidates};
use crate::discovery::{Endpoint, Listing};
use crate::status::Executed;
use crate::{Code, Context, ServiceDescriptor, Status};

/// A channel's way to one service. Generated stubs are made of it.
#[derive(Clone)]
pub struct ServiceChannel {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    channel: Arc<ChannelShared>,
    descriptor: &'static ServiceDescriptor,
    first_method: u16,
    balancer: Box<dyn Balancer>,
    /// The instances of the newest listing; read without a lock by every call.
    instances: ArcSwap<Vec<Arc<Instance>>>,
    listing: watch::Receiver<Listing>,
    /// Ends the task that follows the listings.
    _gone: DropGuard,
}

impl Candidates for Vec<Arc<Instance>> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn in_flight(&self, index: usize) -> usize {
        self[index].in_flight()
    }
}

impl ServiceChannel {
    pub(super) fn new(
        channel: Arc<ChannelShared>,
        descriptor: &'static ServiceDescriptor,
        first_method: u16,
    ) -> Self {
        let mut listing = channel.registry.watch(descriptor);
        let first = instances(&channel, &listing.borrow_and_update());
        let gone = CancellationToken::new();
        let shared = Arc::new(Shared {
            balancer: channel.balance.make(),
            instances: ArcSwap::from_pointee(first),
            listing: listing.clone(),
            channel,
            descriptor,
            first_method,
            _gone: gone.clone().drop_guard(),
        });
        let followed = Arc::downgrade(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = follow(followed, listing) => {}
                () = gone.cancelled() => {}
            }
        });
        Self { shared }
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// Calls the method with index `method` and decodes its answer.
    ///
    /// Cancel safe: dropping the future gives the call up, and a v2 server stops its handler.
    ///
    /// # Errors
    /// What the service answers, or what kept the call from being answered.
    pub async fn unary<Req: Message, Resp: Message + Default>(
        &self,
        cx: &Context,
        method: usize,
        request: &Req,
    ) -> Result<Resp, Status> {
        let answer = self.shared.call(cx, method, request).await?;
        Resp::decode(answer).map_err(|error| {
            let path = self.shared.descriptor.path(method);
            Status::internal(format!("the answer of {path} does not parse: {error}"))
        })
    }
}

impl Shared {
    async fn call(
        &self,
        cx: &Context,
        method: usize,
        request: &impl Message,
    ) -> Result<Bytes, Status> {
        let number = self
            .first_method
            .saturating_add(u16::try_from(method).unwrap_or(u16::MAX));
        let callee = Callee {
            service: self.descriptor,
            method,
            number,
        };
        let mut instances = self.instances.load_full();
        if instances.is_empty() {
            instances = self.wait_for_instances(cx).await?;
        }
        let first = self.pick(&instances);
        match instances[first].call(callee, cx, request).await {
            Err(status) if instances.len() > 1 && could_not_connect(&status) => {
                // Nothing was sent, so another instance may have it. One try: a service that is
                // down as a whole must not be hammered.
                let second = self.other(&instances, first);
                instances[second].call(callee, cx, request).await
            }
            outcome => outcome,
        }
    }

    /// The balancer's choice, or the next instance that is not known to be down.
    fn pick(&self, instances: &Vec<Arc<Instance>>) -> usize {
        let picked = self.balancer.pick(instances) % instances.len();
        if instances[picked].is_down() {
            self.other(instances, picked)
        } else {
            picked
        }
    }

    fn other(&self, instances: &[Arc<Instance>], not: usize) -> usize {
        let len = instances.len();
        (1..len)
            .map(|step| (not + step) % len)
            .find(|index| !instances[*index].is_down())
            .unwrap_or(not)
    }

    /// Waits for the registry's first listing; one that is known and empty is an error at once.
    async fn wait_for_instances(&self, cx: &Context) -> Result<Arc<Vec<Arc<Instance>>>, Status> {
        let mut listing = self.listing.clone();
        let known = listing.wait_for(|listing| *listing != Listing::Unknown);
        let known = tokio::time::timeout_at(cx.deadline(), known).await;
        let instances = match known {
            Ok(Ok(listing)) => instances(&self.channel, &listing),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        if instances.is_empty() {
            let (name, target) = (self.descriptor.full_name, &self.channel.target);
            let text = format!("no instance of {name} is known at {target}");
            return Err(Status::unavailable(text).not_executed());
        }
        Ok(Arc::new(instances))
    }
}

fn could_not_connect(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.executed() == Executed::No
}

fn instances(channel: &ChannelShared, listing: &Listing) -> Vec<Arc<Instance>> {
    match listing {
        Listing::Unknown => Vec::new(),
        Listing::Known(endpoints) => endpoints
            .iter()
            .map(|endpoint: &Endpoint| channel.instance(endpoint))
            .collect(),
    }
}

/// Applies listings as they come, also when no calls are made: connections to instances that have
/// gone are closed, and the next call goes to one that is there.
async fn follow(shared: Weak<Shared>, mut listing: watch::Receiver<Listing>) {
    while listing.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let newest = instances(&shared.channel, &listing.borrow_and_update());
        shared.instances.store(Arc::new(newest));
    }
}

impl fmt::Debug for ServiceChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceChannel")
            .field(&self.shared.descriptor.full_name)
            .finish()
    }
}
