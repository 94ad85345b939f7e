//! After the commit: telling im-presence, so that gateways push.
//!
//! Each lane has an [`Outlet`], into which it puts what it committed, and a task behind it that
//! sends one `Dispatch` at a time, in order; what gathers meanwhile goes with the next. Dispatches
//! may get lost, messages cannot: they are in the timeline. So when im-presence is away for
//! longer than the outlet has room, the oldest are forgotten, and the next dispatch that arrives
//! carries `resync`, which makes every gateway compare heads. The same goes for what a crash
//! left behind, so the first dispatch after the start is a resync.

mod outlet;
mod recipients;

use std::sync::Arc;
use std::time::Duration;

use im_common::{Tasks, walk};
use mpim_proto::{Delivery, DispatchReq, presence_service};
use mprpc::{Code, Context, Status};
use tracing::Instrument;

pub(crate) use self::outlet::{Committed, Outlet};
use self::outlet::{Gathered, Intake};
use self::recipients::deliveries;
use crate::config::DispatchConfig;
use crate::store::Timeline;

/// Starts a dispatcher for each of `lanes` lanes, and gives the outlets that lead to them.
/// Dropping an outlet lets its dispatcher try once more, then end.
pub(crate) fn start<T: Timeline, P: presence_service::Server>(
    config: &DispatchConfig,
    lanes: usize,
    store: &Arc<T>,
    presence: &Arc<P>,
    tasks: &Tasks,
) -> Vec<Outlet> {
    let start_one = |lane: usize| {
        // One resync after the start is enough for all lanes.
        let (outlet, intake) = outlet::outlet(config.queue_entries_max, lane == 0);
        let dispatcher = Dispatcher {
            config: config.clone(),
            intake,
            store: store.clone(),
            presence: presence.clone(),
        };
        tasks.spawn("dispatcher", dispatcher.run());
        outlet
    };
    (0..lanes).map(start_one).collect()
}

struct Dispatcher<T, P> {
    config: DispatchConfig,
    intake: Intake,
    store: Arc<T>,
    presence: Arc<P>,
}

impl<T: Timeline, P: presence_service::Server> Dispatcher<T, P> {
    async fn run(self) {
        let mut failures = 0;
        while let Some(mut gathered) = self.intake.next(self.config.batch_entries_max).await {
            let hop = walk::hop!("message.dispatch");
            match self.dispatch(&gathered).instrument(hop).await {
                Ok(sent) => {
                    gathered.told(sent);
                    if failures > 0 {
                        tracing::info!(failures, "im-presence takes dispatches again");
                    }
                    failures = 0;
                    self.intake.put_back(gathered);
                }
                Err(status) => {
                    if failures == 0 {
                        tracing::warn!(%status, "im-presence did not take a dispatch; trying on");
                    }
                    failures += 1;
                    // Refused as it is, it would be refused for ever and hold up what follows.
                    if is_refusal(&status) {
                        gathered.forget();
                    }
                    self.intake.put_back(gathered);
                    if self.intake.is_closed() {
                        return;
                    }
                    tokio::time::sleep(self.pause(failures)).await;
                }
            }
        }
    }

    /// Sends as much of `gathered` as fits into one request; the number of entries sent.
    async fn dispatch(&self, gathered: &Gathered) -> Result<usize, Status> {
        let deliveries = deliveries(&*self.store, &gathered.entries, self.config.bytes_max).await;
        let deliveries = deliveries.map_err(|error| Status::unavailable(error.to_string()))?;
        let sent = deliveries.len();
        let msg_ids = gathered.entries.iter().take(sent).map(|committed| committed.entry.msg_id);
        walk::record(&tracing::Span::current(), msg_ids);
        self.call(deliveries, gathered.resync).await?;
        Ok(sent)
    }

    async fn call(&self, deliveries: Vec<Delivery>, resync: bool) -> Result<(), Status> {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let cx = Context::with_timeout(timeout);
        let request = DispatchReq { deliveries, resync };
        let call = self.presence.dispatch(&cx, request);
        let answer = tokio::time::timeout_at(cx.deadline(), call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("im-presence did not answer")))?;
        match answer.result {
            Some(result) if !result.is_ok() => Err(Status::unavailable(result.msg)),
            _ => Ok(()),
        }
    }

    /// Doubles with each failure up to the maximum, and is blurred, so that the lanes of many
    /// instances do not return in step.
    fn pause(&self, failures: u32) -> Duration {
        let DispatchConfig { retry_ms_min, retry_ms_max, .. } = self.config;
        let doubled = retry_ms_min.saturating_mul(1 << failures.min(20).saturating_sub(1));
        let most = doubled.min(retry_ms_max);
        Duration::from_millis(fastrand::u64(most / 2..=most))
    }
}

/// Whether sending the same again is pointless.
fn is_refusal(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::OutOfRange | Code::Internal)
}
