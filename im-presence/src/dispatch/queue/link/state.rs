//! What waits on a link, and its numbers. Pure.

use im_common::WeightedQueue;
use tokio::time::Instant;

use super::Item;
use crate::dispatch::queue::PushLimits;

#[derive(Debug)]
pub(super) struct State {
    waiting: WeightedQueue<Item>,
    waiting_bytes: usize,
    /// Something was given up since the last push left: the next number leaves one out.
    pub(super) lost: bool,
    pub(super) resync: bool,
    /// The number of the last push that left.
    pub(super) sent: u64,
    /// The number of the last one that was confirmed or given up.
    pub(super) settled: u64,
    /// Until when what waits may still be pushed.
    pub(super) closing: Option<Instant>,
    ended: bool,
    pub(super) used_at: Instant,
}

impl State {
    /// Numbers begin above `floor`.
    pub(super) fn above(floor: u64) -> Self {
        Self {
            waiting: WeightedQueue::default(),
            waiting_bytes: 0,
            // Above a floor, the first number is itself a hole: the gateway may have met this
            // link's predecessor.
            lost: floor > 0,
            resync: false,
            sent: floor,
            settled: floor,
            closing: None,
            ended: false,
            used_at: Instant::now(),
        }
    }

    pub(super) fn has_room(&self, item: &Item, limits: &PushLimits) -> bool {
        !self.ended
            && self.waiting.len() < limits.queue_pushes_max
            && self.waiting_bytes + item.bytes() <= limits.queue_bytes_max
    }

    pub(super) fn push(&mut self, item: Item) {
        self.waiting_bytes += item.bytes();
        self.waiting.push(item);
    }

    /// What has gathered, as the next push with its number, and whether it asks to compare heads;
    /// `None` if nothing has.
    pub(super) fn take(&mut self, limits: &PushLimits) -> Option<(Vec<Item>, bool)> {
        if self.waiting.is_empty() && !self.resync {
            return None;
        }
        let mut items: Vec<Item> = Vec::new();
        let mut bytes = 0;
        while let Some(item) = self.waiting.front() {
            let size = item.bytes();
            // One that is confirmed goes alone, so that what the push reached is what it reached.
            let alone = item.confirm.is_some();
            let full =
                items.len() >= limits.batch_pushes_max || bytes + size > limits.batch_bytes_max;
            if !items.is_empty() && (full || alone) {
                break;
            }
            bytes += size;
            self.waiting_bytes -= size;
            items.extend(self.waiting.pop());
            if alone {
                break;
            }
        }
        self.sent += 1 + u64::from(std::mem::take(&mut self.lost));
        Some((items, std::mem::take(&mut self.resync)))
    }

    /// Answers with how many waited.
    pub(super) fn give_up_waiting(&mut self) -> usize {
        let waited = self.waiting.len();
        self.lost |= waited > 0 || self.resync;
        self.waiting = WeightedQueue::default();
        self.waiting_bytes = 0;
        self.resync = false;
        waited
    }

    /// Says in what the gateway is told next that something is missing, though no push tells it.
    pub(super) fn settle_losses(&mut self) {
        if std::mem::take(&mut self.lost) {
            self.sent += 1;
        }
        self.settled = self.sent;
    }

    /// A number above all that will be used for what waits now.
    pub(super) fn above_all(&self) -> u64 {
        // Each alone, one for what was lost before and one for what will be.
        self.sent + self.waiting.len() as u64 + 2
    }

    /// Nothing will be pushed any more. Answers with how many waited.
    pub(super) fn end(&mut self) -> usize {
        self.ended = true;
        self.give_up_waiting()
    }
}
