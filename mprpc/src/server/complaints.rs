//! Complaints about what the other side sends: each is counted, not each is logged.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Address, Status};

/// How many lines are logged within [`WINDOW`]: enough to see what goes on, too few for a client
/// that connects again and again to fill a disk.
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Decides which complaints are logged. What the other side wrote may stand in a reason, and must not
/// forge a line: reasons are logged as literals.
#[derive(Debug)]
pub(crate) struct Complaints(Mutex<Window>);

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    unlogged: u64,
}

impl Complaints {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Window { began: Instant::now(), lines: 0, unlogged: 0 }))
    }

    /// A request is answered with `status` before it has reached a handler, and its connection goes
    /// on.
    pub(crate) fn refused(&self, peer: &Address, status: &Status) {
        let (code, reason) = (status.code().name(), status.message());
        metrics::counter!("mprpc_requests_refused_total", "code" => code).increment(1);
        if let Some(unlogged) = self.next() {
            tracing::warn!(%peer, code, ?reason, unlogged, "request refused");
        }
    }

    /// A connection is closed because of what came on it.
    pub(super) fn closed(&self, peer: &Address, error: &io::Error) {
        metrics::counter!("mprpc_protocol_errors_total").increment(1);
        if let Some(unlogged) = self.next() {
            let reason = error.to_string();
            tracing::warn!(%peer, ?reason, unlogged, "connection closed");
        }
    }

    /// Whoever calls from `peer` may not.
    pub(crate) fn kept_out(&self, peer: &Address, reason: &str) {
        metrics::counter!("mprpc_callers_refused_total").increment(1);
        if let Some(unlogged) = self.next() {
            tracing::warn!(%peer, reason, unlogged, "a caller was kept out");
        }
    }

    /// Whether the next one is to be logged: then, how many were not since the last that was.
    pub(crate) fn next(&self) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.elapsed() >= WINDOW {
            (window.began, window.lines) = (Instant::now(), 0);
        }
        if window.lines == LINES_MAX {
            window.unlogged += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_complaints_becomes_a_few_lines_and_a_number() {
        let complaints = Complaints::new();
        let logged = (0..1000).filter(|_| complaints.next() == Some(0)).count();
        assert_eq!(logged, 10);
        tokio::time::advance(WINDOW).await;
        assert_eq!(complaints.next(), Some(990));
        assert_eq!(complaints.next(), Some(0));
    }
}
