//! The calls of a client's connection whose time is told apart: where on their way they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::meter::Timing;

/// How many there are at most; others are not told apart.
const TIMED_MAX: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Timed(Vec<Call>);

#[derive(Debug)]
struct Call {
    number: u32,
    /// Where its frame ends in all that was ever put out.
    ends_at: u64,
    timing: Arc<Timing>,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Queued,
    Taken,
    Written,
}

impl Timed {
    /// Whether one more is told apart.
    pub(super) fn has_room(&mut self) -> bool {
        if self.0.len() >= TIMED_MAX {
            // Those whose callers have gone, or have got an answer that says nothing of times.
            self.0.retain(|call| Arc::strong_count(&call.timing) > 1);
        }
        self.0.len() < TIMED_MAX
    }

    /// A call's frame was put out and ends at `ends_at` of all that ever was.
    pub(super) fn queued(&mut self, number: u32, ends_at: u64, timing: &Arc<Timing>, now: Instant) {
        timing.queued(now);
        // An id is used again: whoever had it has ended.
        self.0.retain(|call| call.number != number);
        self.0.push(Call { number, ends_at, timing: Arc::clone(timing), way: Way::Queued });
    }

    /// Whether any has not been written yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.iter().any(|call| call.way != Way::Written)
    }

    /// All that was put out has been taken to be written.
    pub(super) fn taken(&mut self, now: Instant) {
        for call in self.0.iter_mut().filter(|call| call.way == Way::Queued) {
            call.way = Way::Taken;
            call.timing.taken(now);
        }
    }

    /// The socket has taken `written` bytes of all that was put out.
    pub(super) fn written(&mut self, written: u64, now: Instant) {
        let gone = |call: &&mut Call| call.way == Way::Taken && call.ends_at <= written;
        for call in self.0.iter_mut().filter(gone) {
            call.way = Way::Written;
            call.timing.written(now);
        }
    }

    /// The answer to the call with this number says how long the server had it.
    pub(super) fn answered(&mut self, number: u32, served: Duration) {
        if let Some(at) = self.0.iter().position(|call| call.number == number) {
            self.0.swap_remove(at).timing.remote(served);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_once_callers_have_gone() {
        let now = Instant::now();
        let mut timed = Timed::default();
        let callers: Vec<_> = (0..TIMED_MAX).map(|_| Arc::new(Timing::new(now))).collect();
        for (number, timing) in (0..).zip(&callers) {
            assert!(timed.has_room());
            timed.queued(number, 0, timing, now);
        }
        assert!(!timed.has_room());
        drop(callers);
        assert!(timed.has_room() && timed.0.is_empty());
    }

    #[test]
    fn a_call_is_written_when_its_last_byte_is() {
        let now = Instant::now();
        let mut timed = Timed::default();
        let timing = Arc::new(Timing::new(now));
        timed.queued(7, 100, &timing, now);
        timed.taken(now);
        timed.written(99, now);
        assert!(timed.is_waiting());
        timed.written(100, now);
        assert!(!timed.is_waiting());
        timed.answered(8, Duration::ZERO);
        assert_eq!(timed.0.len(), 1);
        timed.answered(7, Duration::ZERO);
        assert_eq!(timed.0.len(), 0);
    }
}
