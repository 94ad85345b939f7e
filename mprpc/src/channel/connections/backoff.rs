//! The pauses between attempts to connect that fail.

use std::time::Duration;

/// Each pause is twice the one before, up to a bound, and of that between a half and all, so that
/// many clients do not come at once.
#[derive(Clone, Copy, Debug)]
pub(in crate::channel) struct Backoff {
    pause_min: Duration,
    pause_max: Duration,
    /// The next one, before chance shortens it.
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(1))
    }
}

impl Backoff {
    pub(in crate::channel) fn new(pause_min: Duration, pause_max: Duration) -> Self {
        Self { pause_min, pause_max: pause_max.max(pause_min), next: pause_min }
    }

    /// The pause after one more failure; `chance` lies between 0 and 1.
    pub(super) fn failed(&mut self, chance: f64) -> Duration {
        let pause = self.next.mul_f64(0.5 + chance / 2.0);
        self.next = (self.next * 2).min(self.pause_max);
        pause
    }

    /// An attempt has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.next = self.pause_min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_anew_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(300));
        let mut pauses = |chance| [(); 5].map(|()| backoff.failed(chance));
        assert_eq!(pauses(1.0), [50, 100, 200, 300, 300].map(ms));
        backoff.succeeded();
        let mut pauses = |chance| [(); 5].map(|()| backoff.failed(chance));
        assert_eq!(pauses(0.0), [25, 50, 100, 150, 150].map(ms));
    }
}
