//! The bounded hand-over between a lane, which must never wait for im-presence, and its
//! dispatcher.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use im_common::{Priority, Weighed, WeightedQueue};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::given_up::Gathered;
use crate::conversation::ConvId;
use crate::entry::Entry;
use crate::metrics::{DispatchMetrics, count};

/// An entry that stands in its timeline and that others have to be told of.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) conv: ConvId,
    pub(crate) entry: Entry,
    /// When the store was given it, or found it.
    pub(crate) since: Instant,
    pub(crate) priority: Priority,
}

impl Weighed for Committed {
    fn key(&self) -> u64 {
        FixedState::default().hash_one(self.conv)
    }

    fn priority(&self) -> Priority {
        self.priority
    }

    fn size(&self) -> usize {
        1
    }
}

/// The lane's end.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Shared>);

/// The dispatcher's end.
#[derive(Debug)]
pub(super) struct Intake(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
    entries_max: usize,
    metrics: DispatchMetrics,
}

#[derive(Debug)]
struct Waiting {
    /// What the dispatcher had in hand and could not tell, and what became of other entries.
    gathered: Gathered,
    /// What it did not have in hand yet.
    queue: WeightedQueue<Committed>,
    closed: bool,
}

/// A hand-over with room for `entries_max` entries. With `resync`, the dispatcher begins with one.
pub(super) fn outlet(
    entries_max: usize,
    resync: bool,
    metrics: DispatchMetrics,
) -> (Outlet, Intake) {
    let gathered = Gathered::beginning(resync);
    let waiting = Mutex::new(Waiting { gathered, queue: WeightedQueue::default(), closed: false });
    let shared = Arc::new(Shared { waiting, changed: Notify::new(), entries_max, metrics });
    (Outlet(shared.clone()), Intake(shared))
}

