//! One call to im-presence, with what has to be looked up for it.

use std::sync::Arc;
use std::time::Duration;

use im_common::{Clock, walk};
use mpim_proto::{Delivery, DispatchReq, Published, presence_service};
use mprpc::{Code, Context, Status};

use super::given_up::Gathered;
use super::original;
use super::recipients::deliveries;
use crate::config::DispatchConfig;
use crate::metrics::{DispatchMetrics, count};
use crate::store::Timeline;

/// Tells im-presence of entries, for one lane.
pub(super) struct Teller<T, P> {
    pub(super) config: DispatchConfig,
    /// Its number, the key of its calls: entries of one conversation stay in order on their way to
    /// a gateway if one instance of im-presence hands them over.
    pub(super) lane: u64,
    pub(super) store: Arc<T>,
    pub(super) presence: Arc<P>,
    pub(super) metrics: DispatchMetrics,
    pub(super) clock: Clock,
    /// Dead letters that are kept.
    pub(super) letters_max: usize,
}

impl<T: Timeline, P: presence_service::Server> Teller<T, P> {
    /// Entries of this lane were told of.
    pub(super) fn told(&self, msg_ids: &[i64]) {
        self.metrics.told.increment(msg_ids.len() as u64);
        self.metrics.waiting.decrement(count(msg_ids.len()));
        self.store.told(msg_ids);
    }

    /// Entries of this lane will not be told of any more.
    pub(super) fn give_up(&self, gathered: &mut Gathered, count: usize, reason: &str) {
        gathered.give_up(count, reason);
        self.metrics.gave_up(count);
    }

    /// Sends as much of `gathered` as fits into one request; the number of entries sent.
    ///
    /// # Errors
    /// Nothing of it was taken, as far as is known.
    pub(super) async fn tell(&self, gathered: &Gathered) -> Result<usize, Status> {
        let deliveries = deliveries(&*self.store, &gathered.entries, self.config.bytes_max).await;
        let deliveries = deliveries.map_err(|error| Status::unavailable(error.to_string()))?;
        let sent = deliveries.len();
        let msg_ids = gathered.entries.iter().take(sent).map(|committed| committed.entry.msg_id);
        walk::record(&tracing::Span::current(), msg_ids);
        let (done, published) = match self.call(deliveries, gathered.resync).await {
            // An im-presence of the original system.
            Err(status) if status.code() == Code::Unimplemented => {
                original::deliver(
                    &*self.presence,
                    gathered.entries.iter().take(sent),
                    self.timeout(),
                )
                .await?
            }
            answer => (sent, answer?),
        };
        if let Err(error) = original::note_given(&*self.store, published).await {
            // Then they see it again when they pull.
            tracing::warn!(error = im_common::in_one_line(&error), "what was given was not noted");
        }
        Ok(done.min(sent))
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms)
    }

    async fn call(
        &self,
        deliveries: Vec<Delivery>,
        resync: bool,
    ) -> Result<Vec<Published>, Status> {
        let cx = Context::with_timeout(self.timeout()).with_affinity(self.lane);
        let request = DispatchReq { deliveries, resync };
        let call = self.presence.dispatch(&cx, request);
        let answer = tokio::time::timeout_at(cx.deadline(), call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("im-presence did not answer")));
        let outcome = answer.and_then(|answer| match answer.result {
            Some(result) if !result.is_ok() => Err(Status::unavailable(result.msg)),
            _ => Ok(answer.published),
        });
        self.metrics.failed.increment(u64::from(outcome.is_err()));
        outcome
    }
}

/// Whether sending the same again is pointless.
pub(super) fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::OutOfRange | Code::Internal)
}

/// Why what im-presence refused is given up.
pub(super) fn refused(status: &Status) -> String {
    format!("im-presence refused it: {status}")
}
