//! Faults on a running MPIM, as many as one likes, and a verdict: see `mpim_tests::chaos`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use mpim_tests::Layout;
use mpim_tests::chaos::{Bug, Fault, Options, Report, RoundReport, run};
use tokio::signal::unix::{SignalKind, signal};

/// Lets people talk, breaks things, mends them, and holds what was acknowledged and shown against the
/// history. Exits with 0 only if everything held.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Arguments {
    /// In what shape MPIM runs.
    #[arg(long, value_enum, default_value_t = Shape::Embedded)]
    stack: Shape,
    /// How many rounds.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The seed of the first round; each next round has the next number. Chosen if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Which faults, by name; all that the stack can have if it is not given.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// Takes the faults in turn instead of by the seed.
    #[arg(long)]
    in_turn: bool,
    /// Lists the faults and ends.
    #[arg(long)]
    list: bool,
    /// No round begins later than this, in minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// After how many rounds a new stack is started.
    #[arg(long, default_value_t = 250)]
    rounds_of_a_stack: u64,
    /// Plants a known bug, to see that it is found (not on a cluster): acknowledged-before-commit,
    /// checked-before-lock, no-deduplication, pushed-without-order, cursor-moved-by-send, cursors-not-written.
    #[arg(long)]
    bug: Option<String>,
    /// Clients of storm-thousands.
    #[arg(long, default_value_t = 2_000)]
    storm: usize,
    /// For how long ZooKeeper is away in zookeeper-away, in s.
    #[arg(long, default_value_t = 600)]
    away: u64,
    /// Where journals and logs of rounds that failed are kept.
    #[arg(long, default_value = "target/chaos")]
    keep: PathBuf,
    /// Adds each round to this file as a line of JSON, as soon as it is over.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A recovery that takes too long is shown, and no failure, and a send is tried for 30 s: for a machine
    /// that is busy.
    #[arg(long)]
    lenient: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Embedded,
    Static,
    Cluster,
}

impl Shape {
    fn layout(self) -> Layout {
        match self {
            Self::Embedded => Layout::Embedded,
            Self::Static => Layout::Five,
            Self::Cluster => Layout::Cluster,
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let layout = arguments.stack.layout();
    if arguments.list {
        for fault in Fault::of(layout) {
            println!("{:<16} {}", fault.name(), fault.says());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        layout,
        rounds: arguments.rounds,
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000)),
        faults: chosen(layout, &arguments.faults)?,
        in_turn: arguments.in_turn,
        time_max: Duration::from_secs(60 * arguments.minutes),
        rounds_of_a_stack: arguments.rounds_of_a_stack,
        bug: planted(layout, arguments.bug.as_deref())?,
        patient: arguments.lenient,
        storm: arguments.storm,
        away: Duration::from_secs(arguments.away),
        keep: arguments.keep.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    let ended = runtime.block_on(watched(&options, arguments.json.as_deref(), &mut report));
    print!("\n{}", report.table());
    let ended = ended?;
    let late = report.late().count();
    let right = report.failed().count() == 0 && (arguments.lenient || late == 0);
    println!(
        "\n{} rounds from seed {}: {}{}",
        report.rounds().len(),
        options.seed,
        if right { "everything held" } else { "FAILED" },
        if ended == Ended::Interrupted { ", interrupted" } else { "" },
    );
    let success = right && ended == Ended::ByItself;
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(layout: Layout, names: &[String]) -> anyhow::Result<Vec<Fault>> {
    let possible = Fault::of(layout);
    if names.is_empty() {
        return Ok(possible.into_iter().filter(|fault| fault.is_usual()).collect());
    }
    let named = |name: &String| match Fault::named(name) {
        Some(fault) if possible.contains(&fault) => Ok(fault),
        Some(_) => bail!("{name} is not possible on this stack"),
        None => bail!("there is no fault {name}; --list shows them"),
    };
    names.iter().map(named).collect()
}

fn planted(layout: Layout, name: Option<&str>) -> anyhow::Result<Option<Bug>> {
    let Some(name) = name else { return Ok(None) };
    match Bug::named(name) {
        Some(_) if layout == Layout::Cluster => bail!("bugs are not planted in a cluster"),
        Some(bug) => Ok(Some(bug)),
        None => bail!("there is no bug {name}"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    Interrupted,
}

/// Runs the rounds unless somebody has enough of it. Either way no process is left.
async fn watched(
    options: &Options,
    json: Option<&Path>,
    report: &mut Report,
) -> anyhow::Result<Ended> {
    let open = |path| File::options().create(true).append(true).open(path);
    let mut json = json.map(open).transpose().context("the file for JSON")?;
    let bar = ProgressBar::new(options.rounds);
    let style = "{elapsed_precise} [{bar:30}] {pos}/{len} rounds, {eta} left {msg}";
    bar.set_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
    let mut failed = 0;
    let told = |round: &RoundReport| {
        failed += u64::from(!round.is_right());
        if let Some(file) = &mut json
            && let Err(error) = writeln!(file, "{}", round.json())
        {
            bar.suspend(|| println!("the file for JSON: {error}"));
        }
        bar.inc(1);
        bar.set_message(format!("| {failed} failed | {}", round.fault.name()));
        // What takes long is run for what it tells, too.
        if !round.is_right() || round.is_late() || !round.fault.is_usual() {
            bar.suspend(|| println!("{}", line(round)));
        }
    };
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let ended = tokio::select! {
        ran = run(options, report, told) => ran.map(|()| Ended::ByItself),
        _ = interrupt.recv() => Ok(Ended::Interrupted),
        _ = terminate.recv() => Ok(Ended::Interrupted),
    };
    bar.finish_and_clear();
    ended
}

/// Of a round that was not as it should be.
fn line(round: &RoundReport) -> String {
    let recovery = round.recovery.map_or_else(|| "never".to_owned(), |time| format!("{time:.1?}"));
    let mut line = format!(
        "round {} ({} of {}): recovered in {recovery}; --rounds 1 --seed {} --faults {}",
        round.number,
        round.fault.name(),
        round.hit,
        round.seed,
        round.fault.name(),
    );
    for violation in round.violations.iter().take(5) {
        line += "\n    ";
        line += violation;
    }
    if let Some(kept) = &round.kept {
        line += &format!("\n    kept in {}", kept.display());
    }
    line
}
