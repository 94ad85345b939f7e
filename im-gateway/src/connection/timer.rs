//! The timer of a connection.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes a connection when something is due.
///
/// Setting a timer takes a lock that all connections share, and a connection that is shown a thousand
/// messages a second has a thousand turns, nearly all with the deadline of the turn before. So it is
/// set again only if something is due sooner; one that goes off too soon costs a turn without work.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// It has not gone off since it was set.
    set: bool,
}

impl Timer {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), set: false }
    }

    /// Waits until `at` at the latest; without it, for ever. Cancel safe.
    pub(super) async fn wait(&mut self, at: Option<Instant>) {
        let Some(at) = at else { return std::future::pending().await };
        if !self.set || at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
            self.set = true;
        }
        self.sleep.as_mut().await;
        self.set = false;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_in_time_whatever_it_was_set_to_before() {
        let (mut timer, start) = (Timer::new(), Instant::now());
        let at = |s| Some(start + Duration::from_secs(s));
        assert!(timer.wait(at(9)).now_or_never().is_none());
        assert!(timer.wait(None).now_or_never().is_none());
        timer.wait(at(2)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        // Set to 5, and then nothing is due before 7: it may go off in between, and does once.
        assert!(timer.wait(at(5)).now_or_never().is_none());
        timer.wait(at(7)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        timer.wait(at(7)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }
}
