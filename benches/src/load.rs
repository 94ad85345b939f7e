//! The loops: a fixed number of slots with one call in flight each, made at once (a closed loop) or
//! when it is due (an open one, see [`Pace`]).
//!
//! A slot owns its histogram, so nothing is shared between tasks while the clock runs; they are
//! merged at the end. Calls that finish during the warm-up or after the end are not counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::pace::Pace;

/// Longest latency the histograms tell apart; longer ones count as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);
/// How long a slot waits after a failed call, so that a dead server is not hammered.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// Share of the measured time that is spent warming up before it.
const WARM_UP_DIVISOR: u32 = 5;
/// The warm-up never takes longer than this.
const WARM_UP_MAX: Duration = Duration::from_secs(1);

/// The span of time in which finished calls count.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// End of the warm-up.
    pub begin: Instant,
    /// When the slots stop.
    pub end: Instant,
}

impl Window {
    /// A window of `measured`, starting after a warm-up of a fifth of it, at most one second.
    pub fn starting_now(measured: Duration) -> Self {
        let begin = Instant::now() + (measured / WARM_UP_DIVISOR).min(WARM_UP_MAX);
        Self { begin, end: begin + measured }
    }

    /// Whether something that finished at `at` counts.
    pub fn counts(&self, at: Instant) -> bool {
        self.begin <= at && at < self.end
    }

    /// The measured time.
    pub fn length(&self) -> Duration {
        self.end - self.begin
    }
}

/// What was seen during a window.
#[derive(Debug)]
pub struct Tally {
    /// Latencies in nanoseconds, one per counted call.
    pub latency_ns: Histogram<u32>,
    /// Calls that were answered, at any time.
    pub finished: u64,
    /// Calls that failed, at any time.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
    /// When the first and the last of them failed.
    failed_between: Option<(Instant, Instant)>,
}

impl Default for Tally {
    fn default() -> Self {
        // Two digits (1 %) keep a slot's histogram so small that hundreds of them stay in the cache.
        let max_ns = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
        let latency_ns = Histogram::new_with_bounds(1, max_ns, 2)
            .unwrap_or_else(|_| unreachable!("legal bounds"));
        Self { latency_ns, finished: 0, errors: 0, first_error: None, failed_between: None }
    }
}

impl Tally {
    /// Counts one success.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency_ns.saturating_record(ns);
    }

    /// Counts one failure.
    pub fn fail(&mut self, error: impl ToString) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
        let now = Instant::now();
        self.failed_between.get_or_insert((now, now)).1 = now;
    }

    /// The time from the first failure to the last one.
    pub fn failing(&self) -> Duration {
        self.failed_between.map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// Adds another slot's tally to this one.
    pub fn merge(&mut self, other: &Self) {
        self.finished += other.finished;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        self.failed_between = match (self.failed_between, other.failed_between) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, None) | (None, one) => one,
        };
        // Cannot fail: all have the same bounds.
        let _ = self.latency_ns.add(&other.latency_ns);
    }
}

/// A handle that can make echo calls on one connection; each slot has its own clone.
pub trait Caller: Clone + Send + 'static {
    /// Sends `payload` and returns what came back.
    fn call(&mut self, payload: Bytes) -> impl Future<Output = anyhow::Result<Bytes>> + Send;

    /// The same, where the server sleeps for `delay` before it answers.
    fn call_slowly(
        &mut self,
        _payload: Bytes,
        _delay: Duration,
    ) -> impl Future<Output = anyhow::Result<Bytes>> + Send {
        async { anyhow::bail!("slow calls are made to mprpc only") }
    }
}

/// What the slots do.
#[derive(Clone, Debug)]
pub struct Work {
    /// What each call sends.
    pub payload: Bytes,
    /// How many of a hundred calls the server is to sleep for; their latencies are not counted.
    pub slow_percent: u8,
    /// How long it sleeps then.
    pub slow_for: Duration,
    /// When finished calls count.
    pub window: Window,
    /// When calls are made; nothing: one as soon as that before it has ended.
    pub pace: Option<Arc<Pace>>,
}

/// Makes calls through clones of `caller` until the window ends, up to `slots` at once.
pub async fn all_slots<C: Caller>(caller: C, slots: usize, work: Work) -> Tally {
    let mut running = JoinSet::new();
    for _ in 0..slots {
        running.spawn(one_slot(caller.clone(), work.clone()));
    }
    merge_all(running).await
}

/// Waits for all tasks and adds up what they saw. A task that panicked counts as one error.
pub async fn merge_all(mut running: JoinSet<Tally>) -> Tally {
    let mut total = Tally::default();
    while let Some(finished) = running.join_next().await {
        match finished {
            Ok(tally) => total.merge(&tally),
            Err(panicked) => total.fail(panicked),
        }
    }
    total
}

async fn one_slot<C: Caller>(mut caller: C, work: Work) -> Tally {
    let Work { payload, slow_percent, slow_for, window, pace } = work;
    let mut tally = Tally::default();
    let mut started = Instant::now();
    while started < window.end {
        if let Some(pace) = &pace {
            let Some(intended) = pace.next().await else { break };
            started = intended;
        }
        let slow = slow_percent > 0 && fastrand::u8(..100) < slow_percent;
        let outcome = if slow {
            caller.call_slowly(payload.clone(), slow_for).await
        } else {
            caller.call(payload.clone()).await
        };
        let finished = Instant::now();
        match outcome {
            Ok(echo) if echo.len() == payload.len() => {
                tally.finished += 1;
                if !slow && window.counts(finished) {
                    tally.record(finished - started);
                }
                started = finished;
            }
            Ok(echo) => tally.fail(format!("sent {} bytes, got {}", payload.len(), echo.len())),
            Err(error) => tally.fail(format!("{error:#}")),
        }
        if started != finished {
            tokio::time::sleep(ERROR_PAUSE).await;
            started = Instant::now();
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const MEASURED: Duration = Duration::from_millis(50);

    fn work(window: Window) -> Work {
        let payload = Bytes::from_static(b"x");
        Work { payload, slow_percent: 0, slow_for: Duration::ZERO, window, pace: None }
    }

    #[derive(Clone, Default)]
    struct Counting {
        calls: Arc<AtomicU64>,
        fails: bool,
    }

    impl Caller for Counting {
        async fn call(&mut self, payload: Bytes) -> anyhow::Result<Bytes> {
            tokio::task::yield_now().await;
            self.calls.fetch_add(1, Ordering::Relaxed);
            anyhow::ensure!(!self.fails, "no");
            Ok(payload)
        }
    }

    #[tokio::test]
    async fn only_calls_that_finish_in_the_window_are_counted() {
        let caller = Counting::default();
        let window = Window::starting_now(MEASURED);
        let tally = all_slots(caller.clone(), 4, work(window)).await;
        let calls = caller.calls.load(Ordering::Relaxed);
        let counted = tally.latency_ns.len();
        assert!(0 < counted && counted < calls, "{counted} of {calls}: the warm-up is left out");
        assert_eq!(tally.errors, 0);
        assert!(!window.counts(window.end) && window.counts(window.begin));
    }

    #[tokio::test]
    async fn failed_calls_are_errors_and_never_latencies() {
        let caller = Counting { fails: true, ..Counting::default() };
        let window = Window::starting_now(MEASURED);
        let tally = all_slots(caller.clone(), 2, work(window)).await;
        assert_eq!(tally.latency_ns.len(), 0);
        assert_eq!(tally.errors, caller.calls.load(Ordering::Relaxed));
        assert_eq!(tally.first_error.as_deref(), Some("no"));
    }
}
