//! What an idle connection of mprpc costs the heap of either side.

use anyhow::Context;
use benches::idle::{measure_idle, serve_idle};
use benches::report;
use clap::{Parser, Subcommand};
use peak_alloc::PeakAlloc;

/// Counts: pages that the allocator keeps for later are not memory that a connection needs.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Opens connections to as many echo servers in another process, makes one call on each, and prints
/// by how much the heap of both processes grew for each connection, as one JSON line.
#[derive(Parser)]
#[command(name = "mpim-rpc-idle", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Connections to open
    #[arg(long, default_value_t = 1000)]
    connections: usize,
}

#[derive(Subcommand)]
enum Command {
    /// The other process; ends with its standard input
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        servers: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let heap_bytes = || ALLOCATOR.current_usage();
    runtime.block_on(async {
        match cli.command {
            Some(Command::Serve { servers }) => serve_idle(servers, heap_bytes).await,
            None => Ok(report::print_json(&measure_idle(cli.connections, heap_bytes).await?)?),
        }
    })
}
