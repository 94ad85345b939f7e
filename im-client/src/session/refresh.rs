//! When the tokens of a log-in are replaced by the next.

use im_wire::{Command, Secret};
use std::time::Duration;
use tokio::time::Instant;

/// Which part of a token's life is over when the next is asked for, at least; a random part of another
/// tenth is added, so that those who logged in together do not come back together.
const PART: f64 = 0.6;
const MORE: f64 = 0.1;
/// Whose clock is ahead of the server's does not ask more often than this.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// A longer life counts as one of this length.
const LIFE_MAX_MS: i64 = 24 * 3600 * 1000;

/// A moment, by the clock that timers go by and by the one that servers tell times by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) unix_ms: i64,
}

/// What refreshes a log-in, and when it does.
#[derive(Debug)]
pub(crate) struct Refresh {
    /// Good once; for a while a server gives the same answer again, which may have been lost.
    token: Secret,
    /// `None`: it is under way.
    due: Option<Instant>,
}

impl Refresh {
    /// Due after some two thirds of the access token's life.
    pub(super) fn new(token: Secret, now: Moment, expires_at_ms: i64) -> Self {
        let life_ms = expires_at_ms.saturating_sub(now.unix_ms).clamp(0, LIFE_MAX_MS);
        let life = Duration::from_millis(life_ms.unsigned_abs());
        let pause = life.mul_f64(PART + MORE * fastrand::f64());
        Self { token, due: Some(now.at + pause.max(PAUSE_MIN)) }
    }

    /// When it is due, if it is not under way.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What asks for it.
    pub(super) fn command(&self) -> Command {
        Command::Refresh { token: self.token.clone() }
    }

    /// It is under way.
    pub(super) fn begin(&mut self) -> Command {
        self.due = None;
        self.command()
    }

    /// It was refused for now.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.due = Some(until);
    }

    /// The connection is gone: if it was under way it is due at once, since its answer may be one that is
    /// given again for a while only.
    pub(super) fn connection_lost(&mut self, now: Instant) {
        self.due.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const MINUTE_MS: i64 = 60_000;

    fn now() -> Moment {
        Moment { at: Instant::now(), unix_ms: 1_790_000_000_000 }
    }

    fn pause(now: Moment, life_ms: i64) -> Duration {
        let refresh = Refresh::new(Secret::new("r"), now, now.unix_ms + life_ms);
        refresh.due().expect("not under way") - now.at
    }

    #[test]
    fn it_is_due_well_before_the_token_ends_and_not_everybodys_at_once() {
        let now = now();
        let pauses: Vec<_> = (0..50).map(|_| pause(now, 15 * MINUTE_MS)).collect();
        for pause in &pauses {
            assert!((9 * MINUTE..=21 * MINUTE / 2).contains(pause), "{pause:?} of 15 min");
        }
        assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    }

    #[test]
    fn a_clock_that_is_wrong_neither_hurries_nor_overflows() {
        for life_ms in [-MINUTE_MS, 0, 1000, i64::MIN / 2] {
            assert_eq!(pause(now(), life_ms), PAUSE_MIN);
        }
        for life_ms in [1000 * LIFE_MAX_MS, i64::MAX / 2] {
            assert!(pause(now(), life_ms) < Duration::from_secs(24 * 3600));
        }
    }

    #[test]
    fn one_that_is_under_way_is_not_due_before_it_is_put_off_or_lost() {
        let now = now();
        let mut refresh = Refresh::new(Secret::new("r"), now, now.unix_ms + MINUTE_MS);
        let due = refresh.due();
        refresh.connection_lost(now.at);
        assert_eq!(refresh.due(), due, "it was not under way");
        let asked = refresh.begin();
        assert_eq!(refresh.due(), None);
        refresh.put_off(now.at + MINUTE);
        assert_eq!(refresh.due(), Some(now.at + MINUTE));
        assert_eq!(refresh.begin(), asked);
        refresh.connection_lost(now.at);
        assert_eq!(refresh.due(), Some(now.at));
    }
}
