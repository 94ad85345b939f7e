//! Lanes: how single messages become batches, and why two of one sender never change places.
//!
//! A conversation belongs to one lane, by its hash. A lane writes one batch at a time, and its
//! next batch is whatever gathered while the last one was being committed. Nothing waits for a
//! timer: a lone message goes at once, and a hot group batches by itself.
//!
//! Where more gathered than a batch takes, conversations take turns by the weight of what is written
//! to them; what is written to one keeps its order.
//!
//! A lane finishes what it was handed. A caller that gives up only stops waiting for the answer:
//! were its messages taken out of the line, what it sent next would stand in their place.
//!
//! Which lane, or which process, a conversation falls to is a matter of speed. Numbers and order
//! come from the store alone.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use im_common::{Clock, Priority, Tasks, Weighed, WeightedQueue, walk};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use crate::config::LaneConfig;
use crate::conversation::ConvId;
use crate::dispatch::{Committed, Outlet};
use crate::entry::{Entry, NewEntry};
use crate::metrics::{LaneMetrics, count};
use crate::store::{AppendError, Appended, Timeline};

/// One answer for each entry of a submission, in its order.
pub(crate) type Answers = Vec<Result<Appended, AppendError>>;

/// Why a submission was not taken.
#[derive(Debug, Error)]
pub(crate) enum LaneError {
    /// Nothing of it will be written.
    #[error("the lane is full")]
    Full,
    /// Nothing of it will be written, unless the lane failed while it was at work.
    #[error("the lane is closed")]
    Closed,
}

/// The way into the store. Dropping it lets the lanes finish what they have and end.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    metrics: LaneMetrics,
}

#[derive(Debug)]
struct Lane {
    queue: mpsc::UnboundedSender<Submission>,
    /// One permit an entry that waits or is being written: this is what bounds the queue.
    room: Arc<Semaphore>,
}

/// Entries of one conversation that stay together and in order.
#[derive(Debug)]
struct Submission {
    conv: ConvId,
    entries: Vec<NewEntry>,
    answer: oneshot::Sender<Answers>,
    _room: OwnedSemaphorePermit,
}

impl Weighed for Submission {
    fn key(&self) -> u64 {
        FixedState::default().hash_one(self.conv)
    }

    fn priority(&self) -> Priority {
        self.entries.first().map_or(Priority::Normal, |entry| entry.priority)
    }

    fn size(&self) -> usize {
        self.entries.len()
    }
}

impl Lanes {
    /// One lane for each outlet: what a lane commits goes to its outlet, in order. Nothing is
    /// written before [`Workers::start`].
    pub(crate) fn prepare<T: Timeline>(
        config: &LaneConfig,
        store: &Arc<T>,
        clock: &Clock,
        outlets: Vec<Outlet>,
    ) -> (Self, Workers<T>) {
        let metrics = LaneMetrics::new();
        let one = |outlet| {
            let (queue, submissions) = mpsc::unbounded_channel();
            let worker = Worker {
                submissions,
                store: store.clone(),
                clock: clock.clone(),
                outlet,
                batch_entries_max: config.batch_entries_max,
                metrics: metrics.clone(),
            };
            (Lane { queue, room: Arc::new(Semaphore::new(config.queue_entries_max)) }, worker)
        };
        let (lanes, workers) = outlets.into_iter().map(one).unzip();
        (Self { lanes, metrics }, Workers(workers))
    }

