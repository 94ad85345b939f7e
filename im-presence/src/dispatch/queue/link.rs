//! The link to one boot of a gateway: a bounded queue and the numbers of what left it.
//!
//! One push is in flight at a time; what gathers meanwhile forms the next, what is urgent first. Numbers rise by one with
//! each push, and by one more when something was given up before it could be pushed. A push that
//! fails is not repeated: its number was spent. A link that has nothing to push repeats its last
//! number once an interval, so the gateway sees each hole soon, and hears that this process is alive.

mod state;

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::FixedState;
use im_common::{Priority, Weighed};
use mpim_proto::push::Content;
use mpim_proto::{Push, PushReq};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::state::State;
use super::carrier::{Carrier, Failure};
use super::metrics::LinkMetrics;
use super::{PushLimits, QueueError};
use crate::routing::Gateway;

/// A link whose gateway was not heard of for this long is given up, if its pushes fail or nobody
/// confirms them.
const ABANDONED: Duration = Duration::from_secs(60);

/// Why a link has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was closed, and its gateway told so if it listened.
    Closed,
    /// The gateway does not exist any more.
    Gone,
    /// Nothing was heard of the gateway for long, in either direction.
    Abandoned,
}

/// One push that waits, with whoever wants to know what became of it.
#[derive(Debug)]
pub(super) struct Item {
    push: Push,
    confirm: Option<oneshot::Sender<Result<u32, QueueError>>>,
}

impl Item {
    pub(super) fn unconfirmed(push: Push) -> Self {
        Self { push, confirm: None }
    }

    pub(super) fn confirmed(push: Push, confirm: oneshot::Sender<Result<u32, QueueError>>) -> Self {
        Self { push, confirm: Some(confirm) }
    }

    fn bytes(&self) -> usize {
        prost::Message::encoded_len(&self.push)
    }
}

impl Weighed for Item {
    /// What is outside any timeline keeps its order as if it were one.
    fn key(&self) -> u64 {
        match &self.push.content {
            Some(Content::Entry(entry)) => FixedState::default().hash_one(&entry.conv_id),
            Some(Content::Direct(_)) | None => 0,
        }
    }

    fn priority(&self) -> Priority {
        match self.push.priority() {
            mpim_proto::Priority::Low => Priority::Low,
            mpim_proto::Priority::Normal => Priority::Normal,
            mpim_proto::Priority::High => Priority::High,
            mpim_proto::Priority::Urgent => Priority::Urgent,
        }
    }

