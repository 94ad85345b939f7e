//! What was seen during the measured time.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// Longest latency that is told apart; longer ones count as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);
/// Share of the measured time that is spent warming up before it, and the most it takes.
const WARM_UP_DIVISOR: u32 = 5;
const WARM_UP_MAX: Duration = Duration::from_secs(1);
/// The most it takes for everybody to have sent something.
const TURNS_MAX: Duration = Duration::from_secs(10);

/// The time in which what arrives counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

impl Window {
    /// Begins once it is warm, and everybody has had their `turns`: first messages make conversations.
    pub(super) fn starting_now(measured: Duration, turns: Duration) -> Self {
        let warm_up = (measured / WARM_UP_DIVISOR).min(WARM_UP_MAX);
        let begin = Instant::now() + warm_up.max(turns.min(TURNS_MAX));
        Self { begin, end: begin + measured }
    }

    pub(super) fn counts(&self, at: Instant) -> bool {
        self.begin <= at && at < self.end
    }

    pub(super) fn length(&self) -> Duration {
        self.end - self.begin
    }
}

/// Counts of all users.
#[derive(Debug)]
pub(super) struct Tally {
    /// From sending, or from when it was due, to being shown; in nanoseconds.
    pub(super) latency_ns: Histogram<u32>,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) shown: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        // Two digits: 1 %.
        let max_ns = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
        let latency_ns = Histogram::new_with_bounds(1_000, max_ns, 2)
            .unwrap_or_else(|_| unreachable!("legal bounds"));
        let (sent, acknowledged, shown, errors) = (0, 0, 0, 0);
        Self { latency_ns, sent, acknowledged, shown, errors, first_error: None }
    }
}

impl Tally {
    pub(super) fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency_ns.saturating_record(ns);
    }

    pub(super) fn fail(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}
