//! What the links count together; a label for each gateway would have no bound.

use metrics::{Counter, Gauge, counter, gauge};

/// Handles that are looked up once.
#[derive(Clone, Debug)]
pub(super) struct LinkMetrics {
    pub(super) links: Gauge,
    pub(super) waiting: Gauge,
    pub(super) requests: Counter,
    pub(super) heartbeats: Counter,
    pub(super) failures: Counter,
    pub(super) given_up: Counter,
}

impl LinkMetrics {
    /// `queue` is what carries the pushes: `direct` or `streams`.
    pub(super) fn new(queue: &'static str) -> Self {
        Self {
            links: gauge!("mpim_presence_links", "queue" => queue),
            waiting: gauge!("mpim_presence_pushes_waiting", "queue" => queue),
            requests: counter!("mpim_presence_push_requests_total", "queue" => queue),
            heartbeats: counter!("mpim_presence_heartbeats_total", "queue" => queue),
            failures: counter!("mpim_presence_push_failures_total", "queue" => queue),
            given_up: counter!("mpim_presence_pushes_given_up_total", "queue" => queue),
        }
    }
}
