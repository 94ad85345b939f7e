//! How many connections an instance should have: decisions without sockets or clocks.
//!
//! Invariants:
//!
//! 1. No more than [`Bounds::connections_max`] connections are ever asked for.
//! 2. One more is asked for only after [`STREAK`] looks in a row found **every** connection contended,
//!    and no sooner than [`SETTLE`] after the last change.
//! 3. Under a load that stays the same the number does not swing: a connection goes only when, for
//!    [`QUIET`], no more than half as many calls were in flight as when it was asked for.
//! 4. All are closed only when no call was made for [`Bounds::idle_timeout`], and then one is kept if
//!    connections are made ahead.
//!
//! What counts as contention is how much longer a ping takes than the fastest of late. A ping stands
//! in the same queues as a call: behind the driver and the frames that wait for the socket here, in
//! the kernels' buffers, behind the connection's task there. It does not wait for handlers that wait
//! themselves, so many slow calls are no contention. And it costs calls nothing: pings are sent ten
//! times a second, and only while calls overlap.

use std::time::Duration;

use tokio::time::Instant;

/// How much longer than the fastest a ping may take before its connection counts as contended.
const DELAY_MAX: Duration = Duration::from_millis(1);

/// How many looks in a row must find contention.
const STREAK: u32 = 3;

/// How long a change is given to show what it does.
const SETTLE: Duration = Duration::from_secs(1);

/// How long load must have been low before a connection is taken away.
const QUIET: Duration = Duration::from_secs(30);

/// How long after a call an instance counts as in use, so that a lost connection is made anew before
/// the next call comes.
const IN_USE: Duration = Duration::from_secs(10);

/// How long the fastest ping is remembered, at least: paths change.
const FASTEST_KEPT: Duration = Duration::from_secs(60);

/// The bounds of an instance's connections.
#[derive(Clone, Copy, Debug)]
pub(in crate::channel) struct Bounds {
    /// How many may take calls at once.
    pub(in crate::channel) connections_max: usize,
    /// All are closed when no call was made for so long.
    pub(in crate::channel) idle_timeout: Duration,
    /// Whether there is always one, also before the first call.
    pub(in crate::channel) ahead: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections_max: 4, idle_timeout: Duration::from_secs(300), ahead: false }
    }
}

/// What a look at the connections finds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// How many take calls.
    pub(super) open: usize,
    /// How many calls are in flight on them.
    pub(super) in_flight: usize,
    /// Whether calls were made since the last look.
    pub(super) used: bool,
    /// The shortest of the pings' times: every connection is at least so slow. Nothing if no
    /// ping was sent.
    pub(super) ping: Option<Duration>,
    /// Whether every connection carries about as many calls as it can.
    pub(super) full: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Keep,
    /// Make one more.
    Connect,
    /// Let one go once its calls have ended.
    CloseOne,
    /// Let all go.
    CloseAll,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sizing {
    bounds: Bounds,
    last_used: Option<Instant>,
    /// The last change, and how many looks have found contention since.
    changed: Option<Instant>,
    streak: u32,
    /// For each connection past the first, how many calls were in flight when it was asked for.
    asked_at: Vec<usize>,
    /// Since when few calls were in flight.
    quiet_since: Option<Instant>,
    fastest: Fastest,
}

impl Sizing {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            last_used: None,
            changed: None,
            streak: 0,
            asked_at: Vec::new(),
            quiet_since: None,
            fastest: Fastest::default(),
        }
    }

    /// Decides, at `now`, what to do about what is seen.
    pub(super) fn look(&mut self, now: Instant, seen: Seen) -> Action {
        if seen.used || seen.in_flight > 0 {
            self.last_used = Some(now);
        }
        let contended = self.is_contended(now, seen);
        self.streak = if contended { self.streak + 1 } else { 0 };
        // Those that were lost count no more.
        self.asked_at.truncate(seen.open.saturating_sub(1));
        let unused = |time| self.last_used.is_none_or(|used| now >= used + time);
        if seen.open == 0 {
            let wanted = self.bounds.ahead || !unused(IN_USE.min(self.bounds.idle_timeout));
            return if wanted { Action::Connect } else { Action::Keep };
        }
        if unused(self.bounds.idle_timeout) {
            return match (self.bounds.ahead, seen.open) {
                (false, _) => Action::CloseAll,
                (true, 1) => Action::Keep,
                (true, _) => Action::CloseOne,
            };
        }
        self.resize(now, seen)
    }

    fn resize(&mut self, now: Instant, seen: Seen) -> Action {
        let settled = self.changed.is_none_or(|changed| now >= changed + SETTLE);
        if self.streak >= STREAK && settled && seen.open < self.bounds.connections_max {
            (self.streak, self.changed, self.quiet_since) = (0, Some(now), None);
            // Those before may be there again after they were lost.
            self.asked_at.resize(seen.open - 1, seen.in_flight);
            self.asked_at.push(seen.in_flight);
            return Action::Connect;
        }
        let low = self.asked_at.get(seen.open.wrapping_sub(2)).copied().unwrap_or(0) / 2;
        if seen.open == 1 || seen.in_flight > low || self.streak > 0 {
            self.quiet_since = None;
            return Action::Keep;
        }
        if now < *self.quiet_since.get_or_insert(now) + QUIET {
            return Action::Keep;
        }
        (self.changed, self.quiet_since) = (Some(now), None);
        Action::CloseOne
    }

    fn is_contended(&mut self, now: Instant, seen: Seen) -> bool {
        let Some(ping) = seen.ping else { return seen.full };
        let fastest = self.fastest.with(now, ping);
        seen.full || ping > fastest + DELAY_MAX
    }
}

/// The fastest ping of this period and of the one before.
#[derive(Debug, Default)]
struct Fastest {
    began: Option<Instant>,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Fastest {
    fn with(&mut self, now: Instant, ping: Duration) -> Duration {
        if now >= *self.began.get_or_insert(now) + FASTEST_KEPT {
            (self.began, self.before) = (Some(now), self.now.take());
        }
        let fastest = self.now.map_or(ping, |fastest| fastest.min(ping));
        self.now = Some(fastest);
        self.before.map_or(fastest, |before| before.min(fastest))
    }
}

#[cfg(test)]
#[path = "sizing_tests.rs"]
mod tests;
