//! How loaded an instance is, as its callers see it.

mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}
mod latency;
#[cfg(test)]
mod latency_tests;
#[cfg(test)]
mod shuttled;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::Code;
use latency::Latency;

/// A failure counts as a call that took so long, if it did not take longer: an instance that fails
/// at once would otherwise look like the fastest. Such a value has faded after some ten seconds;
/// then a call finds out whether it still fails.
const FAILURE: Duration = Duration::from_secs(5);

/// With at least so many calls in flight, only one in [`SAMPLE`] is timed: reading the clock costs
/// as much as choosing an instance, and there are more than enough samples.
const TIMED_ALL_BELOW: usize = 8;
const SAMPLE: u8 = 8;

/// The calls in flight on an instance, and how long calls take there.
///
/// Two atomics, each of which stands alone: the count goes up and down with each call, and the
/// latency holds its value and its time in one word. A rule that reads both may see the count of
/// one moment and the latency of another, which is no worse than having read both a moment earlier
/// or later.
#[derive(Debug)]
pub(crate) struct Load {
    in_flight: AtomicUsize,
    latency: Latency,
    /// What times are counted from.
    born: Instant,
}

impl Default for Load {
    fn default() -> Self {
        let latency = Latency::default();
        Self { in_flight: AtomicUsize::new(0), latency, born: Instant::now() }
    }
}

impl Load {
    /// How many calls are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long calls take as of `now`, in nanoseconds; nothing before the first has ended.
    pub(crate) fn latency_ns(&self, now: Instant) -> Option<f64> {
        self.latency.read(self.since_born(now)).map(f64::from)
    }

    /// Counts a call that began at `began`; nothing for one whose time says nothing.
    pub(crate) fn begin(&self, began: Option<Instant>) -> InFlight<'_> {
        let others = self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { load: self, began, others }
    }

    /// Counts a call that streams until [`stream_ended`](Self::stream_ended); its time says nothing.
    pub(crate) fn stream_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells that a call that streams failed, and whether the instance is known to be down now.
    pub(crate) fn stream_failed(&self, code: Code, is_down: bool) {
        if is_fault(code) && !is_down {
            self.latency.observe(self.since_born(Instant::now()), FAILURE);
        }
    }

    pub(crate) fn stream_ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn since_born(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }
}

/// A call in flight: counted until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    load: &'a Load,
    /// When the call began; nothing once its time has been told, or if it is not to be.
    began: Option<Instant>,
    /// How many were in flight before it.
    others: usize,
}

impl InFlight<'_> {
    /// Tells that the call was answered, over a connection that was there when it began: what
    /// connecting takes says nothing of the calls to come. One that is dropped before this counts as
    /// having taken at least the time until then.
    pub(crate) fn succeeded(mut self, was_connected: bool) {
        let Some(began) = self.began.take() else { return };
        if was_connected && (self.others < TIMED_ALL_BELOW || fastrand::u8(..SAMPLE) == 0) {
            self.observe(began, Duration::ZERO);
        }
    }

    /// Tells that the call failed, and whether the instance is known to be down now.
    pub(crate) fn failed(mut self, code: Code, was_connected: bool, is_down: bool) {
        if is_answer(code) {
            return self.succeeded(was_connected);
        }
        let Some(began) = self.began.take() else { return };
        // What is down gets no calls, and need not be shunned once it has come back.
        if is_fault(code) && !is_down {
            self.observe(began, FAILURE);
        } else {
            self.at_least(began);
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
        self.load.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this code is as good an answer as any: what was asked for cannot be, and that was found out
/// as fast as anything else would have been.
fn is_answer(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
    )
}

/// Whether a failure with this code is the fault of the instance rather than of the request.
fn is_fault(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::Internal | Code::DataLoss)
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
        for code in [Code::Unavailable, Code::Internal, Code::ResourceExhausted] {
            load.begin(Some(Instant::now())).failed(code, true, false);
            assert!(latency(&load).unwrap() > 4 * Duration::from_secs(1), "{code}");
            tokio::time::advance(Duration::from_secs(15)).await;
            assert!(latency(&load).unwrap() < 10 * MS);
        }
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
