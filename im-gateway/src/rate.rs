//! How often something may happen: the generic cell rate algorithm (ITU-T I.371), with one second's worth
//! saved up at most.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::METRICS;

/// What can be saved up.
const SPAN_NS: u64 = 1_000_000_000;

/// An allowance of so many a second, without the place where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    each_ns: u64,
}

impl Allowance {
    /// So many, of at least 1.
    pub(crate) fn per_second(most: u32) -> Self {
        Self { each_ns: SPAN_NS / u64::from(most.clamp(1, 1_000_000_000)) }
    }

    /// Takes so many at `now_ns` from what is whole again at `whole_at_ns`, the algorithm's "theoretical
    /// arrival time"; answers when it is whole then. Nobody has more at once than is saved up at most.
    ///
    /// # Errors
    /// There are not so many left; after so many ns there are.
    pub(crate) fn take(self, times: usize, whole_at_ns: u64, now_ns: u64) -> Result<u64, u64> {
        let cost_ns = self.each_ns.saturating_mul(times as u64);
        let taken = whole_at_ns.max(now_ns).saturating_add(cost_ns);
        match taken.checked_sub(now_ns.saturating_add(SPAN_NS)) {
            None | Some(0) => Ok(taken),
            Some(too_soon_by_ns) => Err(too_soon_by_ns),
        }
    }
}

/// The allowance of one session.
#[derive(Debug)]
pub(crate) struct Rate {
    allowance: Allowance,
    whole_at: Instant,
}

impl Rate {
    /// A session that has not done anything.
    pub(crate) fn per_second(most: u32, now: Instant) -> Self {
        Self { allowance: Allowance::per_second(most), whole_at: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none left; after this time there is one again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        // Counted from now: what was whole before is whole.
        let ahead = self.whole_at.saturating_duration_since(now);
        let ahead_ns = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        match self.allowance.take(1, ahead_ns, 0) {
            Ok(ahead_ns) => {
                self.whole_at = now + Duration::from_nanos(ahead_ns);
                Ok(())
            }
            Err(wait_ns) => {
                METRICS.slow_downs.increment(1);
                Err(Duration::from_nanos(wait_ns))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_second_s_worth_may_come_at_once_and_then_one_by_one() {
        let mut rate = Rate::per_second(10, Instant::now());
        let mut take = || rate.take(Instant::now());
        assert_eq!((0..100).filter(|_| take().is_ok()).count(), 10);
        let wait = take().unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        tokio::time::advance(wait - Duration::from_millis(1)).await;
        assert!(take().is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((take(), take().is_err()), (Ok(()), true));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..100).filter(|_| take().is_ok()).count(), 10, "no more is saved up");
    }

    #[test]
    fn a_session_keeps_little_of_it() {
        assert!(size_of::<Rate>() <= 24);
    }
}
