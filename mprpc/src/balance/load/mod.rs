//! How loaded an instance is, as its callers see it.

mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}
mod counts;
mod latency;
#[cfg(test)]
mod latency_tests;
#[cfg(test)]
mod shuttled;
mod verdict;

use std::time::Duration;

use tokio::time::Instant;

use crate::Code;
use counts::{Counted, Counts};
use latency::Latency;
use verdict::Verdict;

/// A failure counts as a call that took so long, if it did not take longer: an instance that fails
/// at once would otherwise look like the fastest. Such a value has faded after some ten seconds;
/// then a call finds out whether it still fails.
const FAILURE: Duration = Duration::from_secs(5);

/// So many calls that are refused in a row count as a failure, and each one after them.
const REFUSALS: usize = 3;

/// With at least so many calls in flight, only one in [`SAMPLE`] is timed: reading the clock costs
/// as much as choosing an instance, and there are more than enough samples.
const TIMED_ALL_BELOW: usize = 8;
const SAMPLE: u8 = 8;

/// The calls in flight on an instance, and how long calls take there.
///
/// Atomics, each of which stands alone: the counts go up and down with each call, and the latency
/// holds its value and its time in one word. A rule that reads both may see the count of one moment
/// and the latency of another, which is no worse than having read both a moment earlier or later.
#[derive(Debug)]
pub(crate) struct Load {
    counts: Counts,
    latency: Latency,
    /// What times are counted from.
    born: Instant,
}

impl Default for Load {
    fn default() -> Self {
        let (counts, latency) = Default::default();
        Self { counts, latency, born: Instant::now() }
    }
}

impl Load {
    /// How many calls are in flight that do not stream.
    pub(crate) fn in_flight(&self) -> usize {
        self.counts.calls()
    }

    /// How many calls that stream are open.
    pub(crate) fn streams(&self) -> usize {
        self.counts.streams()
    }

    /// How long calls take as of `now`, in nanoseconds; nothing before the first has ended.
    pub(crate) fn latency_ns(&self, now: Instant) -> Option<f64> {
        self.latency.read(self.since_born(now)).map(f64::from)
    }

    /// The same, without what has faded since a call last ended.
    pub(crate) fn latency_unfaded_ns(&self) -> Option<f64> {
        self.latency.unfaded().map(f64::from)
    }

    /// Counts a call that began at `began`; nothing for one whose time says nothing.
    pub(crate) fn begin(&self, began: Option<Instant>) -> InFlight<'_> {
        InFlight { counted: self.counts.call(), load: self, began }
    }

    /// Counts a call that streams until [`stream_ended`](Self::stream_ended); its time says nothing.
    pub(crate) fn stream_began(&self) {
        self.counts.stream_began();
    }

    /// Tells that a call that streams was answered, if only in part.
    pub(crate) fn stream_answered(&self) {
        self.counts.answered();
    }

    /// Tells that a call that streams failed, and whether the instance is known to be down now.
    pub(crate) fn stream_failed(&self, code: Code, is_down: bool) {
        if self.is_fault(code) && !is_down {
            self.failed();
        }
    }

    pub(crate) fn stream_ended(&self) {
        self.counts.stream_ended();
    }

    /// Whether a call that ended with this code makes the instance one that fails.
    fn is_fault(&self, code: Code) -> bool {
        match Verdict::of(code) {
            Verdict::Fault => true,
            Verdict::Refusal => self.counts.refused() >= REFUSALS,
            Verdict::Answer => {
                self.counts.answered();
                false
            }
            Verdict::Late => false,
        }
    }

    fn failed(&self) {
        self.latency.observe(self.since_born(Instant::now()), FAILURE);
    }

    fn since_born(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }
}

/// A call in flight: counted until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    counted: Counted<'a>,
    load: &'a Load,
    /// When the call began; nothing once its time has been told, or if it is not to be.
    began: Option<Instant>,
}

