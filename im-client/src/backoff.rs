//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// Pauses that double from attempt to attempt, each cut by a random part, so that the clients of a
/// server that died do not come back all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, attempts: 0 }
    }

    /// The pause before the next attempt: between half and all of `min * 2^attempts`, at most
    /// `max`.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let doubled = self.min.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        self.attempts = self.attempts.saturating_add(1);
        doubled.min(self.max).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// What was tried again and again has worked.
    pub(crate) fn start_over(&mut self) {
        self.attempts = 0;
    }

    /// The connection was good: it lasted longer than the longest pause, so a server that accepts
    /// and hangs up at once is not asked in a tight loop.
    pub(crate) fn lasted(&mut self, how_long: Duration) {
        if how_long > self.max {
            self.start_over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_maximum_and_are_jittered() {
        let mut backoff = Backoff::new(SECOND, 8 * SECOND);
        for full in [1, 2, 4, 8, 8, 8] {
            let pause = backoff.next_pause();
            assert!(pause >= SECOND * full / 2 && pause <= SECOND * full, "{pause:?} of {full} s");
        }
        for _ in 0..100 {
            assert!(backoff.next_pause() <= 8 * SECOND, "however many attempts");
        }
        let pauses: Vec<_> = (0..10).map(|_| backoff.next_pause()).collect();
        assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    }

    #[test]
    fn only_a_connection_that_lasted_starts_over() {
        let mut backoff = Backoff::new(SECOND, 8 * SECOND);
        for _ in 0..4 {
            backoff.next_pause();
        }
        backoff.lasted(SECOND);
        assert!(backoff.next_pause() >= 4 * SECOND);
        backoff.lasted(9 * SECOND);
        assert!(backoff.next_pause() <= SECOND);
    }
}
