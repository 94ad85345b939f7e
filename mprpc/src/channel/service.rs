//! The calls to one service: which instances it has, and which of them gets a call.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared as ChannelShared;
use super::attempt::{Attempt, Times};
use super::group::Call;
use super::instance::{Callee, Instance};
use super::listed::Listed;
use super::nobody::Nobody;
use super::pick::Pick;
use crate::discovery::Listing;
use crate::interceptor::Interceptors;
use crate::meter::{self, Meters, MethodMeter};
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
    pick: Pick,
    /// By the methods' indexes.
    meters: Box<[Arc<MethodMeter>]>,
    /// The instances of the newest listing; read without a lock by every call.
    instances: ArcSwap<Listed>,
    listing: watch::Receiver<Listing>,
    nobody: Nobody,
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
        let pick = Pick::new(&channel.spread);
        let first = {
            let (nobody, listing) = (Listed::default(), listing.borrow_and_update());
            Listed::new(&channel, descriptor, pick.balancer(), &listing, &nobody)
        };
        let gone = CancellationToken::new();
        let methods = 0..descriptor.methods.len();
        let meters: Box<[_]> =
            methods.map(|index| Arc::new(MethodMeter::new(descriptor, index))).collect();
        let published = Meters::new(&meter::CLIENT, meters.iter().cloned());
        let shared = Arc::new(Shared {
            pick,
            meters,
            instances: ArcSwap::from_pointee(first),
            listing: listing.clone(),
            nobody: Nobody::after(channel.wait_for_instances),
            channel,
            descriptor,
            first_method,
            _gone: gone.clone().drop_guard(),
        });
        let followed = Arc::downgrade(&shared);
        tokio::spawn(async move {
            tokio::select! {
                // A list that never changes has been followed to its end; calls are counted on.
                () = async {
                    follow(followed, listing).await;
                    std::future::pending().await
                } => {}
                () = published.publish_each_second() => {}
                () = gone.cancelled() => {}
            }
        });
        Self { shared }
    }
}

