//! Load through the text gateway: messages delivered per second, or memory per idle connection.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use benches::chat::{Chat, measure_idle, measure_pairs};
use benches::report::print_json;
use clap::Parser;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a running gateway and prints one JSON line. Starts nothing itself.
#[derive(Parser)]
#[command(name = "mpim-chat-load", version)]
struct Cli {
    /// The gateway's text port
    #[arg(long, default_value = "127.0.0.1:6000")]
    addr: SocketAddr,
    /// Pairs of a sender and a receiver
    #[arg(long, default_value_t = 16)]
    pairs: usize,
    /// Messages in flight in each pair
    #[arg(long, default_value_t = 8)]
    in_flight: u64,
    /// Measured time; a warm-up of a fifth of it, at most 1 s, comes before
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Instead of talking, open this many logged-in connections and report the memory of each
    #[arg(long, requires = "pid", conflicts_with_all = ["pairs", "in_flight", "seconds"])]
    idle: Option<usize>,
    /// Process whose resident memory `--idle` reports
    #[arg(long, requires = "idle")]
    pid: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // One thread: the client must not take a core from the server that is measured.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(cli))
}

async fn measure(cli: Cli) -> anyhow::Result<()> {
    if let (Some(count), Some(pid)) = (cli.idle, cli.pid) {
        return Ok(print_json(&measure_idle(cli.addr, count, pid).await?)?);
    }
    let report = measure_pairs(Chat {
        addr: cli.addr,
        pairs: cli.pairs,
        in_flight: cli.in_flight,
        measured: Duration::try_from_secs_f64(cli.seconds).context("--seconds")?,
    })
    .await?;
    print_json(&report)?;
    match report.first_error {
        None => Ok(()),
        Some(first) => anyhow::bail!("{} pairs failed, the first: {first}", report.errors),
    }
}
