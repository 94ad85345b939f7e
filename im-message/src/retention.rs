//! Letting go of old entries: by age and by number, as the configuration says for each kind of
//! conversation, a few at a time.
//!
//! What is young is kept whatever the numbers say: a sender who was not answered sends the same
//! again, and is recognised by what is there.
//!
//! Refusals that used up the ids of their messages go as well, whatever is kept of conversations.

use std::time::Duration;

use im_common::{Clock, Shutdown, StoreError, in_one_line};
use tokio::time::MissedTickBehavior;

use crate::config::RetentionConfig;
use crate::conversation::ConvId;
use crate::metrics::RetentionMetrics;
use crate::store::{Expired, Front, Retention};

/// Conversations that are looked at together.
const FRONTS_MAX: usize = 500;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// For how long a refusal holds for other tries of its message: no process stands still for longer, and
/// goes on.
const REFUSAL_MS: i64 = DAY_MS;

/// What looks for expired entries, and removes them.
#[derive(Debug)]
pub(crate) struct Keeper<T> {
    pub(crate) store: std::sync::Arc<T>,
    pub(crate) clock: Clock,
    pub(crate) config: RetentionConfig,
    pub(crate) metrics: RetentionMetrics,
}

impl<T: Retention> Keeper<T> {
    /// Looks again at every interval, if it is this instance's turn, until the shutdown. Whatever it
    /// cannot remove now it finds again.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let every = Duration::from_millis(self.config.interval_ms);
        let mut rounds = tokio::time::interval(every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = shutdown.triggered() => return,
                _ = rounds.tick() => {}
            }
            let outcome = tokio::select! {
                () = shutdown.triggered() => return,
                outcome = self.round(every) => outcome,
            };
            match outcome {
                Err(error) if !failing => {
                    let error = in_one_line(&error);
                    tracing::warn!(error, "old entries cannot be removed; trying on");
                    failing = true;
                }
                Ok(()) if failing => {
                    tracing::info!("old entries are removed again");
                    failing = false;
                }
                _ => {}
            }
        }
    }

    async fn round(&self, every: Duration) -> Result<(), StoreError> {
        match self.store.take_turn(every).await? {
            true => self.pass().await,
            false => Ok(()),
        }
    }

    /// Forgets old refusals, and goes through all conversations once, if there is anything to look for.
    /// Cancel safe: batches that were removed stay so.
    pub(crate) async fn pass(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let batch = self.config.batch_entries_max;
        loop {
            let forgotten = self.store.forget_refusals(now_ms - REFUSAL_MS, batch).await?;
            self.metrics.forgotten.increment(forgotten as u64);
            if forgotten < batch {
                break;
            }
        }
        if !self.config.expires_anything() {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let fronts = self.store.fronts(after, FRONTS_MAX).await?;
            let Some(last) = fronts.last() else {
                return Ok(());
            };
            after = last.place;
            for front in &fronts {
                let expired = expired(&self.config, front, now_ms);
                if expired.takes(front.first_seq, front.first_ts_ms) {
                    self.trim(front.conv, expired).await?;
                }
            }
        }
    }

    /// Batch by batch, so that nobody who writes there waits for more than one.
    async fn trim(&self, conv: ConvId, expired: Expired) -> Result<(), StoreError> {
        let batch = self.config.batch_entries_max;
        loop {
            let removed = self.store.trim(conv, expired, batch).await?;
            self.metrics.removed.increment(removed as u64);
            if removed < batch {
                return Ok(());
            }
        }
    }
}

/// What the configuration no longer keeps of a conversation.
fn expired(config: &RetentionConfig, front: &Front, now_ms: i64) -> Expired {
    let (days, entries_max) = match front.conv {
        ConvId::Pair { .. } => (config.pair_days, config.pair_entries_max),
        ConvId::Group(_) => (config.group_days, config.group_entries_max),
    };
    // 0 keeps all.
    let before_ms = match days {
        0 => i64::MIN,
        days => now_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS)),
    };
    let below_seq = match entries_max {
        0 => 0,
        most => front.last_seq.saturating_sub(i64::from(most)).saturating_add(1),
    };
    let settled_before_ms = now_ms.saturating_sub(i64::from(config.young_s) * 1_000);
    Expired { before_ms, below_seq, settled_before_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn front(conv: ConvId) -> Front {
        Front { place: 1, conv, first_seq: 1, first_ts_ms: 0, last_seq: 100 }
    }

    #[test]
    fn each_kind_of_conversation_has_its_own_rules_and_zero_keeps_all() {
        let config =
            RetentionConfig { pair_days: 2, group_entries_max: 30, ..RetentionConfig::default() };
        let pair = expired(&config, &front(ConvId::pair(1, 2)), NOW_MS);
        assert!(pair.takes(100, NOW_MS - 2 * DAY_MS - 1));
        assert!(!pair.takes(1, NOW_MS - 2 * DAY_MS));
        let group = expired(&config, &front(ConvId::Group(1)), NOW_MS);
        assert!(group.takes(70, 0) && !group.takes(71, 0), "the last 30 stay: {group:?}");
        let kept = expired(&RetentionConfig::default(), &front(ConvId::Group(1)), NOW_MS);
        assert!(!kept.takes(1, i64::MIN), "{kept:?}");
    }

    #[test]
    fn what_is_young_stays_however_many_there_are() {
        let config = RetentionConfig { pair_entries_max: 1, young_s: 60, ..Default::default() };
        let rule = expired(&config, &front(ConvId::pair(1, 2)), NOW_MS);
        assert!(rule.takes(1, NOW_MS - 60_001));
        assert!(!rule.takes(1, NOW_MS - 60_000));
    }
}
