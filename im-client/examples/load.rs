//! Pairs of users who write to each other, and how long that takes.
//!
//! ```console
//! $ cargo run --release -p im-client --example load -- --server ws://127.0.0.1:8080 --pairs 20 --seconds 10
//! ```
//!
//! Each pair is two new users; one writes, with so many messages under way at a time, and the other reads.
//! It says how long it took until a message was stored, and until it was shown to the other one. It ends
//! with 1 if one was stored and not shown, or shown twice.
#![expect(clippy::print_stdout, reason = "what the person who started it reads")]

use anyhow::bail;
use clap::Parser;
use hdrhistogram::Histogram;
use im_client::{Client, Event, Events, Options, RequestError, Server};
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, interval_at, sleep_until, timeout},
};

/// How long the last messages may take.
const LAST_ONES: Duration = Duration::from_secs(10);
/// The longest time that is told apart, in microseconds: a minute.
const TOLD_MAX_US: u64 = 60_000_000;

/// Makes new users on the server, two for each pair.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server: text://HOST:PORT, frames://HOST:PORT or ws://HOST:PORT, behind TLS text+tls://,
    /// frames+tls:// or wss://. More than one: in turn, so that the two of a pair speak different protocols.
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    server: Vec<Server>,
    /// Behind TLS: trust whom the certificates in this file vouch for, not whom the system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How many pairs.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pairs: u32,
    /// For how long they write.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Messages of each that are under way at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    in_flight: u8,
    /// The length of a message, in bytes.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=4096))]
    bytes: u16,
}

/// What has happened so far.
struct Tally {
    stored_us: Histogram<u64>,
    shown_us: Histogram<u64>,
    /// Refused, lost or too late.
    failed: u64,
    last_failure: Option<RequestError>,
}

#[derive(Clone)]
struct Shared {
    began: Instant,
    until: Instant,
    bytes: usize,
    tally: Arc<Mutex<Tally>>,
}

impl Shared {
    fn tally<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A text that tells when it was written.
    fn text(&self) -> String {
        format!("{:<width$}", self.now_us(), width = self.bytes)
    }
}

/// What became of a pair.
#[derive(Default)]
struct Pair {
    stored: HashSet<i64>,
    shown: HashSet<i64>,
    twice: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let pairs = people(&arguments).await?;
    println!("{} pairs are logged in", pairs.len());
    let began = Instant::now();
    let shared = Shared {
        began,
        until: began + Duration::from_secs(arguments.seconds),
        bytes: arguments.bytes.into(),
        tally: Arc::new(Mutex::new(Tally {
            stored_us: Histogram::new_with_max(TOLD_MAX_US, 3)?,
            shown_us: Histogram::new_with_max(TOLD_MAX_US, 3)?,
            failed: 0,
            last_failure: None,
        })),
    };
    let mut talking = JoinSet::new();
    for (writer, reader) in pairs {
        talking.spawn(talk(shared.clone(), arguments.in_flight, writer, reader));
    }
    let telling = tokio::spawn(progress(shared.clone()));
    let mut all = Pair::default();
    while let Some(pair) = talking.join_next().await {
        let Pair { stored, shown, twice } = pair?;
        all.stored.extend(stored);
        all.shown.extend(shown);
        all.twice += twice;
    }
    telling.abort();
    println!("{}", shared.tally(|tally| summary(tally, arguments.seconds)));
    let missing = all.stored.difference(&all.shown).count();
    match (missing, all.twice) {
        (0, 0) => Ok(()),
        (missing, twice) => bail!("{missing} were stored and not shown, {twice} were shown twice"),
    }
}

type Person = (Client, Events, i64);

