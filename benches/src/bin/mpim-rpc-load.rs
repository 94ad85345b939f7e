//! Echo servers and clients that load them: mprpc beside tarpc, tonic and raw TCP.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use benches::observed::observe;
use benches::peers::{self, Callee, Load, Protocol, Wire};
use benches::report::{self, RpcReport, per_second, quantile_us};
use benches::stream::measure_stream;
use benches::usage::cpu_time;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures unary echo calls. Start a server, then run clients against it.
#[derive(Parser)]
#[command(name = "mpim-rpc-load", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Threads of the runtime: one per core, or a single one for the whole process
    #[arg(long, value_enum, default_value_t = Threads::Multi, global = true)]
    runtime: Threads,
    /// What speaks between client and server
    #[arg(long, value_enum, default_value_t = Protocol::Mprpc, global = true)]
    protocol: Protocol,
    /// Without a recorder for metrics and a subscriber for logs, which mprpc is measured with
    #[arg(long, global = true)]
    bare: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Threads {
    Multi,
    Single,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM; prints `listening on ADDR`
    Server {
        /// Address to listen on; port 0 takes a free one
        #[arg(long)]
        listen: SocketAddr,
        /// Also register in the ZooKeeper at these hosts, `host:port` or `host:port/root` (mprpc only)
        #[arg(long)]
        zookeeper: Option<String>,
        /// Serve on so many threads of the server's own, each with its share of the connections
        /// (mprpc only); 0: on the runtime
        #[arg(long, default_value_t = 0)]
        threads: usize,
    },
    /// Make calls, as many as it takes or at a rate, and print one JSON line
    Client(ClientArgs),
    /// Take items of one stream and print how many bytes came in a second
    Stream {
        /// Address of the server (mprpc)
        #[arg(long)]
        addr: SocketAddr,
        /// Bytes of each item
        #[arg(long, default_value_t = 65_536)]
        item: usize,
        /// Measured time; a warm-up of a fifth of it, at most 1 s, comes before
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
}

#[derive(Args)]
struct ClientArgs {
    /// Address of the server; of several, separated by commas, each connection is to one
    #[arg(long, required_unless_present = "target", value_delimiter = ',')]
    addr: Vec<SocketAddr>,
    /// Instead, a target of mprpc, such as `zk://127.0.0.1:12181`: discovery and a balancer
    #[arg(long, conflicts_with_all = ["addr", "wire"])]
    target: Option<String>,
    /// Connections to open; never more than the calls in flight
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Calls in flight, over all connections
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Bytes in each request
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// Measured time; a warm-up of a fifth of it, at most 1 s, comes before
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Wire of mprpc
    #[arg(long, value_enum, default_value_t = Wire::V2)]
    wire: Wire,
    /// Of how many in a hundred calls the server sleeps; their latencies are not counted (mprpc only)
    #[arg(long, default_value_t = 0)]
    slow_percent: u8,
    /// How long it sleeps then
    #[arg(long, default_value_t = 50)]
    slow_ms: u64,
    /// Calls a second, their latency counted from when each was due; without, a closed loop
    #[arg(long)]
    rate: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = runtime(cli.runtime)?;
    if cli.protocol == Protocol::Mprpc && !cli.bare {
        observe()?;
    }
    match &cli.command {
        Command::Server { listen, zookeeper, threads } => {
            runtime.block_on(serve(cli.protocol, *listen, zookeeper.as_deref(), *threads))
        }
        Command::Stream { addr, item, seconds } => runtime.block_on(async {
            let measured = Duration::try_from_secs_f64(*seconds).context("--seconds")?;
            Ok(report::print_json(&measure_stream(*addr, *item, measured).await?)?)
        }),
        Command::Client(args) => runtime.block_on(measure(&cli, args)),
    }
}

fn runtime(threads: Threads) -> anyhow::Result<Runtime> {
    let mut builder = match threads {
        Threads::Multi => Builder::new_multi_thread(),
        Threads::Single => Builder::new_current_thread(),
    };
    builder.enable_all().build().context("starting the runtime")
}

async fn serve(
    protocol: Protocol,
    listen: SocketAddr,
    zookeeper: Option<&str>,
    threads: usize,
) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    if zookeeper.is_some() || threads > 0 {
        anyhow::ensure!(protocol == Protocol::Mprpc, "--zookeeper and --threads are for mprpc");
        let shutdown = async { _ = terminated.recv().await };
        return peers::serve_mprpc(listen, zookeeper, threads, shutdown).await;
    }
    tokio::select! {
        served = peers::serve(protocol, listen) => served.with_context(|| format!("serving on {listen}")),
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn measure(cli: &Cli, args: &ClientArgs) -> anyhow::Result<()> {
    let protocol = cli.protocol;
    let callee = match &args.target {
        Some(target) => Callee::Target(target.clone()),
        None => Callee::Addresses(args.addr.clone()),
    };
    let load = Load {
        callee,
        connections: args.connections,
        in_flight: args.in_flight,
        payload: args.payload,
        measured: Duration::try_from_secs_f64(args.seconds).context("--seconds")?,
        wire: args.wire,
        slow_percent: args.slow_percent,
        slow_for: Duration::from_millis(args.slow_ms),
        per_second: args.rate,
    };
    let cpu_before = cpu_time()?;
    let (tally, window) = peers::run(protocol, &load).await?;
    let cpu = cpu_time()? - cpu_before;
    report::print_json(&RpcReport {
        protocol: name_of(protocol),
        wire: (protocol == Protocol::Mprpc).then(|| name_of(args.wire)),
        runtime: name_of(cli.runtime),
        connections: load.connections.min(load.in_flight),
        in_flight: load.in_flight,
        payload: load.payload,
        rate: args.rate,
        seconds: args.seconds,
        cpu_ns: report::each(cpu, tally.finished),
        calls: tally.latency_ns.len(),
        errors: tally.errors,
        failing_ms: tally.failing().as_millis(),
        qps: per_second(&tally, window),
        p50_us: quantile_us(&tally.latency_ns, 0.5),
        p99_us: quantile_us(&tally.latency_ns, 0.99),
        p999_us: quantile_us(&tally.latency_ns, 0.999),
    })?;
    match tally.first_error {
        None => Ok(()),
        Some(first) => anyhow::bail!("{} calls failed, the first: {first}", tally.errors),
    }
}

fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|known| known.get_name().to_owned()).unwrap_or_default()
}
