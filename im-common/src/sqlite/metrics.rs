//! What a database tells those who watch it.

use std::path::Path;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::InUse;

/// Handles for one database, by the name of its file.
#[derive(Clone)]
pub(super) struct Metrics {
    waiting: Gauge,
    reading: Gauge,
    writes: Counter,
    batch: Histogram,
    commit: Histogram,
}

impl Metrics {
    pub(super) fn of(path: &Path) -> Self {
        let name = super::name(path);
        let database = || name.clone();
        Self {
            waiting: gauge!("mpim_sqlite_queue_writes", "database" => database()),
            reading: gauge!("mpim_sqlite_reads", "database" => database()),
            writes: counter!("mpim_sqlite_writes_total", "database" => database()),
            batch: histogram!("mpim_sqlite_batch_writes", "database" => database()),
            commit: histogram!("mpim_sqlite_commit_seconds", "database" => database()),
        }
    }

    /// Writes that wait while a batch is being committed.
    #[expect(clippy::cast_precision_loss, reason = "the queue is bounded far below 2^53")]
    pub(super) fn waiting(&self, writes: usize) {
        self.waiting.set(writes as f64);
    }

    /// A batch was committed, or failed: how long callers waited for it is the same.
    #[expect(clippy::cast_precision_loss, reason = "batches are bounded far below 2^53")]
    pub(super) fn committed(&self, writes: usize, after: Duration) {
        self.writes.increment(writes as u64);
        self.batch.record(writes as f64);
        self.commit.record(after.as_secs_f64());
    }

    /// A query waits or runs until the answer is dropped.
    pub(super) fn reading(&self) -> InUse {
        InUse::of(&self.reading)
    }
}
