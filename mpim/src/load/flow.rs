//! One sender's messages: how many there are, how many were shown, and when the next is due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// In an open loop messages are due together at each tick of this length.
const TICK: Duration = Duration::from_millis(1);

/// When a sender sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// Closed loop: so many are sent and not shown to everybody.
    InFlight(u64),
    /// Open loop: so many a second.
    PerSecond(f64),
}

impl Pace {
    /// The time in which each sender sends so many messages; none where that is soon.
    pub(super) fn turns(self, messages: u32) -> Duration {
        match self {
            Self::InFlight(_) => Duration::ZERO,
            Self::PerSecond(rate) => Duration::from_secs_f64(f64::from(messages) / rate),
        }
    }

    /// How much later than the first one the sender at this place begins: at a rate they take turns, so
    /// that a thousand of them do not send a thousand messages in the same moment.
    pub(super) fn turn(self, place: usize, senders: usize) -> Duration {
        match self {
            Self::InFlight(_) => Duration::ZERO,
            #[expect(clippy::cast_precision_loss, reason = "a number of users")]
            Self::PerSecond(rate) => {
                Duration::from_secs_f64(place as f64 / (rate * senders as f64))
            }
        }
    }
}

/// What everybody knows of one sender's messages.
#[derive(Debug)]
pub(super) struct Flow {
    /// To whom each message is shown.
    receivers: u64,
    sent: AtomicU64,
    /// Shown, to all receivers together.
    shown: AtomicU64,
    wake: Notify,
}

impl Flow {
    pub(super) fn new(receivers: u64) -> Self {
        let (sent, shown) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { receivers, sent, shown, wake: Notify::new() }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The number of the next message, which is sent now.
    pub(super) fn take_number(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// One receiver was shown one message.
    pub(super) fn shown(&self) {
        let shown = self.shown.fetch_add(1, Ordering::Relaxed) + 1;
        if shown.is_multiple_of(self.receivers) {
            self.wake.notify_one();
        }
    }

    /// How many are not shown to everybody, as if all receivers were equally far.
    fn in_flight(&self) -> u64 {
        self.sent().saturating_sub(self.shown.load(Ordering::Relaxed) / self.receivers)
    }
}

/// The times at which a sender sends.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    began: Instant,
    taken: u64,
}

impl Schedule {
    pub(super) fn new(pace: Pace, began: Instant) -> Self {
        Self { pace, began, taken: 0 }
    }

    /// Waits until messages are due; how many, and since when. Cancel safe.
    pub(super) async fn due(&mut self, flow: &Flow) -> (u64, Instant) {
        match self.pace {
            Pace::InFlight(max) => loop {
                let room = max.saturating_sub(flow.in_flight());
                if room > 0 {
                    return (room, Instant::now());
                }
                flow.wake.notified().await;
            },
            Pace::PerSecond(rate) => loop {
                let elapsed = self.began.elapsed();
                let due = due_by(rate, elapsed) - self.taken;
                if due > 0 {
                    // Those of one tick: each tick's messages count from its end.
                    let tick = self.tick_of(rate);
                    let due = (due_by(rate, tick) - self.taken).min(due).max(1);
                    self.taken += due;
                    return (due, self.began + tick);
                }
                let next = self.began + self.tick_of(rate);
                sleep_until(next).await;
            },
        }
    }

    /// The end of the tick in which the next message is due, after the beginning.
    fn tick_of(&self, rate: f64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let due = Duration::from_secs_f64(self.taken as f64 / rate);
        let ticks = due.as_nanos() / TICK.as_nanos() + 1;
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// How many are due by the last tick before `elapsed`.
fn due_by(rate: f64, elapsed: Duration) -> u64 {
    let ticked = elapsed.as_nanos() - elapsed.as_nanos() % TICK.as_nanos();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a count, far below 2^52 as are nanoseconds of some hours"
    )]
    let due = (ticked as f64 * rate / 1e9).ceil() as u64;
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_sends_so_many_as_the_rate_says_however_late_it_is() {
        let flow = Flow::new(1);
        let mut schedule = Schedule::new(Pace::PerSecond(2_500.0), Instant::now());
        // Nothing was asked for in the first tenth of a second: all of it is due, from its own time.
        tokio::time::advance(Duration::from_millis(100)).await;
        let (mut sent, mut last) = (0, Instant::now() - Duration::from_millis(100));
        while sent < 2_500 {
            let (due, at) = schedule.due(&flow).await;
            assert!(at > last && at <= Instant::now());
            (sent, last) = (sent + due, at);
        }
        assert_eq!((sent, last.duration_since(schedule.began)), (2_500, Duration::from_secs(1)));
    }

    #[test]
    fn at_a_rate_senders_take_turns() {
        let turns = |pace: Pace| [0, 1, 3].map(|place| pace.turn(place, 4).as_millis());
        // Four times five a second: one each fifty milliseconds.
        assert_eq!(turns(Pace::PerSecond(5.0)), [0, 50, 150]);
        assert_eq!(turns(Pace::InFlight(8)), [0, 0, 0]);
    }

    #[tokio::test]
    async fn a_closed_loop_waits_until_all_receivers_were_shown_one() {
        let flow = Flow::new(2);
        let mut schedule = Schedule::new(Pace::InFlight(1), Instant::now());
        assert_eq!(schedule.due(&flow).await.0, 1);
        flow.take_number();
        flow.shown();
        let mut next = std::pin::pin!(schedule.due(&flow));
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        flow.shown();
        assert_eq!(next.await.0, 1);
    }
}
