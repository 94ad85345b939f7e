//! How sessions that all have a reason to ask a service for something spread that.

use std::time::Duration;

/// Within how long so many sessions ask: a millisecond for each, so that the service gets no burst, and
/// no longer than `at_most`.
pub(crate) fn spread(sessions: usize, at_most: Duration) -> Duration {
    Duration::from_millis(sessions as u64).min(at_most)
}
