//! The bound on the calls that a server has at work, on all its connections together.
//!
//! If each call touched one count, the server's threads would contend for it. So a connection takes
//! places for several calls when it has none to spare, and gives back those that it does not need
//! once it has handled what came: the count is touched twice for all that is read at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};

use super::complaints::Complaints;
use crate::Status;

/// How many places a connection takes at once, of many.
const BATCH_MAX: usize = 32;

/// Which part of all places that may be at most: of few, each counts.
const BATCH_OF: usize = 64;

/// See the module.
pub(crate) struct AtWork {
    max: usize,
    batch: usize,
    taken: AtomicUsize,
    /// Whether somebody waits for `freed`.
    waited_for: AtomicBool,
    freed: Notify,
    /// Those who wait do so one behind the other; the first waits for `freed`.
    turn: Mutex<()>,
    complaints: Complaints,
}

impl AtWork {
    /// How many calls may be at work unless a server is told otherwise.
    pub(super) const MAX: usize = 65_536;

    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self {
            max,
            batch: (max / BATCH_OF).clamp(1, BATCH_MAX),
            taken: AtomicUsize::new(0),
            waited_for: AtomicBool::new(false),
            freed: Notify::new(),
            turn: Mutex::new(()),
            complaints: Complaints::new(),
        }
    }

    /// For a connection, which has none yet.
    pub(crate) fn places(self: &Arc<Self>) -> Places {
        Places { of: Arc::clone(self), places: 0 }
    }

    /// Takes up to `wanted` places, as many as there are.
    fn take(&self, wanted: usize) -> usize {
        let mut got = 0;
        let _ = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
            got = wanted.min(self.max - taken);
            (got > 0).then_some(taken + got)
        });
        got
    }

    /// In one order with [`Places::wait`]: either what is freed is seen there, or who waits is seen
    /// here.
    fn free(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::SeqCst);
        if self.waited_for.load(Ordering::SeqCst) {
            self.freed.notify_one();
        }
    }

    fn complain(&self, what: &'static str) {
        if let Some(unlogged) = self.complaints.next() {
            tracing::warn!(calls = self.max, unlogged, "too many calls at work; {what}");
        }
    }
}

/// The places of one connection. Dropped, they are free.
pub(crate) struct Places {
    of: Arc<AtWork>,
    places: usize,
}

impl Places {
    /// Whether there is a place for one more call beside `at_work` of this connection.
    pub(crate) fn has_one_beside(&mut self, at_work: usize) -> bool {
        let missing = (at_work + 1).saturating_sub(self.places);
        if missing == 0 {
            return true;
        }
        // What is free is for those who wait: they would hardly ever get a place before who can
        // come again at once.
        if self.of.waited_for.load(Ordering::SeqCst) {
            return false;
        }
        self.places += self.of.take(missing.max(self.of.batch));
        self.places > at_work
    }

    /// Keeps the places of `at_work` calls, and lets the others go.
    pub(crate) fn keep(&mut self, at_work: usize) {
        let spare = self.places.saturating_sub(at_work);
        if spare > 0 {
            self.places -= spare;
            self.of.free(spare);
        }
    }

    /// The answer to a call for which there is none.
    pub(crate) fn refusal(&self) -> Status {
        metrics::counter!("mprpc_calls_refused_total").increment(1);
        self.of.complain("refusing more");
        Status::unavailable(format!("the server has {} calls at work already", self.of.max))
            .not_executed()
    }

    /// Waits for a place, behind those who waited before. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        metrics::counter!("mprpc_calls_held_up_total").increment(1);
        self.of.complain("one on the classic wire waits");
        let _turn = self.of.turn.lock().await;
        let _waiting = Waiting::begin(&self.of.waited_for);
        loop {
            let got = self.of.take(1);
            if got > 0 {
                self.places += got;
                return;
            }
            self.of.freed.notified().await;
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.keep(0);
    }
}

/// Says that somebody waits for as long as it lives.
struct Waiting<'a>(&'a AtomicBool);

impl<'a> Waiting<'a> {
    fn begin(waited_for: &'a AtomicBool) -> Self {
        waited_for.store(true, Ordering::SeqCst);
        Self(waited_for)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_whoever_takes_them() {
        let at_work = Arc::new(AtWork::new(100));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut places = at_work.places();
                    for round in 0..2_000 {
                        let mut calls = 0;
                        while calls < 40 && places.has_one_beside(calls) {
                            calls += 1;
                        }
                        assert!(at_work.taken.load(Ordering::SeqCst) <= 100);
                        places.keep(round % (calls + 1));
                    }
                });
            }
        });
        assert_eq!(at_work.taken.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_connection_keeps_what_it_needs_and_no_more() {
        let at_work = Arc::new(AtWork::new(AtWork::MAX));
        let taken = || at_work.taken.load(Ordering::SeqCst);
        let mut places = at_work.places();
        assert!((0..10).all(|calls| places.has_one_beside(calls)));
        assert_eq!(taken(), BATCH_MAX);
        places.keep(10);
        assert_eq!(taken(), 10);
        // Calls that are over by now were answered; their places are to spare.
        assert!(places.has_one_beside(3));
        places.keep(4);
        assert_eq!(taken(), 4);
        drop(places);
        assert_eq!(taken(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_who_wait_get_a_place_in_the_end() {
        let at_work = Arc::new(AtWork::new(2));
        let waiting: Vec<_> = (0..500)
            .map(|_| {
                let mut places = at_work.places();
                tokio::spawn(async move {
                    places.wait().await;
                    tokio::task::yield_now().await;
                })
            })
            .collect();
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(at_work.taken.load(Ordering::SeqCst), 0);
    }

    /// Those who do not wait come again, as often as their callers call.
    #[tokio::test]
    async fn a_place_that_somebody_waits_for_goes_to_nobody_else() {
        let at_work = Arc::new(AtWork::new(1));
        let mut taken = at_work.places();
        assert!(taken.has_one_beside(0));
        let (mut waiting, mut other) = (at_work.places(), at_work.places());
        {
            let mut waits = Box::pin(waiting.wait());
            assert!(futures_util::poll!(waits.as_mut()).is_pending());
            drop(taken);
            assert!(!other.has_one_beside(0));
            waits.await;
        }
        drop(waiting);
        assert!(other.has_one_beside(0));
    }

    /// Who stops waiting hands on what it was told.
    #[tokio::test]
    async fn one_who_gives_up_does_not_keep_the_next_from_its_place() {
        let at_work = Arc::new(AtWork::new(1));
        let mut taken = at_work.places();
        assert!(taken.has_one_beside(0));
        let [mut first, mut second] = [at_work.places(), at_work.places()];
        let mut first = Box::pin(first.wait());
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(second.wait());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(taken);
        drop(first);
        second.await;
    }
}
