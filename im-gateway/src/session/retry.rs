//! When what a session needs is asked for again after a failure.
//!
//! Pure: the caller says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause. A service that was restarted is back before its callers notice much of it, so
/// one failure must not cost them the second in which everybody is to be served again.
const FIRST: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(super) struct Retry {
    longest: Duration,
    next: Duration,
    /// Nothing is asked for before this.
    at: Option<Instant>,
}

impl Retry {
    /// Pauses double from one failure to the next, up to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, next: FIRST.min(longest), at: None }
    }

    /// Something could not be asked for. Calls that fail while a pause lasts began before it, and
    /// say nothing new.
    pub(super) fn failed(&mut self, now: Instant) {
        if self.at.is_none() {
            self.at = Some(now + varied(self.next));
            self.next = (self.next * 2).min(self.longest);
        }
    }

    /// Something was answered: the next failure is a first one.
    pub(super) fn succeeded(&mut self) {
        self.next = FIRST.min(self.longest);
    }

    /// Ends the pause: somebody waits.
    pub(super) fn hurry(&mut self) {
        self.at = None;
    }

    /// Whether something may be asked for; then the pause is over.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.at = self.at.filter(|at| *at > now);
        self.at.is_none()
    }

    /// When the pause ends, if there is one.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// A pause for what nobody waits for.
    pub(super) fn longest(&self) -> Duration {
        varied(self.longest)
    }
}

/// Of a pause between a half and all, so that the sessions of a gateway do not come back all at once.
fn varied(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(1);

    /// Fails, and waits until it may ask again: the length of the pause.
    fn pause(retry: &mut Retry, now: &mut Instant) -> Duration {
        retry.failed(*now);
        let at = retry.at().unwrap();
        assert!(!retry.allows(*now) && !retry.allows(at - Duration::from_nanos(1)));
        assert!(retry.allows(at));
        at - std::mem::replace(now, at)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let (mut retry, mut now) = (Retry::new(LONGEST), Instant::now());
        for ms in [50, 100, 200, 400, 800, 1_000, 1_000] {
            let (longest, pause) = (Duration::from_millis(ms), pause(&mut retry, &mut now));
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?} of {longest:?}");
        }
        retry.succeeded();
        assert!(pause(&mut retry, &mut now) <= FIRST);
        let mut short = Retry::new(Duration::from_millis(5));
        assert!(pause(&mut short, &mut now) <= Duration::from_millis(5));
    }

    #[test]
    fn calls_that_fail_together_are_one_failure() {
        let (mut retry, mut now) = (Retry::new(LONGEST), Instant::now());
        retry.failed(now);
        let at = retry.at();
        for _ in 0..10 {
            retry.failed(now + Duration::from_millis(1));
        }
        assert_eq!(retry.at(), at);
        assert!(retry.allows(at.unwrap()));
        assert!(pause(&mut retry, &mut now) <= FIRST * 2);
    }

    #[test]
    fn somebody_who_waits_ends_the_pause() {
        let (mut retry, now) = (Retry::new(LONGEST), Instant::now());
        retry.failed(now);
        retry.hurry();
        assert!(retry.allows(now) && retry.at().is_none());
    }
}