impl Shared {
    pub(super) fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }

    /// What counts the calls of the method with index `method`.
    pub(super) fn meter(&self, method: usize) -> &Arc<MethodMeter> {
        &self.meters[method]
    }

    pub(super) fn interceptors(&self) -> &Interceptors {
        &self.channel.interceptors
    }

    /// Makes a call on the instance that is chosen for it, or, as long as it could not be sent, on
    /// another.
    pub(super) async fn call<A: Attempt>(
        &self,
        cx: &Context,
        method: usize,
        attempt: &A,
        began: Instant,
    ) -> Result<A::Outcome, Status> {
        let number = self.first_method.saturating_add(u16::try_from(method).unwrap_or(u16::MAX));
        let call = Call { method, streams: A::STREAMS, now: began };
        let (mut instance, has_others, mut times) = match self.choose(cx, call) {
            // Where there is no choice it does not matter who is faster, nor who can be reached.
            Some((instance, has_others)) => {
                let times = Times { now: Some(began), began: has_others.then_some(began) };
                (instance, has_others, times)
            }
            // Boxed, as all that is rare, so that the calls that need nothing of it stay small.
            None => {
                let (instance, has_others) = Box::pin(self.first(cx, call)).await?;
                (instance, has_others, Times::default())
            }
        };
        let mut callee = Callee { service: self.descriptor, method, number, may_move: has_others };
        let mut tries = 1;
        loop {
            match attempt.on(&instance, callee, cx, times).await {
                Err(status) if was_not_sent(&status) && tries < TRIES_MAX => {
                    instance = Box::pin(self.another(cx, call, &instance, status)).await?;
                    // What the first one took does not count either. And enough of waiting for
                    // others.
                    (times, callee.may_move, tries) = (Times::default(), false, tries + 1);
                }
                outcome => return outcome,
            }
        }
    }

    /// An instance for a call, and whether there is more than one, if any is listed.
    ///
    /// The list is not held while the call lasts: a count that all calls change is dear.
    fn choose(&self, cx: &Context, call: Call) -> Option<(Arc<Instance>, bool)> {
        let listed = self.instances.load();
        let serving = listed.serving(call.method);
        if serving.is_empty() {
            return None;
        }
        let at = self.pick.pick(cx, serving, call);
        Some((Arc::clone(serving.at(at)), serving.len() > 1))
    }

    /// The same where none was listed that serves the method.
    async fn first(&self, cx: &Context, call: Call) -> Result<(Arc<Instance>, bool), Status> {
        let mut listed = self.instances.load_full();
        if listed.is_empty() {
            listed = self.wait_for_instances(cx).await?;
        }
        let serving = listed.serving(call.method);
        if serving.is_empty() {
            return Err(self.nobody_serves(call.method));
        }
        let at = self.pick.pick(cx, serving, call);
        Ok((Arc::clone(serving.at(at)), serving.len() > 1))
    }

    /// Another instance for a call that could not be sent to `failed`, with this status.
    async fn another(
        &self,
        cx: &Context,
        call: Call,
        failed: &Arc<Instance>,
        status: Status,
    ) -> Result<Arc<Instance>, Status> {
        // The registry may know better by now than the list that was looked at.
        let mut newest = self.newest();
        if newest.is_empty() {
            newest = self.wait_for_instances(cx).await.map_err(|_| status.clone())?;
        }
        let serving = newest.serving(call.method);
        // One that says itself that it takes no more is not to be pressed.
        let is_full = status.stage() == Stage::Remote || had_no_room(&status);
        let alone = serving.len() == 1 && is_full;
        if serving.is_empty() || alone {
            return Err(status);
        }
        Ok(Arc::clone(serving.at(self.pick.pick_after(cx, serving, call, failed))))
    }

    /// The instances of the newest listing, also where it has not been applied yet.
    fn newest(&self) -> Arc<Listed> {
        let applied = self.instances.load_full();
        let listing = self.listing.borrow();
        if applied.is_of(&listing) { applied } else { Arc::new(self.listed(&listing)) }
    }

    /// Makes `listing` what calls see; tells when that is to be done again.
    fn apply(&self, listing: &Listing) -> Option<Instant> {
        self.nobody.listed(listing);
        let newest = self.listed(listing);
        let next_step = newest.next_step();
        self.instances.store(Arc::new(newest));
        next_step
    }

    fn listed(&self, listing: &Listing) -> Listed {
        let (balancer, before) = (self.pick.balancer(), self.instances.load());
        Listed::new(&self.channel, self.descriptor, balancer, listing, &before)
    }

    /// Others are listed, so that waiting for one that serves the method would be in vain.
    fn nobody_serves(&self, method: usize) -> Status {
        let (path, target) = (self.descriptor.path(method), &self.channel.target);
        let text = format!("no instance that is known at {target} serves {path}");
        Status::unimplemented(text).not_executed().at(Stage::Resolve)
    }

    /// Waits for somebody who is listed, if that makes sense.
    async fn wait_for_instances(&self, cx: &Context) -> Result<Arc<Listed>, Status> {
        let somebody = self.nobody.somebody(self.listing.clone(), cx.deadline()).await;
        let instances = somebody.map(|listing| self.listed(&listing)).unwrap_or_default();
        if instances.is_empty() {
            let (name, target) = (self.descriptor.full_name, &self.channel.target);
            let text = format!("no instance of {name} is known at {target}");
            return Err(Status::unavailable(text).not_executed().at(Stage::Resolve));
        }
        Ok(Arc::new(instances))
    }
}

/// Whether the call may be made again, on another instance or on the same.
fn was_not_sent(status: &Status) -> bool {
    status.executed() == Executed::No && (status.code() == Code::Unavailable || had_no_room(status))
}

/// Whether no connection to the instance had room for the call.
fn had_no_room(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && status.stage() == Stage::Connect
}

/// Applies listings as they come, also when no calls are made: connections to instances that have
/// gone are closed, and the next call goes to one that is there. Newcomers get their shares by and
/// by.
async fn follow(shared: Weak<Shared>, mut listing: watch::Receiver<Listing>) {
    let mut next_step = None;
    loop {
        tokio::select! {
            changed = listing.changed() => {
                if changed.is_err() {
                    break;
                }
            }
            () = at(next_step) => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        next_step = shared.apply(&listing.borrow_and_update());
    }
    // The registry has gone away, and the last listing stays.
    while next_step.is_some() {
        at(next_step).await;
        let Some(shared) = shared.upgrade() else { return };
        next_step = shared.apply(&listing.borrow());
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for ServiceChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceChannel").field(&self.shared.descriptor.full_name).finish()
    }
}
