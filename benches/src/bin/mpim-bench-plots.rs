//! Draws the results of `scripts/bench`.

use std::path::{Path, PathBuf};

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
    qps: f64,
    #[serde(default)]
    p99_us: f64,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let text = std::fs::read_to_string(&cli.results)
        .with_context(|| format!("reading {}", cli.results.display()))?;
    let rows: Vec<Row> = serde_json::from_str(&text)
        .with_context(|| format!("{} has other fields", cli.results.display()))?;
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.section == "rpc").collect();
    std::fs::create_dir_all(&cli.out)?;
    let peers = |row: &Row| row.label != "raw TCP, no protocol";
    draw(
        &cli.out.join("rpc-throughput.svg"),
        "Unary echo calls per second (higher is better)",
        groups(rows.iter().filter(|row| peers(row)), |row| row.qps),
        false,
        |value| format!("{:.0}k", value / 1000.0),
    )?;
    draw(
        &cli.out.join("rpc-p99.svg"),
        "99th percentile of their latency in microseconds (lower is better, logarithmic)",
        groups(rows.iter(), |row| row.p99_us),
        true,
        |value| format!("{value:.0}"),
    )
}

fn draw(
    path: &Path,
    title: &str,
    groups: Vec<Group>,
    logarithmic: bool,
    show: fn(f64) -> String,
) -> anyhow::Result<()> {
    anyhow::ensure!(!groups.is_empty(), "the results have no section rpc");
    Chart { title: title.to_owned(), groups, logarithmic, show }.draw(path)
}

/// A group for each load, in the order in which they were measured.
fn groups<'a>(rows: impl Iterator<Item = &'a Row>, value: fn(&Row) -> f64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows.filter(|row| value(row) > 0.0) {
        let size = if row.payload == 64 { String::new() } else { format!(", {} B", row.payload) };
        let label = format!("{} in flight{size}", row.in_flight);
        let bar = (row.label.clone(), value(row));
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { label, bars: vec![bar] }),
        }
    }
    groups
}
