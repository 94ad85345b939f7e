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

/// How often a call is tried that cannot be sent. A service that is down as a whole must not be
/// hammered.
const TRIES_MAX: usize = 3;

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
        let first = listed(&channel, &listing.borrow_and_update());
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
        let number = self.first_method.saturating_add(u16::try_from(method).unwrap_or(u16::MAX));
        let callee = Callee { service: self.descriptor, method, number };
        let mut instances = self.instances.load_full();
        if instances.is_empty() {
            instances = self.wait_for_instances(cx).await?;
        }
        let mut at = self.pick(&instances);
        for _ in 1..TRIES_MAX {
            match instances[at].call(callee, cx, request).await {
                Err(status) if was_not_sent(&status) => {
                    // The registry may know better by now than the list that was looked at.
                    let newest = listed(&self.channel, &self.listing.borrow());
                    if newest.is_empty() {
                        return Err(status);
                    }
                    at = self.pick_after(&newest, &instances[at]);
                    instances = Arc::new(newest);
                }
                outcome => return outcome,
            }
        }
        instances[at].call(callee, cx, request).await
    }

    /// The balancer's choice, or the next instance that is not known to be down.
    fn pick(&self, instances: &Vec<Arc<Instance>>) -> usize {
        let picked = self.balancer.pick(instances) % instances.len();
        if !instances[picked].is_down() {
            return picked;
        }
        let Some(other) = other(instances, picked) else {
            return picked;
        };
        instances[picked].try_again();
        other
    }

    /// What to try when a call could not be sent to `failed`: an instance that is not known to be
    /// down, else the next one; the same, if it is the only one, since its connection may have
    /// ended just before the call was put on it.
    fn pick_after(&self, instances: &Vec<Arc<Instance>>, failed: &Arc<Instance>) -> usize {
        match instances.iter().position(|instance| Arc::ptr_eq(instance, failed)) {
            Some(at) => other(instances, at).unwrap_or((at + 1) % instances.len()),
            None => self.pick(instances),
        }
    }

    /// Waits for the registry's first listing; one that is known and empty is an error at once.
    async fn wait_for_instances(&self, cx: &Context) -> Result<Arc<Vec<Arc<Instance>>>, Status> {
        let mut listing = self.listing.clone();
        let known = listing.wait_for(|listing| *listing != Listing::Unknown);
        let known = tokio::time::timeout_at(cx.deadline(), known).await;
        let instances = match known {
            Ok(Ok(listing)) => listed(&self.channel, &listing),
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

/// An instance that is not known to be down, other than that at `not`.
fn other(instances: &[Arc<Instance>], not: usize) -> Option<usize> {
    let len = instances.len();
    (1..len).map(|step| (not + step) % len).find(|index| !instances[*index].is_down())
}

/// Whether the call may be made again, on another instance or on the same.
fn was_not_sent(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.executed() == Executed::No
}

/// The instances of a listing.
fn listed(channel: &ChannelShared, listing: &Listing) -> Vec<Arc<Instance>> {
    match listing {
        Listing::Unknown => Vec::new(),
        Listing::Known(endpoints) => {
            endpoints.iter().map(|endpoint: &Endpoint| channel.instance(endpoint)).collect()
        }
    }
}

/// Applies listings as they come, also when no calls are made: connections to instances that have
/// gone are closed, and the next call goes to one that is there.
async fn follow(shared: Weak<Shared>, mut listing: watch::Receiver<Listing>) {
    while listing.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let newest = listed(&shared.channel, &listing.borrow_and_update());
        shared.instances.store(Arc::new(newest));
    }
}

impl fmt::Debug for ServiceChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceChannel").field(&self.shared.descriptor.full_name).finish()
    }
}
