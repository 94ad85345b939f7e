//! What im-message counts, under the names in which it is seen at `/metrics`. Handles are made once:
//! looking one up costs more than what it counts.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Of all lanes together.
#[derive(Debug, Clone)]
pub(crate) struct LaneMetrics {
    /// Entries that wait or are being written.
    pub(crate) waiting: Gauge,
    /// Entries in one batch.
    pub(crate) batch_entries: Histogram,
    /// From handing a batch to the store to its answer.
    pub(crate) append_seconds: Histogram,
    /// Entries that were new.
    pub(crate) appended: Counter,
    /// Entries that were there before: repetitions.
    pub(crate) repeated: Counter,
    /// Entries that the rules do not allow: not a member, another text under the same id.
    pub(crate) refused: Counter,
    /// Entries that the store failed to write.
    pub(crate) failed: Counter,
    /// Entries that found their lane full.
    pub(crate) turned_away: Counter,
}

impl LaneMetrics {
    pub(crate) fn new() -> Self {
        let entries =
            |outcome: &'static str| counter!("mpim_message_entries_total", "outcome" => outcome);
        Self {
            waiting: gauge!("mpim_message_lane_entries"),
            batch_entries: histogram!("mpim_message_batch_entries"),
            append_seconds: histogram!("mpim_message_append_seconds"),
            appended: entries("appended"),
            repeated: entries("repeated"),
            refused: entries("refused"),
            failed: entries("failed"),
            turned_away: entries("turned_away"),
        }
    }
}

/// Of all dispatchers together.
#[derive(Debug, Clone)]
pub(crate) struct DispatchMetrics {
    /// Entries that wait for im-presence, or are on their way to it.
    pub(crate) waiting: Gauge,
    /// Entries that im-presence was told of.
    pub(crate) told: Counter,
    /// Entries that were given up, and for which a resync stands.
    pub(crate) forgotten: Counter,
    /// Calls that im-presence did not take.
    pub(crate) failed: Counter,
    /// Entries that another instance had left untold.
    pub(crate) swept: Counter,
    /// Letters about entries that were given up.
    pub(crate) dead_letters: Counter,
}

impl DispatchMetrics {
    pub(crate) fn new() -> Self {
        Self {
            waiting: gauge!("mpim_message_dispatch_entries"),
            told: counter!("mpim_message_dispatched_total"),
            forgotten: counter!("mpim_message_dispatch_forgotten_total"),
            failed: counter!("mpim_message_dispatch_failures_total"),
            swept: counter!("mpim_message_swept_total"),
            dead_letters: counter!("mpim_message_dead_letters_total"),
        }
    }

    /// Entries of a lane were given up.
    pub(crate) fn gave_up(&self, entries: usize) {
        self.forgotten.increment(entries as u64);
        self.waiting.decrement(count(entries));
    }
}

/// Of events, which are told or dropped.
#[derive(Debug, Clone)]
pub(crate) struct EventMetrics {
    /// Events that im-presence was told of.
    pub(crate) told: Counter,
    /// Dropped because as many were being checked as may be (`events.checks_max`).
    pub(crate) dropped_checks: Counter,
    /// Dropped because the conversation has nobody else, or too many (`events.members_max`).
    pub(crate) dropped_members: Counter,
    /// Dropped because as many were waiting as may be (`events.queue_max`).
    pub(crate) dropped_queue: Counter,
    /// Dropped because im-presence did not take them in time.
    pub(crate) dropped_presence: Counter,
    /// Receipts that were dropped because as many were waiting as may be (`events.receipts_max`), or
    /// because the store could not tell whose they are.
    pub(crate) dropped_receipts: Counter,
}

impl EventMetrics {
    pub(crate) fn new() -> Self {
        let dropped = |at: &'static str| counter!("mpim_message_events_dropped_total", "at" => at);
        Self {
            told: counter!("mpim_message_events_told_total"),
            dropped_checks: dropped("checks"),
            dropped_members: dropped("members"),
            dropped_queue: dropped("queue"),
            dropped_presence: dropped("presence"),
            dropped_receipts: dropped("receipts"),
        }
    }
}

/// Of the questions who exists.
#[derive(Debug, Clone)]
pub(crate) struct UsersMetrics {
    /// Known to exist.
    pub(crate) remembered: Counter,
    /// Known not to, a moment ago.
    pub(crate) denied: Counter,
    /// For im-user to say.
    pub(crate) asked: Counter,
    /// Calls that this came to.
    pub(crate) calls: Counter,
}

impl UsersMetrics {
    pub(crate) fn new() -> Self {
        let questions = |answer: &'static str| counter!("mpim_message_user_questions_total", "answer" => answer);
        Self {
            remembered: questions("remembered"),
            denied: questions("denied"),
            asked: questions("asked"),
            calls: counter!("mpim_message_user_calls_total"),
        }
    }
}

/// Of what is removed.
#[derive(Debug, Clone)]
pub(crate) struct RetentionMetrics {
    /// Entries that had expired and were removed.
    pub(crate) removed: Counter,
    /// Refusals that no longer hold for their ids.
    pub(crate) forgotten: Counter,
}

impl RetentionMetrics {
    pub(crate) fn new() -> Self {
        Self {
            removed: counter!("mpim_message_expired_total"),
            forgotten: counter!("mpim_message_refusals_forgotten_total"),
        }
    }
}

/// A number of entries as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn count(entries: usize) -> f64 {
    entries as f64
}
