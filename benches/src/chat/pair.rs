//! Pairs: in each, one user keeps messages in flight to the other, who counts them.
//!
//! A message is in flight from the moment it is written until the receiver has read it; its latency
//! is that time. Its text carries the time and a number, so nothing needs to be remembered about it,
//! and the receiver sees at once whether anything was lost, doubled or overtaken.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use im_wire::text::ServerLine;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use crate::load::{Tally, Window};
use crate::report::{per_second, quantile_us};

/// Bytes of each text; the message's number and time stand at its start.
const TEXT_BYTES: usize = 64;
/// After the window, how long messages that are still in flight may take to arrive.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A load of talking pairs.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// The gateway's text port.
    pub addr: SocketAddr,
    /// Pairs of users; each has a sender and a receiver.
    pub pairs: usize,
    /// Messages in flight in each pair.
    pub in_flight: u64,
    /// Measured time, without the warm-up.
    pub measured: Duration,
}

/// Answer of `mpim-chat-load --pairs`.
#[derive(Debug, Serialize)]
pub struct ChatReport {
    /// Pairs of users.
    pub pairs: usize,
    /// Messages in flight in each pair.
    pub in_flight: u64,
    /// Bytes of each text.
    pub payload: usize,
    /// Measured time.
    pub seconds: f64,
    /// Messages delivered in that time, per second.
    pub delivered_per_s: f64,
    /// Median time from send to receipt, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of it.
    pub p99_us: f64,
    /// Messages sent in the whole run, warm-up included.
    pub sent: u64,
    /// Messages received in the whole run; fewer than `sent` if any were lost.
    pub received: u64,
    /// Sends that were acknowledged.
    pub acknowledged: u64,
    /// Pairs that failed.
    pub errors: u64,
    /// Why the first of them did.
    pub first_error: Option<String>,
}

/// What one pair saw.
#[derive(Debug, Default)]
struct PairTally {
    tally: Tally,
    sent: u64,
    received: u64,
    acknowledged: u64,
}

/// Registers the users, runs the load, and waits for what is still in flight.
///
/// # Errors
/// When a user cannot be registered. A pair that fails later is counted.
pub async fn measure_pairs(chat: Chat) -> anyhow::Result<ChatReport> {
    let mut registered = Vec::with_capacity(chat.pairs);
    for _ in 0..chat.pairs {
        let (sender, _) = Connection::register(chat.addr).await?;
        registered.push((sender, Connection::register(chat.addr).await?));
    }
    let window = Window::starting_now(chat.measured);
    let epoch = Instant::now();
    let mut running = JoinSet::new();
    for (sender, (receiver, to)) in registered {
        let counts = PairTally::default();
        let pair = Pair { sender, receiver, to, epoch, window, counts };
        running.spawn(pair.run(chat.in_flight));
    }
    let mut total = PairTally::default();
    while let Some(pair) = running.join_next().await {
        let pair = pair?;
        total.tally.merge(&pair.tally);
        total.sent += pair.sent;
        total.received += pair.received;
        total.acknowledged += pair.acknowledged;
    }
    Ok(ChatReport {
        pairs: chat.pairs,
        in_flight: chat.in_flight,
        payload: TEXT_BYTES,
        seconds: window.length().as_secs_f64(),
        delivered_per_s: per_second(&total.tally, window),
        p50_us: quantile_us(&total.tally.latency_ns, 0.5),
        p99_us: quantile_us(&total.tally.latency_ns, 0.99),
        sent: total.sent,
        received: total.received,
        acknowledged: total.acknowledged,
        errors: total.tally.errors,
        first_error: total.tally.first_error,
    })
}

struct Pair {
    sender: Connection,
    receiver: Connection,
    /// The receiver's uid.
    to: i64,
    /// What the times in the texts count from.
    epoch: Instant,
    window: Window,
    counts: PairTally,
}

impl Pair {
    async fn run(mut self, in_flight: u64) -> PairTally {
        let outcome = async {
            self.talk(in_flight).await?;
            timeout(DRAIN_TIMEOUT, self.drain()).await.context("messages are missing at the end")?
        };
        if let Err(error) = outcome.await {
            self.counts.tally.fail(format!("{error:#}"));
        }
        self.counts
    }

    async fn talk(&mut self, in_flight: u64) -> anyhow::Result<()> {
        self.send(in_flight).await?;
        loop {
            tokio::select! {
                () = sleep_until(self.window.end) => return Ok(()),
                read = self.sender.read() => {
                    read?;
                    self.take_acknowledgements()?;
                }
                read = self.receiver.read() => {
                    read?;
                    let arrived = self.take_messages()?;
                    self.send(arrived).await?;
                }
            }
        }
    }

    /// Reads what is still on its way, so that a lost message shows.
    async fn drain(&mut self) -> anyhow::Result<()> {
        while self.counts.received < self.counts.sent {
            self.receiver.read().await?;
            self.take_messages()?;
        }
        while self.counts.acknowledged < self.counts.sent {
            self.sender.read().await?;
            self.take_acknowledgements()?;
        }
        Ok(())
    }

    /// Writes `count` messages at once, as a client with that much to say would.
    async fn send(&mut self, count: u64) -> anyhow::Result<()> {
        let mut lines = BytesMut::new();
        for _ in 0..count {
            let text = stamp(self.counts.sent, self.epoch.elapsed());
            writeln!(lines, "SEND {} {text}", self.to)?;
            self.counts.sent += 1;
        }
        self.sender.write(&lines).await
    }

    fn take_acknowledgements(&mut self) -> anyhow::Result<()> {
        while let Some(line) = self.sender.next_line()? {
            match line {
                ServerLine::Ok(_) => self.counts.acknowledged += 1,
                other => bail!("the sender got {other:?}"),
            }
        }
        Ok(())
    }

    /// Counts the messages that were read and returns how many they were.
    fn take_messages(&mut self) -> anyhow::Result<u64> {
        let now = Instant::now();
        let before = self.counts.received;
        while let Some(line) = self.receiver.next_line()? {
            let ServerLine::Push(push) = line else { bail!("the receiver got {line:?}") };
            let (number, sent_at) = read_stamp(&push.text).context("a text that nobody sent")?;
            if number != self.counts.received {
                bail!("message {number} came when {} was due", self.counts.received);
            }
            self.counts.received += 1;
            if self.window.counts(now) {
                self.counts.tally.record((now - self.epoch).saturating_sub(sent_at));
            }
        }
        Ok(self.counts.received - before)
    }
}

/// The text of message `number`, sent at `at` after the pair's start.
fn stamp(number: u64, at: Duration) -> String {
    format!("{:.<TEXT_BYTES$}", format!("{number} {} ", at.as_nanos()))
}

fn read_stamp(text: &str) -> Option<(u64, Duration)> {
    let mut words = text.split(' ');
    let number = words.next()?.parse().ok()?;
    Some((number, Duration::from_nanos(words.next()?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_has_the_length_that_is_reported() {
        let at = Duration::from_nanos(123_456_789_012);
        let text = stamp(42, at);
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(read_stamp(&text), Some((42, at)));
        assert_eq!(read_stamp("hello"), None);
    }
}
