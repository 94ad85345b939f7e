//! Telling others of devices that were revoked and of log-ins that ended: the gateways, which close what is
//! open, and of a device im-message, which forgets where it was.
//!
//! What has to be told stands in the store from the moment on at which it ended, and goes once all have
//! answered. So a crash, or a neighbour that is away, delays it and no more. Telling twice does no harm:
//! what is told names a generation, a log-in or an epoch, and nothing younger is meant.

use std::time::Duration;

use futures_util::future::join_all;
use im_common::{Shutdown, StoreError};
use metrics::{counter, gauge};
use mprpc::{Code, Context, Status};

use crate::devices::Devices;
use crate::neighbours::Neighbours;
use crate::store::{DueTime, Revocation, UserStore};

/// Between two looks for what is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Revocations that are told at once.
const AT_ONCE_MAX: u32 = 32;

impl<S: UserStore, N: Neighbours> Devices<S, N> {
    /// Tells others of whatever is due, as soon as something ended and once a second, until the
    /// shutdown. Never returns before.
    pub(crate) async fn tell_until(&self, shutdown: &Shutdown) {
        loop {
            tokio::select! {
                // What this cuts off is told again after the start.
                () = shutdown.triggered() => return,
                () = self.tell_all() => {}
            }
            tokio::select! {
                () = shutdown.triggered() => return,
                () = self.users.ended.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    async fn tell_all(&self) {
        loop {
            match self.tell_due().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return error.report(),
            }
        }
    }

    /// One bounded round. Whether there may be more that is due.
    pub(crate) async fn tell_due(&self) -> Result<bool, StoreError> {
        let now_ms = self.clock.now_ms();
        let until_ms = now_ms + i64::from(self.config.retry_ms);
        let time = DueTime { now_ms, latest_ms: until_ms };
        let due = self.users.store.due_revocations(time, AT_ONCE_MAX).await?;
        gauge!("mpim_revocations_due").set(u32::try_from(due.len()).unwrap_or(u32::MAX));
        let full = due.len() >= AT_ONCE_MAX as usize;
        // The sweeps of other instances list the same ones. A claim ends by itself, which is also when
        // one that failed is tried again.
        let telling = due.iter().map(|revocation| self.tell_claimed(revocation, time, until_ms));
        let told: Vec<bool> = join_all(telling).await.into_iter().collect::<Result<_, _>>()?;
        Ok(full && told.contains(&true))
    }

    /// Whether everybody was told.
    async fn tell_claimed(
        &self,
        revocation: &Revocation,
        time: DueTime,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        let store = &self.users.store;
        if !store.claim_revocation(revocation, time, until_ms).await? {
            return Ok(false);
        }
        let outcome = self.tell(revocation).await;
        let label = if outcome.is_ok() { "told" } else { "postponed" };
        counter!("mpim_revocations_total", "outcome" => label).increment(1);
        if let Err(status) = outcome {
            tracing::info!(?revocation, %status, "not everybody was told of what ended yet");
            return Ok(false);
        }
        store.revocation_told(revocation).await?;
        Ok(true)
    }

    /// Sessions first: what they still hand over is forgotten with the rest.
    async fn tell(&self, revocation: &Revocation) -> Result<(), Status> {
        let cx = Context::with_timeout(self.timeout());
        let closed = served(self.neighbours.close(&cx, revocation).await);
        let Revocation::Device(device) = revocation else { return closed };
        let cx = Context::with_timeout(self.timeout());
        let forgotten = served(self.neighbours.forget_device(&cx, device).await);
        closed.and(forgotten)
    }
}

/// Services of the original system know no devices: there is nobody to be told.
fn served(answer: Result<(), Status>) -> Result<(), Status> {
    match answer {
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        answer => answer,
    }
}
