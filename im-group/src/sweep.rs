//! Finishing what was left pending: by a crash, by a caller who gave up, by an im-message that
//! could not be reached.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use im_common::{Shutdown, StoreError};
use metrics::gauge;
use mprpc::Context;

use crate::groups::Groups;
use crate::hand_over::{HandOverError, Spans};
use crate::store::{GroupStore, MemberKey};

/// What one round of the sweep came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// There may be more that is due.
    Full,
    /// Nothing that could be done now is left.
    Done,
}

/// Refusals that the log remembers; past them all are said anew.
const REFUSALS_MAX: usize = 1024;

/// The members of whom im-message refuses something, as far as the log has said so.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashSet<MemberKey>>);

impl Refusals {
    /// Whether it has not been said yet.
    fn begins(&self, member: MemberKey) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= REFUSALS_MAX {
            said.clear();
        }
        said.insert(member)
    }

    fn ended(&self, member: MemberKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&member);
    }
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
                Err(error) => return error.report(),
            }
        }
    }

    /// One bounded round: the members whose earliest pending change is due.
    ///
    /// When im-message cannot be reached, the round ends: the others would only wait in vain, one
    /// timeout each.
    pub(crate) async fn sweep(&self) -> Result<Round, StoreError> {
        let hand_over = &self.config.hand_over;
        let due = self.store.due(self.hand_over.due_time(), hand_over.sweep_batch_max).await?;
        // As many as one round takes up, at most.
        gauge!("mpim_memberships_due").set(f64::from(u32::try_from(due.len()).unwrap_or(u32::MAX)));
        let full = due.len() >= hand_over.sweep_batch_max as usize;
        let mut some_taken_up = false;
        for change in due {
            let member = change.member;
            // Somebody else is telling im-message of this member just now.
            let Some(_turn) = self.changing.try_now(&member) else {
                continue;
            };
            // The sweeps of other instances list the same changes. The claim ends by itself, should
            // this process not live to tell.
            let until_ms = self.hand_over.due_at_ms();
            if !self.store.claim(&change, self.hand_over.due_time(), until_ms).await? {
                continue;
            }
            some_taken_up = true;
            let cx = Context::with_timeout(Duration::from_millis(hand_over.timeout_ms.into()));
            match self.hand_over.finish(&cx, member, i64::MAX).await {
                Ok(()) => {
                    if self.message_is_away.swap(false, Ordering::Relaxed) {
                        tracing::info!("im-message can be reached again");
                    }
                    self.refusals.ended(member);
                    tracing::info!(?member, "a pending membership is finished");
                }
                Err(HandOverError::Unreachable(status)) => {
                    if !self.message_is_away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(%status, "im-message cannot be reached");
                    }
                    return Ok(Round::Done);
                }
                Err(HandOverError::NotServed) => return Ok(Round::Done),
                // Said once: it is tried again for as long as it is refused.
                Err(HandOverError::Refused(reason)) => {
                    if self.refusals.begins(member) {
                        tracing::error!(?member, reason, "im-message refuses a pending membership");
                    }
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
