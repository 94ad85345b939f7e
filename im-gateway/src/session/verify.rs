//! When a session asks im-user whether it may go on.
//!
//! Pure: the caller says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Verify {
    at: Option<Instant>,
}

impl Verify {
    /// Wants an answer at some time within `spread`, or sooner if one is wanted sooner.
    pub(super) fn want(&mut self, now: Instant, spread: Duration) {
        let at = now + spread.mul_f64(fastrand::f64());
        self.at = Some(self.at.map_or(at, |wanted| wanted.min(at)));
    }

    /// There was no answer: the question is asked again after that pause.
    pub(super) fn failed(&mut self, now: Instant, pause: Duration) {
        self.at = Some(now + pause);
    }

    /// Whether to ask now; then it is asked.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }

    /// When to ask.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Duration = Duration::from_secs(1);

    #[test]
    fn sessions_that_lost_their_routes_together_ask_spread_over_a_while_and_each_within_it() {
        let now = Instant::now();
        let mut sessions: Vec<Verify> = (0..1_000).map(|_| Verify::default()).collect();
        sessions.iter_mut().for_each(|session| session.want(now, SPREAD));
        let mut asked = 0;
        for tenth in 1..=10 {
            let until = now + SPREAD * tenth / 10;
            let due = sessions.iter_mut().filter_map(|it| it.is_due(until).then_some(())).count();
            assert!((1..=250).contains(&due), "{due} in tenth {tenth}");
            asked += due;
        }
        assert_eq!(asked, 1_000);
        assert!(sessions.iter().all(|session| session.at().is_none()), "once");
    }

    #[test]
    fn the_sooner_of_two_counts_and_what_failed_is_asked_again() {
        let (mut session, now) = (Verify::default(), Instant::now());
        assert!(!session.is_due(now));
        session.want(now, Duration::ZERO);
        session.want(now, SPREAD);
        assert!(session.is_due(now) && !session.is_due(now + SPREAD));
        session.failed(now, SPREAD);
        assert_eq!(session.at(), Some(now + SPREAD));
        assert!(!session.is_due(now) && session.is_due(now + SPREAD));
    }
}
