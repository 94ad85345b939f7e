//! After the commit: telling im-presence, so that gateways push.
//!
//! Each lane has an [`Outlet`], into which it puts what it committed, and a task behind it that
//! sends one `Dispatch` at a time, in order; what gathers meanwhile goes with the next. Dispatches
//! may get lost, messages cannot: they are in the timeline. So when im-presence is away for
//! longer than the outlet has room, or an entry may wait, the oldest are given up, and the next
//! dispatch that arrives carries `resync`, which makes every gateway compare heads. An operator finds
//! what was given up among the dead letters (`given_up`), and can have it told again (`replay`). The same goes for what a crash
//! left behind, so the first dispatch after the start is a resync; but where the store remembers
//! what was not told, any instance tells of it instead (`sweep`).

mod given_up;
mod original;
mod outlet;
mod recipients;
mod replay;
mod sweep;
mod teller;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use im_common::{Clock, Tasks, in_one_line, walk};
use mpim_proto::presence_service;
use mprpc::Status;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use self::given_up::Gathered;
use self::outlet::Intake;
pub(crate) use self::outlet::{Committed, Outlet};
pub(crate) use self::replay::{Replay, ReplayError};
use self::teller::{Teller, is_refusal, refused};
use crate::config::{Config, DispatchConfig};
use crate::metrics::DispatchMetrics;
use crate::store::Timeline;

/// Makes a dispatcher for each lane, the outlets that lead to them, and what tells again on demand.
/// Nothing is told before [`Dispatchers::start`].
pub(crate) fn prepare<T: Timeline, P: presence_service::Server>(
    config: &Config,
    clock: &Clock,
    store: &Arc<T>,
    presence: &Arc<P>,
) -> Prepared<T, P> {
    let metrics = DispatchMetrics::new();
    let teller = |lane: usize| Teller {
        config: config.dispatch.clone(),
        lane: lane as u64,
        store: store.clone(),
        presence: presence.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
        letters_max: config.dead_letters.count_max,
    };
    let entries_max = config.dispatch.queue_entries_max;
    let lanes = config.lane.count;
    let one = |lane: usize| {
        // One resync after the start is enough for all lanes.
        let resync = lane == 0 && !T::KEEPS_UNTOLD;
        let (outlet, intake) = outlet::outlet(entries_max, resync, metrics.clone());
        (outlet, (teller(lane), intake))
    };
    let (outlets, intakes) = (0..lanes).map(one).unzip();
    let dispatchers = Dispatchers { intakes, sweeper: teller(lanes) };
    Prepared { outlets, dispatchers, replay: Replay::new(teller(lanes + 1)) }
}

/// What tells others of entries, before it does.
pub(crate) struct Prepared<T, P> {
    /// One for each lane.
    pub(crate) outlets: Vec<Outlet>,
    pub(crate) dispatchers: Dispatchers<T, P>,
    pub(crate) replay: Replay<T, P>,
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
        let mut failures = 0;
        let mut unburied = 0;
        while let Some(mut gathered) = intake.next(teller.config.batch_entries_max).await {
            let hop = walk::hop!("message.dispatch");
            match self.tell(&mut gathered).instrument(hop).await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(failures, "im-presence takes dispatches again");
                    }
                    failures = 0;
                }
                Err(status) => {
                    if failures == 0 {
                        tracing::warn!(%status, "im-presence did not take a dispatch; trying on");
                    }
                    failures += 1;
                    self.give_up(&mut gathered, &status);
                }
            }
            match teller.bury(&mut gathered, failures).await {
                Ok(()) => unburied = 0,
                Err(error) => {
                    if unburied == 0 {
                        let error = in_one_line(&error);
                        tracing::warn!(error, "dead letters cannot be kept; trying on");
                    }
                    unburied += 1;
                }
            }
            teller.store.told(&intake.put_back(gathered));
            let worst = failures.max(unburied);
            if worst > 0 {
                if intake.is_closed() {
                    return;
                }
                tokio::time::sleep(self.pause(worst)).await;
            }
        }
    }

    /// Tells what there is to tell.
    async fn tell(&self, gathered: &mut Gathered) -> Result<(), Status> {
        if gathered.has_news() {
            let sent = self.teller.tell(gathered).await?;
            self.teller.told(&gathered.told(sent));
            self.teller.store.told(&gathered.resynced());
        }
        Ok(())
    }

    /// What has no prospect after this failure.
    fn give_up(&self, gathered: &mut Gathered, status: &Status) {
        // Refused as it is, it would be refused for ever and hold up what follows.
        if is_refusal(status) {
            self.teller.give_up(gathered, gathered.entries.len(), &refused(status));
            return;
        }
        let age_max = Duration::from_millis(self.teller.config.age_ms_max);
        if let Some(oldest) = Instant::now().checked_sub(age_max) {
            let count = gathered.older_first(oldest);
            let reason = format!("im-presence did not take it in time: {status}");
            self.teller.give_up(gathered, count, &reason);
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
