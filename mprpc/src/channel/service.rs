//! The calls to one service: which instances it has, and which of them gets a call.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use prost::Message;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared as ChannelShared;
use super::instance::{Callee, Instance};
use super::listed::Listed;
use crate::balance::{Balancer, of_key};
use crate::discovery::Listing;
use crate::interceptor::Interceptors;
use crate::status::Executed;
use crate::{Code, Context, ServiceDescriptor, Stage, Status};

/// How often a call is tried that cannot be sent. A service that is down as a whole must not be
/// hammered.
const TRIES_MAX: usize = 3;

/// A channel's way to one service. Generated stubs are made of it.
#[derive(Clone)]
pub struct ServiceChannel {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    channel: Arc<ChannelShared>,
    descriptor: &'static ServiceDescriptor,
    first_method: u16,
    balancer: Box<dyn Balancer>,
    /// The instances of the newest listing; read without a lock by every call.
    instances: ArcSwap<Listed>,
    listing: watch::Receiver<Listing>,
    /// Ends the task that follows the listings.
    _gone: DropGuard,
}

impl ServiceChannel {
    pub(super) fn new(
        channel: Arc<ChannelShared>,
        descriptor: &'static ServiceDescriptor,
        first_method: u16,
    ) -> Self {
        let mut listing = channel.registry.watch(descriptor);
        let first = Listed::new(&channel, descriptor, &listing.borrow_and_update());
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
}

impl Shared {
    pub(super) fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }

    pub(super) fn interceptors(&self) -> &Interceptors {
        &self.channel.interceptors
    }

    /// Makes a call on the instance that is chosen for it, or, as long as it could not be sent, on
    /// another.
    pub(super) async fn call<Resp: Message + Default>(
        &self,
        cx: &Context,
        method: usize,
        request: &impl Message,
    ) -> Result<Resp, Status> {
        let number = self.first_method.saturating_add(u16::try_from(method).unwrap_or(u16::MAX));
        let callee = Callee { service: self.descriptor, method, number };
        let mut listed = self.instances.load_full();
        if listed.is_empty() {
            listed = self.wait_for_instances(cx).await?;
        }
        let mut instances = listed.serving(method);
        if instances.is_empty() {
            return Err(self.nobody_serves(method));
        }
        let mut at = self.pick(cx, instances);
        for _ in 1..TRIES_MAX {
            match instances[at].call(callee, cx, request).await {
                Err(status) if was_not_sent(&status) => {
                    // The registry may know better by now than the list that was looked at.
                    let newest = self.listed(&self.listing.borrow());
                    if newest.serving(method).is_empty() {
                        return Err(status);
                    }
                    at = self.pick_after(cx, newest.serving(method), &instances[at]);
                    listed = Arc::new(newest);
                    instances = listed.serving(method);
                }
                outcome => return outcome,
            }
        }
        instances[at].call(callee, cx, request).await
    }

    fn listed(&self, listing: &Listing) -> Listed {
        Listed::new(&self.channel, self.descriptor, listing)
    }

    /// Others are listed, so that waiting for one that serves the method would be in vain.
    fn nobody_serves(&self, method: usize) -> Status {
        let (path, target) = (self.descriptor.path(method), &self.channel.target);
        let text = format!("no instance that is known at {target} serves {path}");
        Status::unimplemented(text).not_executed().at(Stage::Resolve)
    }

    /// The instance that the call's key belongs to, else the balancer's choice; or the next one that
    /// is not known to be down.
    fn pick(&self, cx: &Context, instances: &Vec<Arc<Instance>>) -> usize {
        let hashes = || instances.iter().map(|instance| instance.hash()).enumerate();
        let of_key = cx.affinity().and_then(|key| of_key(key, hashes()));
        let picked = of_key.unwrap_or_else(|| self.balancer.pick(instances)) % instances.len();
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
    fn pick_after(
        &self,
        cx: &Context,
        instances: &Vec<Arc<Instance>>,
        failed: &Arc<Instance>,
    ) -> usize {
        match instances.iter().position(|instance| Arc::ptr_eq(instance, failed)) {
            Some(at) => other(instances, at).unwrap_or((at + 1) % instances.len()),
            None => self.pick(cx, instances),
        }
    }

    /// Waits for the registry's first listing; one that is known and empty is an error at once.
    async fn wait_for_instances(&self, cx: &Context) -> Result<Arc<Listed>, Status> {
        let mut listing = self.listing.clone();
        let known = listing.wait_for(|listing| *listing != Listing::Unknown);
        let known = tokio::time::timeout_at(cx.deadline(), known).await;
        let instances = match known {
            Ok(Ok(listing)) => self.listed(&listing),
            Ok(Err(_)) | Err(_) => Listed::default(),
        };
        if instances.is_empty() {
            let (name, target) = (self.descriptor.full_name, &self.channel.target);
            let text = format!("no instance of {name} is known at {target}");
            return Err(Status::unavailable(text).not_executed().at(Stage::Resolve));
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

/// Applies listings as they come, also when no calls are made: connections to instances that have
/// gone are closed, and the next call goes to one that is there.
async fn follow(shared: Weak<Shared>, mut listing: watch::Receiver<Listing>) {
    while listing.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let newest = shared.listed(&listing.borrow_and_update());
        shared.instances.store(Arc::new(newest));
    }
}

impl fmt::Debug for ServiceChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceChannel").field(&self.shared.descriptor.full_name).finish()
    }
}
