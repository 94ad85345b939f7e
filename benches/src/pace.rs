//! Calls at a fixed rate, whatever becomes of those before them: each has a time at which it is meant
//! to be sent, and its latency counts from then. A server that stalls for a moment shows in all the
//! calls that should have been made meanwhile, as it does to users.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Calls are due together at each tick: a thread that woke for each of them would be what is measured.
const TICK: Duration = Duration::from_micros(500);

/// See the module.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    began: Instant,
    /// One for each call that is due and not taken.
    due: Semaphore,
    taken: AtomicU64,
}

impl Pace {
    /// A pace that begins now and ends at `end`.
    pub fn start(per_second: f64, end: Instant) -> Arc<Self> {
        let pace = Arc::new(Self {
            per_second,
            began: Instant::now(),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        });
        let kept = Arc::clone(&pace);
        // Not on the runtime, which may be too busy to be on time.
        std::thread::spawn(move || kept.keep(end));
        pace
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own")]
    fn keep(&self, end: Instant) {
        let mut given = 0;
        while Instant::now() < end {
            let due = self.calls_until(Instant::now());
            self.due.add_permits(due - given);
            given = due;
            let ticks = self.began.elapsed().as_nanos() / TICK.as_nanos() + 1;
            let next = self.began + TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.due.close();
    }

    /// How many calls are due from the beginning to the tick before `now`.
    fn calls_until(&self, now: Instant) -> usize {
        let elapsed = (now - self.began).as_nanos();
        let ticked_ns = elapsed - elapsed % TICK.as_nanos();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a count, far below 2^52 as are nanoseconds of some minutes"
        )]
        let calls = (ticked_ns as f64 * self.per_second / 1e9).ceil() as usize;
        calls
    }

    /// The time at which the next call was meant to be sent, once it has come; nothing after the end.
    pub async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.intended(self.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// The tick that ends the one in which the call with this number is due.
    fn intended(&self, number: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let due = Duration::from_secs_f64(number as f64 / self.per_second);
        let ticks = due.as_nanos() / TICK.as_nanos() + 1;
        self.began + TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_calls_are_due_as_the_rate_says_and_none_before_its_time() {
        let began = Instant::now();
        let (due, taken) = (Semaphore::new(0), AtomicU64::new(0));
        let pace = Pace { per_second: 10_000.0, began, due, taken };
        assert_eq!(pace.calls_until(began + Duration::from_micros(499)), 0);
        assert_eq!(pace.calls_until(began + Duration::from_secs(1)), 10_000);
        for ms in 1..=100 {
            let now = began + Duration::from_millis(ms);
            let last = pace.calls_until(now) as u64 - 1;
            assert!(pace.intended(last) <= now && now < pace.intended(last) + TICK);
            assert!(pace.intended(last + 1) > now);
        }
    }

    #[tokio::test]
    async fn calls_end_with_the_time() {
        let pace = Pace::start(10_000.0, Instant::now() + 4 * TICK);
        while pace.next().await.is_some() {}
        assert_eq!(pace.next().await, None);
    }
}
