//! After the commit: telling im-presence, so that gateways push.
//!
//! Each lane has an [`Outlet`], into which it puts what it committed, and a task behind it that
//! sends one `Dispatch` at a time, in order; what gathers meanwhile goes with the next. Dispatches
//! may get lost, messages cannot: they are in the timeline. So when im-presence is away for
//! longer than the outlet has room, the oldest are forgotten, and the next dispatch that arrives
//! carries `resync`, which makes every gateway compare heads. The same goes for what a crash
//! left behind, so the first dispatch after the start is a resync; but where the store remembers
//! what was not told, any instance tells of it instead (`sweep`).

mod original;
mod outlet;
mod recipients;
mod sweep;
mod teller;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use im_common::{Tasks, walk};
use mpim_proto::presence_service;
use tokio::sync::mpsc;
use tracing::Instrument;

use self::outlet::Intake;
pub(crate) use self::outlet::{Committed, Outlet};
use self::teller::{Teller, is_refusal};
use crate::config::DispatchConfig;
use crate::metrics::DispatchMetrics;
use crate::store::Timeline;

/// Makes a dispatcher for each of `lanes` lanes, and the outlets that lead to them. Nothing is told
/// before [`Dispatchers::start`].
pub(crate) fn prepare<T: Timeline, P: presence_service::Server>(
    config: &DispatchConfig,
    lanes: usize,
    store: &Arc<T>,
    presence: &Arc<P>,
) -> (Vec<Outlet>, Dispatchers<T, P>) {
    let metrics = DispatchMetrics::new();
    let teller = |lane: usize| Teller {
        config: config.clone(),
        lane: lane as u64,
        store: store.clone(),
        presence: presence.clone(),
        metrics: metrics.clone(),
    };
    let one = |lane: usize| {
        // One resync after the start is enough for all lanes.
        let resync = lane == 0 && !T::KEEPS_UNTOLD;
        let (outlet, intake) = outlet::outlet(config.queue_entries_max, resync, metrics.clone());
        (outlet, (teller(lane), intake))
    };
    let (outlets, intakes) = (0..lanes).map(one).unzip();
    (outlets, Dispatchers { intakes, sweeper: teller(lanes) })
}

/// The dispatchers of all lanes, before they run.
#[must_use = "without it nobody is told of anything"]
pub(crate) struct Dispatchers<T, P> {
    intakes: Vec<(Teller<T, P>, Intake)>,
    sweeper: Teller<T, P>,
}

impl<T: Timeline, P: presence_service::Server> Dispatchers<T, P> {
    /// Lets them run. Dropping an outlet lets its dispatcher try once more, then end.
    pub(crate) fn start(self, tasks: &Tasks) {
        // Held by each dispatcher until it ends.
        let (alive, all_ended) = mpsc::channel(1);
        if T::KEEPS_UNTOLD {
            tasks.spawn("outbox", sweep::run(self.sweeper, all_ended));
        }
        for (teller, intake) in self.intakes {
            let dispatcher = Dispatcher { teller, intake, _alive: alive.clone() };
            tasks.spawn("dispatcher", dispatcher.run());
        }
    }
}

/// The task behind an outlet.
struct Dispatcher<T, P> {
    teller: Teller<T, P>,
    intake: Intake,
    _alive: mpsc::Sender<Infallible>,
}

impl<T: Timeline, P: presence_service::Server> Dispatcher<T, P> {
    async fn run(self) {
        let Self { teller, intake, .. } = &self;
        let config = &teller.config;
        let mut failures = 0;
        while let Some(mut gathered) = intake.next(config.batch_entries_max).await {
            let hop = walk::hop!("message.dispatch");
            match teller.tell(&gathered).instrument(hop).await {
                Ok(sent) => {
                    teller.told(&gathered.told(sent));
                    if failures > 0 {
                        tracing::info!(failures, "im-presence takes dispatches again");
                    }
                    failures = 0;
                    teller.store.told(&intake.put_back(gathered));
                }
                Err(status) => {
                    if failures == 0 {
                        tracing::warn!(%status, "im-presence did not take a dispatch; trying on");
                    }
                    failures += 1;
                    // Refused as it is, it would be refused for ever and hold up what follows.
                    if is_refusal(&status) {
                        teller.forgot(&gathered.forget());
                    }
                    teller.store.told(&intake.put_back(gathered));
                    if intake.is_closed() {
                        return;
                    }
                    tokio::time::sleep(self.pause(failures)).await;
                }
            }
        }
    }

    /// Doubles with each failure up to the maximum, and is blurred, so that the lanes of many
    /// instances do not return in step.
    fn pause(&self, failures: u32) -> Duration {
        let DispatchConfig { retry_ms_min, retry_ms_max, .. } = self.teller.config;
        let doubled = retry_ms_min.saturating_mul(1 << failures.min(20).saturating_sub(1));
        let most = doubled.min(retry_ms_max);
        Duration::from_millis(fastrand::u64(most / 2..=most))
    }
}
