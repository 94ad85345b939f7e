//! Complaints about what clients send: each is counted, not each is logged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many lines are logged within [`WINDOW`]: enough to see what goes on, too few for a client
/// that connects again and again to fill a disk.
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Decides which complaints are logged.
#[derive(Debug)]
pub(super) struct Complaints(Mutex<Window>);

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    unlogged: u64,
}

impl Complaints {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Window { began: Instant::now(), lines: 0, unlogged: 0 }))
    }

    /// Whether the next one is to be logged: then, how many were not since the last that was.
    pub(super) fn next(&self) -> Option<u64> {
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
