//! Telling others of devices that were revoked and of log-ins that ended: the gateways, which close what is
//! open, and of a device im-message, which forgets where it was.
//!
//! What has to be told stands in the store from the moment on at which it ended, and goes once all have
//! answered. So a crash, or a neighbour that is away, delays it and no more. Telling twice does no harm:
//! what is told names a generation, a log-in or an epoch, and nothing younger is meant.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use im_common::{Shutdown, StoreError};
use metrics::{counter, gauge};
use mprpc::{Code, Context, Status};
use tokio::time::Instant;

use crate::devices::Devices;
use crate::neighbours::Neighbours;
use crate::store::{DueTime, EndedLogIns, Revocation, RevokedDevice, UserStore};

/// Between two looks for what is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// What ends within this time is told together.
const GATHERED: Duration = Duration::from_millis(20);
/// Revocations of one round.
const ROUND_MAX: u32 = 128;
/// Rounds under way: one that waits for a gateway that is hung up does not hold up the next.
const ROUNDS_MAX: usize = 8;

impl<S: UserStore, N: Neighbours> Devices<S, N> {
    /// Tells others of whatever is due, as soon as something ended and once a second, until the
    /// shutdown. Never returns before.
    pub(crate) async fn tell_until(&self, shutdown: &Shutdown) {
        let mut rounds = FuturesUnordered::new();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                // What this cuts off is told again after the start.
                () = shutdown.triggered() => return,
                Some(more) = rounds.next() => if more { self.users.ended.notify_one() },
                () = self.wanted(next), if rounds.len() < ROUNDS_MAX => {
                    next = Instant::now() + GATHERED;
                    rounds.push(self.round());
                }
            }
        }
    }

    /// Waits for the next round.
    async fn wanted(&self, not_before: Instant) {
        tokio::time::sleep_until(not_before).await;
        let _ = tokio::time::timeout(LOOK_INTERVAL, self.users.ended.notified()).await;
    }

    async fn round(&self) -> bool {
        self.look().await.unwrap_or_else(|error| {
            error.report();
            false
        })
    }

    async fn look(&self) -> Result<bool, StoreError> {
        self.users.end_keys_over().await?;
        self.tell_due().await
    }

    /// One bounded round. Whether there may be more that is due.
    pub(crate) async fn tell_due(&self) -> Result<bool, StoreError> {
        let store = &self.users.store;
        let now_ms = self.clock.now_ms();
        let until_ms = now_ms + i64::from(self.config.retry_ms);
        let time = DueTime { now_ms, latest_ms: until_ms };
        let untold = store.revocations_untold().await?;
        self.users.untold.store(untold, Ordering::Relaxed);
        gauge!("mpim_revocations_untold").set(untold);
        if untold == 0 {
            return Ok(false);
        }
        let due = store.due_revocations(time, ROUND_MAX).await?;
        let full = due.len() >= ROUND_MAX as usize;
        // Other rounds list the same ones, here and elsewhere. A claim ends by itself, which is also when
        // one that failed is tried again.
        let claimed = store.claim_revocations(due, time, until_ms).await?;
        let told = self.tell(claimed).await;
        let any = !told.is_empty();
        if any {
            store.revocations_told(told).await?;
        }
        Ok(full && any)
    }

    /// Answers those of which everybody was told.
    async fn tell(&self, claimed: Vec<Revocation>) -> Vec<Revocation> {
        let (mut devices, mut log_ins) = (Vec::new(), Vec::new());
        for revocation in claimed {
            match revocation {
                Revocation::Device(device) => devices.push(device),
                Revocation::LogIns(ended) => log_ins.push(ended),
            }
        }
        let devices = join_all(devices.into_iter().map(|device| self.tell_of_device(device)));
        let (devices, log_ins) = tokio::join!(devices, self.tell_of_log_ins(log_ins));
        devices.into_iter().flatten().chain(log_ins).collect()
    }

    /// Sessions first: what they still hand over is forgotten with the rest.
    async fn tell_of_device(&self, device: RevokedDevice) -> Option<Revocation> {
        let cx = Context::with_timeout(self.timeout());
        let closed = served(self.neighbours.close_device(&cx, &device).await);
        let cx = Context::with_timeout(self.timeout());
        let forgotten = served(self.neighbours.forget_device(&cx, &device).await);
        let outcome = closed.and(forgotten);
        noted(&outcome, 1, device.user_id);
        outcome.is_ok().then_some(Revocation::Device(device))
    }

    /// All in one call, however many there are.
    async fn tell_of_log_ins(&self, ended: Vec<EndedLogIns>) -> Vec<Revocation> {
        let Some(first) = ended.first() else { return Vec::new() };
        let cx = Context::with_timeout(self.timeout());
        let outcome = self.neighbours.close_log_ins(&cx, &ended).await;
        noted(&outcome, ended.len(), first.user_id);
        match outcome {
            Ok(()) => ended.into_iter().map(Revocation::LogIns).collect(),
            Err(_) => Vec::new(),
        }
    }
}

fn noted(outcome: &Result<(), Status>, count: usize, user_id: i64) {
    let label = if outcome.is_ok() { "told" } else { "postponed" };
    counter!("mpim_revocations_total", "outcome" => label).increment(count as u64);
    if let Err(status) = outcome {
        tracing::info!(count, user_id, %status, "not everybody was told of what ended yet");
    }
}

/// Services of the original system know no devices: there is nobody to be told.
fn served(answer: Result<(), Status>) -> Result<(), Status> {
    match answer {
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        answer => answer,
    }
}