    fn size(&self) -> usize {
        1
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link<C> {
    gateway: Arc<Gateway>,
    carrier: C,
    link_boot_id: String,
    limits: PushLimits,
    metrics: LinkMetrics,
    state: Mutex<State>,
    wake: Notify,
}

/// What a link does next.
enum Next {
    Push(Vec<Item>, PushReq),
    /// There is nothing to push.
    Wait,
    /// Everything was pushed that will be: this is the last word.
    Close(PushReq),
}

impl<C: Carrier> Link<C> {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        carrier: C,
        link_boot_id: String,
        floor: u64,
        limits: PushLimits,
        metrics: LinkMetrics,
    ) -> Self {
        metrics.links.increment(1);
        let state = Mutex::new(State::above(floor));
        let wake = Notify::new();
        Self { gateway, carrier, link_boot_id, limits, metrics, state, wake }
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(super) fn used_at(&self) -> Instant {
        self.state().used_at
    }

    /// The gateway is alive, or is offered something.
    pub(super) fn used(&self) {
        self.state().used_at = Instant::now();
    }

    /// The number of the last push that was confirmed or given up.
    pub(super) fn settled(&self) -> u64 {
        self.state().settled
    }

    /// Lets `items` wait for the next push, or gives them up if there is no room.
    pub(super) fn offer(&self, items: impl IntoIterator<Item = Item>, resync: bool) {
        let mut state = self.state();
        for item in items {
            if state.has_room(&item, &self.limits) {
                self.metrics.waiting.increment(1);
                state.push(item);
            } else {
                self.metrics.given_up.increment(1);
                state.lost = true;
            }
        }
        state.resync |= resync;
        drop(state);
        self.wake.notify_one();
    }

    /// Lets [`run`](Self::run) push what waits, for as long as one push may take, and end. Answers
    /// with a number above all that it will use.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.state();
        state.closing.get_or_insert_with(|| Instant::now() + self.limits.timeout);
        let above = state.above_all();
        drop(state);
        self.wake.notify_one();
        above
    }

    /// Pushes until the link is closed or makes no sense any more.
    pub(super) async fn run(&self) -> End {
        let mut failing_since = None;
        let end = loop {
            let (items, request) = match self.next() {
                Next::Push(items, request) => (items, request),
                Next::Close(request) => {
                    // Not heard, it is taken for one that was killed: that costs a comparison.
                    let _ = self.carrier.carry(request).await;
                    break End::Closed;
                }
                Next::Wait => {
                    let woken = self.wake.notified();
                    if tokio::time::timeout(self.limits.heartbeat, woken).await.is_ok() {
                        continue;
                    }
                    self.metrics.heartbeats.increment(1);
                    (Vec::new(), self.request(self.state().sent))
                }
            };
            match self.push(items, request).await {
                Ok(()) => self.recovered(&mut failing_since),
                Err(Failure::Gone) => break End::Gone,
                Err(Failure::Failed(why)) => self.failed(&mut failing_since, &why),
            }
            let failing_long = failing_since.is_some_and(|it: Instant| it.elapsed() > ABANDONED);
            if (failing_long || !C::CONFIRMS) && self.used_at().elapsed() > ABANDONED {
                break End::Abandoned;
            }
        };
        let given_up = self.state().end();
        self.count_given_up(given_up);
        self.metrics.links.decrement(1);
        end
    }

    fn next(&self) -> Next {
        let mut state = self.state();
        let closing = state.closing.is_some();
        if state.closing.is_some_and(|until| until <= Instant::now()) {
            let given_up = state.give_up_waiting();
            self.count_given_up(given_up);
        }
        let Some((mut items, resync)) = state.take(&self.limits) else {
            state.settle_losses();
            if !closing {
                return Next::Wait;
            }
            return Next::Close(PushReq { closing, ..self.request(state.sent) });
        };
        self.count_no_longer_waiting(items.len());
        let pushes = items.iter_mut().map(|item| std::mem::take(&mut item.push)).collect();
        let request = PushReq { pushes, resync, ..self.request(state.sent) };
        drop(state);
        self.metrics.requests.increment(1);
        Next::Push(items, request)
    }

    fn request(&self, number: u64) -> PushReq {
        PushReq {
            link_boot_id: self.link_boot_id.clone(),
            number,
            gateway_boot_id: self.gateway.boot_id.clone(),
            ..PushReq::default()
        }
    }

    async fn push(&self, items: Vec<Item>, request: PushReq) -> Result<(), Failure> {
        let answer = self.carrier.carry(request).await;
        {
            let mut state = self.state();
            if answer.is_err() {
                // Whatever waits behind a failure is older than what a fetch will bring.
                let given_up = state.give_up_waiting();
                state.settle_losses();
                self.count_given_up(given_up);
                self.metrics.given_up.increment(items.len() as u64);
            }
            state.settled = state.sent;
        }
        let outcome = match &answer {
            Ok(reached) => Ok(*reached),
            Err(Failure::Gone) => Err(QueueError::Unreachable),
            Err(Failure::Failed(_)) => Err(QueueError::Behind),
        };
        for confirm in items.into_iter().filter_map(|item| item.confirm) {
            // Whoever asked may have given up.
            let _ = confirm.send(outcome);
        }
        answer.map(drop)
    }

    /// Said once, however long it lasts.
    fn failed(&self, failing_since: &mut Option<Instant>, why: &str) {
        self.metrics.failures.increment(1);
        if failing_since.is_some() {
            return;
        }
        *failing_since = Some(Instant::now());
        let gateway_id = &self.gateway.id;
        if self.state().closing.is_some() {
            tracing::info!(gateway_id, why, "a push failed while this service ends");
        } else {
            tracing::warn!(gateway_id, why, "a push failed: the gateway will find the hole");
        }
    }

    fn recovered(&self, failing_since: &mut Option<Instant>) {
        if let Some(since) = failing_since.take() {
            let (gateway_id, after_ms) = (&self.gateway.id, since.elapsed().as_millis());
            tracing::info!(gateway_id, after_ms, "the gateway takes pushes again");
        }
    }

    /// Pushes that waited, and will not be pushed.
    fn count_given_up(&self, waited: usize) {
        self.count_no_longer_waiting(waited);
        self.metrics.given_up.increment(waited as u64);
    }

    fn count_no_longer_waiting(&self, pushes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "nowhere near 2^53")]
        self.metrics.waiting.decrement(pushes as f64);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held can at worst lose pushes, which are numbered.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