    /// Writes `entries`, all of them of `conv`, and answers once they are durable.
    ///
    /// Cancel safety: once polled, the entries are in the lane and will be written.
    ///
    /// # Errors
    /// As [`LaneError`]; refusals of single entries are among the answers.
    pub(crate) async fn append(
        &self,
        conv: ConvId,
        entries: Vec<NewEntry>,
    ) -> Result<Answers, LaneError> {
        debug_assert!(entries.iter().all(|entry| entry.conv == conv));
        let lane = self.lane_of(conv);
        let length = entries.len();
        let room = u32::try_from(length).ok().and_then(|length| {
            let room = lane.room.clone();
            room.try_acquire_many_owned(length).ok()
        });
        let Some(room) = room else {
            self.metrics.turned_away.increment(length as u64);
            return Err(LaneError::Full);
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission { conv, entries, answer, _room: room };
        lane.queue.send(submission).map_err(|_| LaneError::Closed)?;
        self.metrics.waiting.increment(count(length));
        answered.await.map_err(|_| LaneError::Closed)
    }

    fn lane_of(&self, conv: ConvId) -> &Lane {
        // The same in every process, so that callers can use it to choose an instance.
        let hash = FixedState::default().hash_one(conv);
        let lanes = self.lanes.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of lanes")]
        &self.lanes[(hash % lanes) as usize]
    }
}

/// The tasks of all lanes, before they run.
#[must_use = "without it nothing is written"]
pub(crate) struct Workers<T>(Vec<Worker<T>>);

impl<T: Timeline> Workers<T> {
    pub(crate) fn start(self, tasks: &Tasks) {
        for worker in self.0 {
            tasks.spawn("lane", worker.run());
        }
    }
}

/// The task of a lane.
struct Worker<T> {
    submissions: mpsc::UnboundedReceiver<Submission>,
    store: Arc<T>,
    clock: Clock,
    outlet: Outlet,
    batch_entries_max: usize,
    metrics: LaneMetrics,
}

impl<T: Timeline> Worker<T> {
    async fn run(mut self) {
        let mut waiting = WeightedQueue::default();
        while let Some(first) = self.submissions.recv().await {
            waiting.push(first);
            while !waiting.is_empty() {
                while let Ok(next) = self.submissions.try_recv() {
                    waiting.push(next);
                }
                self.commit(self.next_batch(&mut waiting)).await;
            }
        }
    }

    /// The last submission may take the batch past its bound: it is not torn apart.
    fn next_batch(&self, waiting: &mut WeightedQueue<Submission>) -> Vec<Submission> {
        let (mut gathered, mut count) = (Vec::new(), 0);
        while count < self.batch_entries_max
            && let Some(next) = waiting.pop()
        {
            count += next.entries.len();
            gathered.push(next);
        }
        gathered
    }

    async fn commit(&self, gathered: Vec<Submission>) {
        let mut callers = Vec::with_capacity(gathered.len());
        let mut batch = Vec::new();
        for Submission { entries, answer, _room, .. } in gathered {
            callers.push((entries.len(), answer, _room));
            batch.extend(entries);
        }
        let batch: Arc<[NewEntry]> = Arc::from(batch);
        let hop = walk::hop!("message.commit");
        let append = self.store.append(batch.clone(), self.clock.now_ms());
        let since = Instant::now();
        let answers = append.instrument(hop.clone()).await;
        self.metrics.append_seconds.record(since.elapsed());
        self.metrics.note(&answers);
        let committed = committed(&batch, &answers, since);
        walk::record(&hop, committed.iter().map(|committed| committed.entry.msg_id));
        // The hop ends with the commit, so whoever watches sees it before what follows from it.
        drop(hop);
        // Only now, after the commit: an acknowledgement is a promise.
        let mut answers = answers.into_iter();
        for (count, answer, _room) in callers {
            // The error is a caller that stopped waiting, which is its right.
            let _ = answer.send(answers.by_ref().take(count).collect());
        }
        self.store.told(&self.outlet.offer(committed));
    }
}

impl LaneMetrics {
    /// A batch was answered.
    fn note(&self, answers: &Answers) {
        self.waiting.decrement(count(answers.len()));
        self.batch_entries.record(count(answers.len()));
        for answer in answers {
            match answer {
                Ok(Appended { new: true, .. }) => self.appended.increment(1),
                Ok(_) => self.repeated.increment(1),
                Err(AppendError::Store(_)) => self.failed.increment(1),
                Err(_) => self.refused.increment(1),
            }
        }
    }
}

/// What the others have to be told of: what is new.
fn committed(batch: &[NewEntry], answers: &Answers, since: Instant) -> Vec<Committed> {
    let both = batch.iter().zip(answers);
    both.filter_map(|(new, answer)| match answer {
        Ok(Appended { seq, msg_id, ts_ms, new: true }) => Some(Committed {
            conv: new.conv,
            entry: Entry {
                seq: *seq,
                msg_id: *msg_id,
                author: new.author,
                ts_ms: *ts_ms,
                content: new.content.clone(),
                device: new.device.clone(),
            },
            since,
            priority: new.priority,
        }),
        _ => None,
    })
    .collect()
}
