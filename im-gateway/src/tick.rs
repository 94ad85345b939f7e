//! When a connection looks at how far its client is, writes cursors, and loses patience.
//!
//! Pure. Nothing ticks on a connection that waits for nothing.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two looks, while the client's window is what everything waits for.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// So many bytes are with the peer.
    pub(crate) peer_has: u64,
    /// So often it has acknowledged for itself.
    pub(crate) acknowledged: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tick {
    interval: Duration,
    at: Option<Instant>,
    pause: Duration,
    write_at: Option<Instant>,
    last: Progress,
    /// Since when something has waited and the client has taken nothing.
    stalled_since: Option<Instant>,
}

/// What a tick is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Cursors may be written: an interval has passed since they last were.
    pub(crate) write: bool,
    /// For how long the client has taken nothing of what waits for it.
    pub(crate) stalled: Duration,
}

impl Tick {
    /// Cursors are written at most once per `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            at: None,
            pause: PAUSE_MIN.min(interval),
            write_at: None,
            last: Progress { peer_has: 0, acknowledged: 0 },
            stalled_since: None,
        }
    }

    /// There is something to look after; soon, if everything waits for the client's window.
    pub(crate) fn want(&mut self, now: Instant, crowded: bool) {
        let at = now + if crowded { self.pause } else { self.interval };
        self.at = Some(self.at.map_or(at, |wanted| wanted.min(at)));
    }

    /// When the next tick is due, if one is wanted.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// It is due, and this is what a look has found. `waiting` says whether anything waits for the
    /// client.
    pub(crate) fn tick(&mut self, now: Instant, found: Progress, waiting: bool) -> Due {
        self.at = None;
        if found != self.last || !waiting {
            self.last = found;
            self.stalled_since = None;
            self.pause = PAUSE_MIN.min(self.interval);
        } else {
            self.pause = (self.pause * 2).min(self.interval);
        }
        if waiting && self.stalled_since.is_none() {
            self.stalled_since = Some(now);
        }
        let write = self.write_at.is_none_or(|write_at| write_at <= now);
        if write {
            self.write_at = Some(now + self.interval);
        }
        let stalled = self.stalled_since.map_or(Duration::ZERO, |since| now - since);
        Due { write, stalled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(200);

    fn found(peer_has: u64) -> Progress {
        Progress { peer_has, acknowledged: 0 }
    }

    #[test]
    fn a_connection_that_waits_for_nothing_does_not_tick() {
        let (mut tick, now) = (Tick::new(INTERVAL), Instant::now());
        assert_eq!(tick.at(), None);
        tick.want(now, false);
        assert_eq!(tick.at(), Some(now + INTERVAL));
        tick.tick(now + INTERVAL, found(1), false);
        assert_eq!(tick.at(), None);
    }

    #[test]
    fn cursors_are_written_once_per_interval_however_often_it_ticks() {
        let (mut tick, start) = (Tick::new(INTERVAL), Instant::now());
        let writes = (0..100).filter(|step: &u32| {
            let now = start + Duration::from_millis(10) * *step;
            tick.tick(now, found(u64::from(*step)), true).write
        });
        assert_eq!(writes.count(), 5);
    }

    #[test]
    fn a_crowded_connection_is_looked_at_soon_and_then_less_and_less_often() {
        let (mut tick, mut now) = (Tick::new(INTERVAL), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            tick.want(now, true);
            pauses.push((tick.at().unwrap() - now).as_millis());
            now = tick.at().unwrap();
            tick.tick(now, found(0), true);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 200, 200]);
        tick.tick(now, found(1), true);
        tick.want(now, true);
        assert_eq!(tick.at(), Some(now + PAUSE_MIN), "it took something");
    }

    #[test]
    fn only_a_client_that_takes_nothing_of_what_waits_is_stalled() {
        let (mut tick, start) = (Tick::new(INTERVAL), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(tick.tick(at(0), found(0), true).stalled, Duration::ZERO);
        assert_eq!(tick.tick(at(9), found(0), true).stalled, Duration::from_secs(9));
        assert_eq!(tick.tick(at(10), found(1), true).stalled, Duration::ZERO);
        assert_eq!(tick.tick(at(15), found(1), true).stalled, Duration::from_secs(5));
        assert_eq!(tick.tick(at(90), found(1), false).stalled, Duration::ZERO);
        assert_eq!(tick.tick(at(99), found(1), true).stalled, Duration::ZERO);
    }
}