/// Registers everybody.
async fn people(arguments: &Arguments) -> anyhow::Result<Vec<(Person, Person)>> {
    let run = fastrand::u32(..);
    let trusting = |server: &Server| match &arguments.ca {
        Some(ca) => server.clone().trusting(ca),
        None => server.clone(),
    };
    let mut servers = arguments.server.iter().cycle().map(trusting);
    let mut pairs = Vec::new();
    for pair in 0..arguments.pairs {
        let mut two = Vec::new();
        for (role, server) in ["w", "r"].into_iter().zip(servers.by_ref()) {
            let (client, events) = Client::connect(server, Options::default()).await?;
            let uid =
                client.register(format!("load-{run:x}-{pair}-{role}"), "load-password").await?;
            two.push((client, events, uid));
        }
        let (Some(reader), Some(writer)) = (two.pop(), two.pop()) else { continue };
        pairs.push((writer, reader));
    }
    Ok(pairs)
}

async fn talk(shared: Shared, in_flight: u8, writer: Person, reader: Person) -> Pair {
    let (writer, mut told, _) = writer;
    let (reader, mut events, uid) = reader;
    // What the writer is told is of no use, but has to be taken.
    let taking = tokio::spawn(async move { while told.next().await.is_some() {} });
    let mut writing = JoinSet::new();
    for _ in 0..in_flight {
        writing.spawn(write(shared.clone(), writer.clone(), uid));
    }
    let mut pair = Pair::default();
    let mut last_ones = None;
    while last_ones.is_none_or(|until| Instant::now() < until)
        && (!writing.is_empty() || !pair.stored.is_subset(&pair.shown))
    {
        let until = last_ones.unwrap_or(shared.until + LAST_ONES);
        tokio::select! {
            Some(written) = writing.join_next() => {
                pair.stored.extend(written.unwrap_or_default());
                if writing.is_empty() {
                    last_ones = Some(Instant::now() + LAST_ONES);
                }
            }
            event = events.next() => match event {
                Some(Event::Message(message)) => {
                    let wrote_us = message.text.trim().parse().unwrap_or(0);
                    let took_us = shared.now_us().saturating_sub(wrote_us);
                    shared.tally(|tally| tally.shown_us.saturating_record(took_us.max(1)));
                    pair.twice += u64::from(!pair.shown.insert(message.msg_id));
                }
                Some(_) => {}
                None => break,
            },
            () = sleep_until(until), if last_ones.is_some() => {}
        }
    }
    drop((reader, writer));
    let _ = timeout(LAST_ONES, taking).await;
    pair
}

/// Writes one message after the other. Answers the ids of those that are stored.
async fn write(shared: Shared, client: Client, to: i64) -> Vec<i64> {
    let mut stored = Vec::new();
    while Instant::now() < shared.until {
        let began = Instant::now();
        match client.send(to, shared.text()).await {
            Ok(msg_id) => {
                let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.tally(|tally| tally.stored_us.saturating_record(took_us.max(1)));
                stored.push(msg_id);
            }
            Err(error) => shared.tally(|tally| {
                tally.failed += 1;
                tally.last_failure = Some(error);
            }),
        }
    }
    stored
}

async fn progress(shared: Shared) {
    let second = Duration::from_secs(1);
    let mut seconds = interval_at(shared.began + second, second);
    loop {
        let at = seconds.tick().await.duration_since(shared.began).as_secs().max(1);
        println!("{at:>5} s: {}", shared.tally(|tally| summary(tally, at)));
    }
}

fn summary(tally: &Tally, seconds: u64) -> String {
    let Tally { stored_us, shown_us, failed, last_failure } = tally;
    let times = |name: &str, times: &Histogram<u64>| {
        let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
        format!("{} {name}: p50 {:.1} ms, p99 {:.1} ms", times.len(), ms(0.5), ms(0.99))
    };
    let rate = stored_us.len() / seconds;
    let failed = match last_failure {
        Some(error) => format!("; {failed} failed, the last because: {error}"),
        None => String::new(),
    };
    format!("{}; {}; {rate} a second{failed}", times("stored", stored_us), times("shown", shown_us))
}