impl InFlight<'_> {
    /// Tells that the call was answered, over a connection that was there when it began: what
    /// connecting takes says nothing of the calls to come. One that is dropped before this counts as
    /// having taken at least the time until then.
    pub(crate) fn succeeded(mut self, was_connected: bool) {
        self.load.counts.answered();
        self.answered(was_connected);
    }

    /// Tells that the call failed, and whether the instance is known to be down now.
    pub(crate) fn failed(mut self, code: Code, was_connected: bool, is_down: bool) {
        if Verdict::of(code) == Verdict::Answer {
            return self.succeeded(was_connected);
        }
        // What is down gets no calls, and need not be shunned once it has come back.
        let is_fault = self.load.is_fault(code) && !is_down;
        match self.began.take() {
            Some(began) if is_fault => self.observe(began, FAILURE),
            Some(began) => self.at_least(began),
            // Its time says nothing, and that it failed does.
            None if is_fault => self.load.failed(),
            None => {}
        }
    }

    fn answered(&mut self, was_connected: bool) {
        let Some(began) = self.began.take() else { return };
        if was_connected && (self.counted.others < TIMED_ALL_BELOW || fastrand::u8(..SAMPLE) == 0) {
            self.observe(began, Duration::ZERO);
        }
    }

    fn observe(&self, began: Instant, least: Duration) {
        let now = Instant::now();
        self.load.latency.observe(self.load.since_born(now), (now - began).max(least));
    }

    /// What ended early, perhaps because its caller would not wait, says how slow an instance is
    /// and never how fast.
    fn at_least(&self, began: Instant) {
        let now = Instant::now();
        self.load.latency.at_least(self.load.since_born(now), now - began);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(began) = self.began.take() {
            self.at_least(began);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn latency(load: &Load) -> Option<Duration> {
        load.latency_ns(Instant::now()).map(|ns| Duration::from_secs_f64(ns / 1e9))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_counts_while_it_lives_and_its_time_when_it_has_ended() {
        let load = Load::default();
        let call = load.begin(Some(Instant::now()));
        assert_eq!((load.in_flight(), latency(&load)), (1, None));
        tokio::time::advance(10 * MS).await;
        call.succeeded(true);
        assert_eq!(load.in_flight(), 0);
        assert!(latency(&load).unwrap().abs_diff(10 * MS) < MS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_connecting_took_does_not_count() {
        let load = Load::default();
        let call = load.begin(Some(Instant::now()));
        tokio::time::advance(10 * MS).await;
        call.succeeded(false);
        assert_eq!((load.in_flight(), latency(&load)), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_counts_as_slow_and_is_forgotten() {
        let load = Load::default();
        for code in [Code::Unavailable, Code::Internal, Code::ResourceExhausted, Code::Unknown] {
            load.begin(Some(Instant::now())).failed(code, true, false);
            assert!(latency(&load).unwrap() > 4 * Duration::from_secs(1), "{code}");
            tokio::time::advance(Duration::from_secs(15)).await;
            assert!(latency(&load).unwrap() < 10 * MS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_count_as_a_failure_only_in_a_row() {
        let load = Load::default();
        let begin = || load.begin(Some(Instant::now()));
        let is_shunned = || latency(&load).is_some_and(|latency| latency > FAILURE / 2);
        for _ in 0..10 {
            begin().failed(Code::Unauthenticated, true, false);
            begin().failed(Code::Unimplemented, true, false);
            assert!(!is_shunned());
            // One for whom no time is taken answers, too.
            load.begin(None).succeeded(true);
        }
        load.stream_failed(Code::PermissionDenied, false);
        load.stream_failed(Code::PermissionDenied, false);
        load.stream_answered();
        begin().failed(Code::Cancelled, true, false);
        begin().failed(Code::Cancelled, true, false);
        assert!(!is_shunned());
        load.begin(None).failed(Code::Cancelled, true, false);
        assert!(is_shunned());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_says_no_and_an_instance_that_is_away_are_no_faults() {
        let load = Load::default();
        load.begin(Some(Instant::now())).failed(Code::NotFound, true, false);
        load.begin(Some(Instant::now())).failed(Code::Unavailable, true, true);
        assert!(latency(&load).is_none_or(|latency| latency < MS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_says_how_slow_it_was_and_not_how_fast() {
        let load = Load::default();
        let call = load.begin(Some(Instant::now()));
        tokio::time::advance(100 * MS).await;
        drop(call);
        assert!(latency(&load).unwrap() > 99 * MS);
        drop(load.begin(Some(Instant::now())));
        assert!(latency(&load).unwrap() > 99 * MS);
        assert_eq!(load.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_in_flight_a_sample_is_timed() {
        fastrand::seed(7);
        let load = Load::default();
        let calls: Vec<_> = (0..100).map(|_| load.begin(Some(Instant::now()))).collect();
        tokio::time::advance(10 * MS).await;
        calls.into_iter().skip(TIMED_ALL_BELOW).for_each(|call| call.succeeded(true));
        assert!(latency(&load).unwrap() > 9 * MS);
    }
}
