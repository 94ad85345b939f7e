//! Finishing what was left pending: by a crash, by a caller who gave up, by an im-message that
//! could not be reached.

use std::time::Duration;

use im_common::{Shutdown, StoreError};
use mprpc::Context;

use crate::groups::Groups;
use crate::hand_over::{HandOverError, Spans};
use crate::store::GroupStore;

/// What one round of the sweep came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// There may be more that is due.
    Full,
    /// Nothing that could be done now is left.
    Done,
}

impl<S: GroupStore, M: Spans> Groups<S, M> {
    /// Sweeps at once and then at every interval, until the shutdown. Never returns before.
    pub(crate) async fn sweep_until(&self, shutdown: &Shutdown) {
        let interval_ms = u64::from(self.config.hand_over.sweep_interval_ms);
        let mut rounds = tokio::time::interval(Duration::from_millis(interval_ms));
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // A hand-over that this cuts off stays pending and is repeated after the start.
                () = shutdown.triggered() => return,
                _ = rounds.tick() => {}
            }
            tokio::select! {
                () = shutdown.triggered() => return,
                () = self.sweep_all() => {}
            }
        }
    }

    async fn sweep_all(&self) {
        loop {
            match self.sweep().await {
                Ok(Round::Full) => {}
                Ok(Round::Done) => return,
                Err(error) => {
                    let error = im_common::in_one_line(&error);
                    return tracing::error!(error, "sweeping pending memberships failed");
                }
            }
        }
    }

    /// One bounded round: the members whose earliest pending change is due.
    ///
    /// When im-message cannot be reached, the round ends: the others would only wait in vain, one
    /// timeout each.
    pub(crate) async fn sweep(&self) -> Result<Round, StoreError> {
        let hand_over = &self.config.hand_over;
        let (now_ms, latest_ms) = (self.clock.now_ms(), self.hand_over.latest_due_at_ms());
        let due = self.store.due(now_ms, latest_ms, hand_over.sweep_batch_max).await?;
        let full = due.len() >= hand_over.sweep_batch_max as usize;
        let mut some_taken_up = false;
        for member in due {
            // Somebody else is telling im-message of this member just now.
            let Some(_turn) = self.changing.try_now(&member) else {
                continue;
            };
            some_taken_up = true;
            let cx = Context::with_timeout(Duration::from_millis(hand_over.timeout_ms.into()));
            match self.hand_over.finish(&cx, member, i64::MAX).await {
                Ok(()) => tracing::info!(?member, "a pending membership is finished"),
                Err(HandOverError::Unreachable(status)) => {
                    tracing::warn!(%status, "im-message cannot be reached");
                    return Ok(Round::Done);
                }
                Err(HandOverError::Refused(reason)) => {
                    tracing::error!(?member, reason, "im-message refuses a pending membership");
                }
                Err(HandOverError::Store(error)) => return Err(error),
            }
        }
        // If others have all the turns, the same members would come again, in a tight loop.
        Ok(if full && some_taken_up { Round::Full } else { Round::Done })
    }
}

#[cfg(test)]
mod tests;
