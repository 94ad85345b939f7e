//! The link to one boot of a gateway: a bounded queue and the numbers of what left it.
//!
//! One push is in flight at a time; what gathers meanwhile forms the next. Numbers rise by one with
//! each push, and by one more when something was given up before it could be pushed. A push that
//! fails is not repeated: its number was spent, so the gateway sees the hole at the next push or
//! renewal.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpim_proto::{Push, PushReq, gateway_service};
use mprpc::{Code, Context};
use tokio::sync::{Notify, oneshot};

use super::{PushLimits, QueueError};
use crate::routes::Gateway;

/// The gateway does not exist any more: its address refuses connections or is another boot's.
#[derive(Debug)]
pub(super) struct Gone;

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

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    gateway: Arc<Gateway>,
    client: gateway_service::Client,
    link_boot_id: String,
    limits: PushLimits,
    state: Mutex<State>,
    wake: Notify,
    last_use: AtomicU64,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Item>,
    waiting_bytes: usize,
    /// Something was given up since the last push left: the next number leaves one out.
    lost: bool,
    resync: bool,
    /// The number of the last push that left.
    sent: u64,
    /// The number of the last one that was confirmed or given up.
    settled: u64,
    closed: bool,
}

impl State {
    fn give_up_waiting(&mut self) {
        self.lost |= !self.waiting.is_empty() || self.resync;
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.resync = false;
    }

    /// Says in what the gateway is told next that something is missing, though no push tells it.
    fn settle_losses(&mut self) {
        if std::mem::take(&mut self.lost) {
            self.sent += 1;
        }
        self.settled = self.sent;
    }
}

impl Link {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        client: gateway_service::Client,
        link_boot_id: String,
        floor: u64,
        limits: PushLimits,
    ) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            // Above a floor, the first number is itself a hole: the gateway may have met this
            // link's predecessor.
            lost: floor > 0,
            resync: false,
            sent: floor,
            settled: floor,
            closed: false,
        };
        Self {
            gateway,
            client,
            link_boot_id,
            limits,
            state: Mutex::new(state),
            wake: Notify::new(),
            last_use: AtomicU64::new(0),
        }
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(super) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    pub(super) fn set_last_use(&self, uses: u64) {
        self.last_use.store(uses, Ordering::Relaxed);
    }

    pub(super) fn settled(&self) -> u64 {
        self.state().settled
    }

    /// Lets `items` wait for the next push, or gives them up if there is no room.
    pub(super) fn offer(&self, items: impl IntoIterator<Item = Item>, resync: bool) {
        let mut state = self.state();
        for item in items {
            let bytes = item.bytes();
            let full = state.closed
                || state.waiting.len() >= self.limits.queue_pushes_max
                || state.waiting_bytes + bytes > self.limits.queue_bytes_max;
            if full {
                state.lost = true;
            } else {
                state.waiting_bytes += bytes;
                state.waiting.push_back(item);
            }
        }
        state.resync |= resync;
        drop(state);
        self.wake.notify_one();
    }

    /// Gives up everything and ends [`run`](Self::run). Answers with the highest number used.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.state();
        state.give_up_waiting();
        state.settle_losses();
        state.closed = true;
        let highest = state.sent;
        drop(state);
        self.wake.notify_one();
        highest
    }

    /// Pushes until the link is closed.
    ///
    /// # Errors
    /// [`Gone`] once the gateway turned out to be gone. What waited was given up.
    pub(super) async fn run(&self) -> Result<(), Gone> {
        loop {
            let Some((items, request)) = self.next_push() else {
                if self.state().closed {
                    return Ok(());
                }
                self.wake.notified().await;
                continue;
            };
            self.push(items, request).await?;
        }
    }

    /// What has gathered, as the next push; `None` if nothing has.
    fn next_push(&self) -> Option<(Vec<Item>, PushReq)> {
        let mut state = self.state();
        if state.waiting.is_empty() && !state.resync {
            state.settle_losses();
            return None;
        }
        let mut items: Vec<Item> = Vec::new();
        let mut bytes = 0;
        while let Some(item) = state.waiting.front() {
            let size = item.bytes();
            // One that is confirmed goes alone, so that what the push reached is what it reached.
            let alone = item.confirm.is_some();
            let full = items.len() >= self.limits.batch_pushes_max
                || bytes + size > self.limits.batch_bytes_max;
            if !items.is_empty() && (full || alone) {
                break;
            }
            bytes += size;
            state.waiting_bytes -= size;
            items.extend(state.waiting.pop_front());
            if alone {
                break;
            }
        }
        state.sent += 1 + u64::from(std::mem::take(&mut state.lost));
        let request = PushReq {
            link_boot_id: self.link_boot_id.clone(),
            number: state.sent,
            pushes: items.iter_mut().map(|item| std::mem::take(&mut item.push)).collect(),
            resync: std::mem::take(&mut state.resync),
            gateway_boot_id: self.gateway.boot_id.clone(),
        };
        Some((items, request))
    }

    async fn push(&self, items: Vec<Item>, request: PushReq) -> Result<(), Gone> {
        let cx = Context::with_timeout(self.limits.timeout);
        let answer = self.client.push(&cx, request).await;
        let (outcome, gone) = match answer {
            Ok(answer) if answer.result.as_ref().is_some_and(mpim_proto::Result::is_ok) => {
                (Ok(answer.reached), false)
            }
            // Another boot answers at this address.
            Ok(_) => (Err(QueueError::Unreachable), true),
            Err(status) => {
                tracing::warn!(
                    gateway_id = self.gateway.id,
                    %status,
                    "a push failed: the gateway will find the hole"
                );
                let gone = status.code() == Code::Unavailable;
                (Err(if gone { QueueError::Unreachable } else { QueueError::Behind }), gone)
            }
        };
        let failed = outcome.is_err();
        {
            let mut state = self.state();
            if failed {
                // Whatever waits behind a failure is older than what a fetch will bring.
                state.give_up_waiting();
                state.settle_losses();
            }
            state.settled = state.sent;
        }
        for confirm in items.into_iter().filter_map(|item| item.confirm) {
            // Whoever asked may have given up.
            let _ = confirm.send(outcome);
        }
        if gone { Err(Gone) } else { Ok(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held can at worst lose pushes, which are numbered.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
