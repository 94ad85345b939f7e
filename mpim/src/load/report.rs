//! What was seen, for people and for programs.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::flow::Pace;
use super::stamp::TEXT_BYTES;
use super::talk::{Shape, Talk};
use super::tally::{Tally, Window};

/// The longest bar of a histogram.
const BAR: u64 = 40;

/// Something that can be shown as a text or as one line of JSON.
pub(super) trait Show: Serialize + fmt::Display {
    /// Prints it to standard output.
    ///
    /// # Errors
    /// When nobody reads it any more.
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { serde_json::to_string(self)? } else { self.to_string() };
        writeln!(io::stdout(), "{}", text.trim_end())?;
        Ok(())
    }
}

/// Of users who talked.
#[derive(Debug, Serialize)]
pub(super) struct TalkReport {
    /// Pairs of users; or else
    pairs: Option<usize>,
    /// the members of a group, and how many of them sent.
    members: Option<usize>,
    senders: usize,
    /// Messages in flight of each sender; or else
    in_flight: Option<u64>,
    /// messages that were due each second, of all senders.
    rate: Option<f64>,
    /// Bytes of each text.
    payload: usize,
    /// Measured time.
    seconds: f64,
    /// Messages shown in that time, per second; to each member of a group counts as one.
    delivered_per_s: f64,
    /// From sending, or from when it was due, to being shown.
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    /// CPU time of the server process for each of them, if it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cpu_us: Option<f64>,
    /// How many took at most so many microseconds, and longer than the one before.
    histogram: Vec<(u64, u64)>,
    /// In the whole run.
    sent: u64,
    acknowledged: u64,
    shown: u64,
    /// Users who failed, and what the first of them said.
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
}

impl TalkReport {
    pub(super) fn new(talk: Talk, tally: &Tally, window: Window, cpu: Option<Duration>) -> Self {
        let (pairs, members) = match talk.shape {
            Shape::Pairs(pairs) => (Some(pairs), None),
            Shape::Group { members, .. } => (None, Some(members)),
        };
        let senders = talk.shape.senders();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let (in_flight, rate) = match talk.pace {
            Pace::InFlight(count) => (Some(count), None),
            Pace::PerSecond(rate) => (None, Some(rate * senders as f64)),
        };
        let latency = &tally.latency_ns;
        let quantile = |quantile| micros(latency.value_at_quantile(quantile));
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let delivered_per_s = latency.len() as f64 / window.length().as_secs_f64();
        Self {
            pairs,
            members,
            senders,
            in_flight,
            rate,
            payload: TEXT_BYTES,
            seconds: window.length().as_secs_f64(),
            delivered_per_s: one_decimal(delivered_per_s),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: micros(latency.max()),
            server_cpu_us: cpu.map(|cpu| one_decimal(per_message(cpu, latency.len()))),
            histogram: histogram(tally),
            sent: tally.sent,
            acknowledged: tally.acknowledged,
            shown: tally.shown,
            errors: tally.errors,
            first_error: tally.first_error.clone(),
        }
    }
}

/// Counts by powers of two of microseconds, without those at both ends that have none.
fn histogram(tally: &Tally) -> Vec<(u64, u64)> {
    let (mut counts, mut last) = (Vec::new(), 0);
    for power in 0..36 {
        let below = tally.latency_ns.count_between(0, (1_000 << power) - 1);
        if below > last {
            counts.push((1 << power, below - last));
        } else if !counts.is_empty() && below < tally.latency_ns.len() {
            counts.push((1 << power, 0));
        }
        last = below;
    }
    counts
}

#[expect(clippy::cast_precision_loss, reason = "latencies stay far below 2^52 ns")]
fn micros(ns: u64) -> f64 {
    one_decimal(ns as f64 / 1_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn per_message(cpu: Duration, messages: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / messages.max(1) as f64
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// As people say it: `834 µs`, `12.5 ms`.
fn spoken(us: f64) -> String {
    if us < 1_000.0 { format!("{us:.0} µs") } else { format!("{:.1} ms", us / 1_000.0) }
}

impl fmt::Display for TalkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pairs, self.members) {
            (Some(pairs), _) => write!(f, "{pairs} pairs")?,
            (_, members) => {
                let members = members.unwrap_or_default();
                write!(f, "a group of {members}, {} of whom send", self.senders)?;
            }
        }
        match (self.in_flight, self.rate) {
            (Some(in_flight), _) => write!(f, ", {in_flight} in flight each")?,
            (_, rate) => write!(f, ", {} messages due each second", rate.unwrap_or_default())?,
        }
        let Self { seconds, payload, delivered_per_s, .. } = self;
        writeln!(f, ", texts of {payload} bytes, {seconds} s: {delivered_per_s:.0} delivered/s")?;
        let [p50, p90, p99, p999, max] =
            [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us].map(spoken);
        writeln!(f, "latency: p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}")?;
        if let Some(us) = self.server_cpu_us {
            writeln!(f, "CPU time of the server: {us} µs for each delivered message")?;
        }
        let most = self.histogram.iter().map(|(_, count)| *count).max().unwrap_or(0);
        for (us, count) in &self.histogram {
            #[expect(clippy::cast_precision_loss, reason = "a power of two")]
            let to = *us as f64;
            let bar = "#".repeat(usize::try_from(count * BAR / most.max(1)).unwrap_or(0));
            writeln!(f, "{:>10}  {count:>9}  {bar}", spoken(to))?;
        }
        let Self { sent, acknowledged, shown, errors, .. } = self;
        write!(f, "sent {sent}, acknowledged {acknowledged}, shown {shown}, failed users {errors}")
    }
}

impl Show for TalkReport {}

/// Of somebody who came back.
#[derive(Debug, Serialize)]
pub(super) struct BacklogReport {
    /// How many had been left.
    pub(super) messages: u64,
    /// From connecting to the answer of `LOGIN`, of which most is the password's hash.
    pub(super) logged_in_ms: f64,
    /// To the first of the messages.
    pub(super) first_ms: f64,
    /// To the last.
    pub(super) all_ms: f64,
}

impl fmt::Display for BacklogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, logged_in_ms, first_ms, all_ms } = self;
        write!(
            f,
            "{messages} messages left: logged in after {logged_in_ms:.1} ms, the first message \
             after {first_ms:.1} ms, the last after {all_ms:.1} ms"
        )
    }
}

impl Show for BacklogReport {}

/// Of users who said nothing.
#[derive(Debug, Serialize)]
pub(super) struct IdleReport {
    /// Connections that were opened between the two looks.
    pub(super) idle: usize,
    pub(super) rss_before_kib: u64,
    pub(super) rss_after_kib: u64,
    /// Growth per connection.
    pub(super) bytes_per_connection: u64,
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, rss_before_kib, rss_after_kib, bytes_per_connection } = self;
        write!(
            f,
            "{idle} idle connections: {bytes_per_connection} bytes each (resident memory \
             {rss_before_kib} KiB before, {rss_after_kib} KiB after)"
        )
    }
}

impl Show for IdleReport {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_every_latency_once_and_no_hole_between() {
        let mut tally = Tally::default();
        assert_eq!(histogram(&tally), []);
        for us in [3, 3, 100, 120] {
            tally.record(Duration::from_micros(us));
        }
        let expected = [(4, 2), (8, 0), (16, 0), (32, 0), (64, 0), (128, 2)];
        assert_eq!(histogram(&tally), expected);
    }
}