impl Outlet {
    /// Adds entries behind those that wait with the same priority. Beyond the bound the oldest are given
    /// up, because the newest are the likeliest to be looked at, and a resync stands for the rest. Answers with
    /// the msg_ids of those of which nothing more is remembered.
    pub(crate) fn offer(&self, entries: Vec<Committed>) -> Vec<i64> {
        if entries.is_empty() {
            return Vec::new();
        }
        let mut waiting = self.0.lock();
        self.0.metrics.waiting.increment(count(entries.len()));
        entries.into_iter().for_each(|entry| waiting.queue.push(entry));
        let forgotten = self.0.cut(&mut waiting);
        drop(waiting);
        self.0.changed.notify_one();
        forgotten
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Intake {
    /// Waits for something to tell; at most `entries_max` entries, the oldest. `None` once the
    /// lane has gone and there is nothing more. Cancel safe.
    pub(super) async fn next(&self, entries_max: usize) -> Option<Gathered> {
        loop {
            // A permit is kept when nobody listens, so what comes in between is not missed.
            if let Some(outcome) = self.0.take(entries_max) {
                return outcome;
            }
            self.0.changed.notified().await;
        }
    }

    /// Puts what was not told in front of what came since; the msg_ids of those of which nothing
    /// more is remembered.
    pub(super) fn put_back(&self, untold: Gathered) -> Vec<i64> {
        if untold.is_empty() {
            return Vec::new();
        }
        let mut waiting = self.0.lock();
        let since = std::mem::replace(&mut waiting.gathered, untold);
        waiting.gathered.extend(since);
        self.0.cut(&mut waiting)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self, Waiting { gathered, queue, .. }: &mut Waiting) -> Vec<i64> {
        let excess = (gathered.entries.len() + queue.len()).saturating_sub(self.entries_max);
        // What was in hand first: it has waited for longest.
        while gathered.entries.len() < excess
            && let Some(oldest) = queue.pop_lowest()
        {
            gathered.entries.push_back(oldest);
        }
        gathered.give_up(excess, "more entries waited for im-presence than there is room for");
        self.metrics.gave_up(excess);
        gathered.cut()
    }

    /// Outer `None`: nothing yet. Inner `None`: nothing ever again.
    fn take(&self, entries_max: usize) -> Option<Option<Gathered>> {
        let mut waiting = self.lock();
        let Waiting { gathered, queue, closed } = &mut *waiting;
        if gathered.is_empty() && queue.is_empty() {
            return closed.then_some(None);
        }
        let mut taken = gathered.take(entries_max);
        while taken.entries.len() < entries_max
            && let Some(next) = queue.pop()
        {
            taken.entries.push_back(next);
        }
        Some(Some(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Content;

    fn new(entries_max: usize, resync: bool) -> (Outlet, Intake) {
        outlet(entries_max, resync, DispatchMetrics::new())
    }

    fn entries(seqs: impl IntoIterator<Item = i64>) -> Vec<Committed> {
        of(1, Priority::Normal, seqs)
    }

    fn of(group: i64, priority: Priority, seqs: impl IntoIterator<Item = i64>) -> Vec<Committed> {
        let entry = |seq| Entry {
            seq,
            msg_id: seq,
            author: 1,
            ts_ms: 0,
            content: Content::Joined,
            device: String::new(),
        };
        let (conv, since) = (ConvId::Group(group), Instant::now());
        let committed = |seq| Committed { conv, entry: entry(seq), since, priority };
        seqs.into_iter().map(committed).collect()
    }

    fn seqs(gathered: &Gathered) -> Vec<i64> {
        gathered.entries.iter().map(|committed| committed.entry.seq).collect()
    }

    #[tokio::test]
    async fn what_gathered_is_taken_in_order_and_in_pieces() {
        let (outlet, intake) = new(10, false);
        outlet.offer(entries(1..=3));
        outlet.offer(entries(4..=5));
        assert_eq!(seqs(&intake.next(4).await.unwrap()), [1, 2, 3, 4]);
        assert_eq!(seqs(&intake.next(4).await.unwrap()), [5]);
    }

    #[tokio::test]
    async fn what_is_urgent_overtakes_what_waits_but_not_what_is_in_hand() {
        let (outlet, intake) = new(10, false);
        outlet.offer(entries(1..=3));
        let in_hand = intake.next(1).await.unwrap();
        outlet.offer(of(2, Priority::Urgent, 4..=5));
        // Within a conversation nothing overtakes.
        outlet.offer(of(1, Priority::Urgent, 6..=6));
        intake.put_back(in_hand);
        assert_eq!(seqs(&intake.next(9).await.unwrap()), [1, 4, 5, 2, 3, 6]);
    }

    #[tokio::test]
    async fn beyond_the_bound_what_is_low_goes_before_what_is_urgent() {
        let (outlet, intake) = new(3, false);
        outlet.offer(of(1, Priority::Urgent, 1..=2));
        outlet.offer(of(2, Priority::Low, 3..=4));
        outlet.offer(entries(5..=5));
        let rest = intake.next(9).await.unwrap();
        assert_eq!((seqs(&rest), rest.resync), (vec![1, 2, 5], true));
    }

    #[tokio::test]
    async fn what_was_put_back_comes_first_again() {
        let (outlet, intake) = new(10, true);
        outlet.offer(entries(1..=3));
        let untold = intake.next(2).await.unwrap();
        assert!(untold.resync);
        outlet.offer(entries(4..=4));
        intake.put_back(untold);
        let again = intake.next(9).await.unwrap();
        assert_eq!((seqs(&again), again.resync), (vec![1, 2, 3, 4], true));
    }

    #[tokio::test]
    async fn beyond_the_bound_the_oldest_are_forgotten_and_a_resync_stands_for_them() {
        let (outlet, intake) = new(3, false);
        outlet.offer(entries(1..=3));
        let untold = intake.next(2).await.unwrap();
        assert!(!untold.resync);
        assert_eq!(outlet.offer(entries(4..=5)), [0; 0]);
        assert_eq!(intake.put_back(untold), [0; 0]);
        let rest = intake.next(9).await.unwrap();
        assert_eq!((seqs(&rest), rest.resync), (vec![3, 4, 5], true));
        let given_up: Vec<_> = rest.given_up.iter().map(|given_up| given_up.seq).collect();
        assert_eq!(given_up, [1, 2]);
    }

    #[tokio::test]
    async fn the_dispatcher_ends_once_the_lane_has_gone_and_all_is_told() {
        let (outlet, intake) = new(3, false);
        outlet.offer(entries(1..=1));
        drop(outlet);
        assert_eq!(seqs(&intake.next(9).await.unwrap()), [1]);
        assert!(intake.next(9).await.is_none());
    }
}
