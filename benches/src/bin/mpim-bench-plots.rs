//! Draws the results of `scripts/bench`.

use std::path::PathBuf;

use anyhow::Context;
use benches::plot::{Chart, Group};
use clap::Parser;
use serde::Deserialize;

/// Draws the results that scripts/bench wrote, as SVG.
#[derive(Parser)]
#[command(name = "mpim-bench-plots", version)]
struct Cli {
    /// The file that scripts/bench wrote
    #[arg(long, default_value = "target/bench/results.json")]
    results: PathBuf,
    /// Where the pictures go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// A line of the results; others have other fields.
#[derive(Deserialize)]
struct Row {
    section: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    in_flight: usize,
    #[serde(default)]
    payload: usize,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    qps: f64,
    #[serde(default)]
    p99_us: f64,
}

/// A picture of a section of the results.
struct Picture {
    file: &'static str,
    section: &'static str,
    title: &'static str,
    value: fn(&Row) -> f64,
    logarithmic: bool,
    show: fn(f64) -> String,
}

const PICTURES: [Picture; 5] = [
    Picture {
        file: "rpc-throughput.svg",
        section: "rpc",
        title: "Unary echo calls per second (higher is better)",
        // Raw TCP is no RPC, and would dwarf the others.
        value: |row| if row.label == "raw TCP, no protocol" { 0.0 } else { row.qps },
        logarithmic: false,
        show: thousands,
    },
    Picture {
        file: "rpc-p99.svg",
        section: "rpc",
        title: "99th percentile of their latency in microseconds (lower is better, logarithmic)",
        value: |row| row.p99_us,
        logarithmic: true,
        show: whole,
    },
    Picture {
        file: "rates-p99.svg",
        section: "rates",
        title: "99th percentile at a fixed rate in microseconds (lower is better, logarithmic)",
        // Who does not keep up has no latency, only a backlog.
        value: |row| {
            if row.rate.is_some_and(|rate| row.qps >= 0.95 * rate) { row.p99_us } else { 0.0 }
        },
        logarithmic: true,
        show: whole,
    },
    Picture {
        file: "threads-throughput.svg",
        section: "threads",
        title: "mprpc in other shapes: unary echo calls per second (higher is better)",
        value: |row| row.qps,
        logarithmic: false,
        show: thousands,
    },
    Picture {
        file: "discovery-throughput.svg",
        section: "discovery",
        title: "Calls per second to three instances (higher is better)",
        value: |row| row.qps,
        logarithmic: false,
        show: thousands,
    },
];

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let text = std::fs::read_to_string(&cli.results)
        .with_context(|| format!("reading {}", cli.results.display()))?;
    let rows: Vec<Row> = serde_json::from_str(&text)
        .with_context(|| format!("{} has other fields", cli.results.display()))?;
    std::fs::create_dir_all(&cli.out)?;
    for Picture { file, section, title, value, logarithmic, show } in PICTURES {
        let groups = groups(rows.iter().filter(|row| row.section == section), value);
        // What was not measured this time keeps its picture.
        if !groups.is_empty() {
            let chart = Chart { title: title.to_owned(), groups, logarithmic, show };
            chart.draw(&cli.out.join(file))?;
        }
    }
    Ok(())
}

fn thousands(value: f64) -> String {
    format!("{:.0}k", value / 1000.0)
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// A group for each load, in the order in which they were measured.
fn groups<'a>(rows: impl Iterator<Item = &'a Row>, value: fn(&Row) -> f64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows.filter(|row| value(row) > 0.0) {
        let label = load_of(row);
        let bar = (row.label.clone(), value(row));
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { label, bars: vec![bar] }),
        }
    }
    groups
}

fn load_of(row: &Row) -> String {
    match row.rate {
        Some(rate) => format!("{} calls/s", thousands(rate)),
        None if row.payload == 64 => format!("{} in flight", row.in_flight),
        None => format!("{} in flight, {} B", row.in_flight, row.payload),
    }
}
