//! What was committed and never told: an instance died in between, and its twin lives.
//!
//! Where the store remembers such entries, each instance looks for them once a second, and lets the
//! store forget what was told.

use std::convert::Infallible;
use std::time::Duration;

use im_common::{Priority, StoreError, in_one_line, walk};
use mpim_proto::presence_service;
use mprpc::Status;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::Instrument;

use super::given_up::Gathered;
use super::outlet::Committed;
use super::teller::{Teller, is_refusal, refused};
use crate::store::Timeline;

/// How often the store is let go of what was told.
const TIDY_EVERY: Duration = Duration::from_millis(200);
/// Tidyings from one look for entries to the next.
const TIDYINGS: u32 = 5;
/// Batches that are looked at together.
const BATCHES_MAX: usize = 64;

/// Runs until all dispatchers have ended, and tidies up after them.
pub(super) async fn run<T: Timeline, P: presence_service::Server>(
    teller: Teller<T, P>,
    mut dispatchers: mpsc::Receiver<Infallible>,
) {
    let mut turns = tokio::time::interval(TIDY_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweeper = Sweeper { teller, failing: false };
    for turn in 1_u32.. {
        let ended = tokio::select! {
            _ = turns.tick() => false,
            _ = dispatchers.recv() => true,
        };
        let mut outcome = sweeper.teller.store.remove_told().await.map_err(Failure::from);
        if outcome.is_ok() && !ended && turn % TIDYINGS == 0 {
            let hop = walk::hop!("message.dispatch");
            outcome = sweeper.sweep().instrument(hop).await;
        }
        sweeper.note(outcome);
        if ended {
            return;
        }
    }
}

struct Sweeper<T, P> {
    teller: Teller<T, P>,
    failing: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("im-presence did not take it: {0}")]
    Presence(Status),
}

impl<T: Timeline, P: presence_service::Server> Sweeper<T, P> {
    /// Tells of all that is found. What is not taken is found again.
    async fn sweep(&self) -> Result<(), Failure> {
        let Teller { store, .. } = &self.teller;
        loop {
            let found = store.claim_untold(BATCHES_MAX).await?;
            if found.is_empty() {
                return Ok(());
            }
            let entries = found.len();
            let since = Instant::now();
            let priority = Priority::Normal;
            let committed =
                found.into_iter().map(|(conv, entry)| Committed { conv, entry, since, priority });
            let mut gathered = Gathered::of(committed);
            while gathered.has_news() {
                match self.teller.tell(&gathered).await {
                    Ok(sent) => {
                        store.told(&gathered.told(sent));
                        store.told(&gathered.resynced());
                    }
                    Err(status) if is_refusal(&status) && !gathered.entries.is_empty() => {
                        let all = gathered.entries.len();
                        gathered.give_up(all, &refused(&status));
                        self.teller.metrics.forgotten.increment(all as u64);
                        self.teller.bury(&mut gathered, 1).await?;
                    }
                    Err(status) => return Err(Failure::Presence(status)),
                }
            }
            self.teller.metrics.swept.increment(entries as u64);
            tracing::info!(entries, "told of what an instance had left untold");
        }
    }

    /// Logs when failing begins and ends.
    fn note(&mut self, outcome: Result<(), Failure>) {
        match outcome {
            Err(error) if !self.failing => {
                let error = in_one_line(&error);
                tracing::warn!(error, "the outbox cannot be swept; trying on");
                self.failing = true;
            }
            Ok(()) if self.failing => {
                tracing::info!("the outbox is swept again");
                self.failing = false;
            }
            _ => {}
        }
    }
}
