//! What came of the rounds, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::Fault;

/// What came of one round.
#[derive(Clone, Debug)]
pub struct RoundReport {
    /// Which round of the run, from 0.
    pub number: u64,
    /// What repeats it.
    pub seed: u64,
    /// What went wrong.
    pub fault: Fault,
    /// Where.
    pub hit: String,
    /// From the mending until everybody was served again. `None`: they never were.
    pub recovery: Option<Duration>,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages without an answer, or with one that leaves it open.
    pub unknown: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages that somebody was shown.
    pub shown: u64,
    /// The longest that an answer was waited for.
    pub slowest: Duration,
    /// The longest that somebody whom the fault does not concern waited for one. Told and not judged:
    /// how long is too long depends on the machine, and what is not answered within the time that a send
    /// has is answered with an error, which is a violation.
    pub spared_slowest: Duration,
    /// The bytes of memory that each process had at the end.
    pub memory: BTreeMap<String, u64>,
    /// What does not hold, in words.
    pub violations: Vec<String>,
    /// Where its journals are, if they were kept.
    pub kept: Option<PathBuf>,
    /// How long the round took.
    pub took: Duration,
}

impl RoundReport {
    pub(super) fn new(number: u64, seed: u64, fault: Fault) -> Self {
        Self {
            number,
            seed,
            fault,
            hit: String::new(),
            recovery: None,
            acknowledged: 0,
            unknown: 0,
            refused: 0,
            shown: 0,
            slowest: Duration::ZERO,
            spared_slowest: Duration::ZERO,
            memory: BTreeMap::new(),
            violations: Vec::new(),
            kept: None,
            took: Duration::ZERO,
        }
    }

    /// Whether everything holds.
    pub fn is_right(&self) -> bool {
        self.violations.is_empty()
    }

    /// Whether everybody was served again, but later than they should have been.
    pub fn is_late(&self) -> bool {
        self.recovery.is_some_and(|recovery| recovery > self.fault.recovery_max())
    }

    /// Everything, for programs.
    pub fn json(&self) -> Value {
        json!({
            "round": self.number,
            "seed": self.seed,
            "fault": self.fault.name(),
            "hit": self.hit,
            "recovery_ms": self.recovery.map(ms),
            "acknowledged": self.acknowledged,
            "unknown": self.unknown,
            "refused": self.refused,
            "shown": self.shown,
            "slowest_ms": ms(self.slowest),
            "spared_slowest_ms": ms(self.spared_slowest),
            "memory_bytes": self.memory,
            "violations": self.violations,
            "kept": self.kept,
            "took_ms": ms(self.took),
        })
    }
}

/// What came of all rounds so far.
#[derive(Debug, Default)]
pub struct Report {
    rounds: Vec<RoundReport>,
}

impl Report {
    pub(super) fn add(&mut self, round: RoundReport) {
        self.rounds.push(round);
    }

    /// The rounds, in their order.
    pub fn rounds(&self) -> &[RoundReport] {
        &self.rounds
    }

    /// The rounds in which something does not hold.
    pub fn failed(&self) -> impl Iterator<Item = &RoundReport> {
        self.rounds.iter().filter(|round| !round.is_right())
    }

    /// The rounds after which somebody waited too long.
    pub fn late(&self) -> impl Iterator<Item = &RoundReport> {
        self.rounds.iter().filter(|round| round.is_late())
    }

    /// A row for each fault and one for all of them, as Markdown.
    pub fn table(&self) -> String {
        let mut table = "| fault | rounds | acknowledged | shown | unknown | refused | violations \
                         | recovery p50 | p95 | max | bound | late |\n\
                         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
        let mut by_fault: BTreeMap<Fault, Vec<&RoundReport>> = BTreeMap::new();
        for round in &self.rounds {
            by_fault.entry(round.fault).or_default().push(round);
        }
        for (fault, rounds) in &by_fault {
            let bound = format!("{} ms", fault.recovery_max().as_millis());
            row(&mut table, fault.name(), rounds, &bound);
        }
        row(&mut table, "**all**", &self.rounds.iter().collect::<Vec<_>>(), "");
        table
    }
}

fn row(table: &mut String, name: &str, rounds: &[&RoundReport], bound: &str) {
    let sum = |of: fn(&RoundReport) -> u64| rounds.iter().map(|round| of(round)).sum::<u64>();
    let mut recoveries: Vec<_> = rounds.iter().filter_map(|round| round.recovery).collect();
    recoveries.sort_unstable();
    let at = |percent: usize| match recoveries.len() {
        0 => "-".to_owned(),
        length => format!("{} ms", recoveries[((length - 1) * percent).div_ceil(100)].as_millis()),
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        table,
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {bound} | {} |",
        rounds.len(),
        sum(|round| round.acknowledged),
        sum(|round| round.shown),
        sum(|round| round.unknown),
        sum(|round| round.refused),
        rounds.iter().map(|round| round.violations.len()).sum::<usize>(),
        at(50),
        at(95),
        at(100),
        rounds.iter().filter(|round| round.is_late()).count(),
    );
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
