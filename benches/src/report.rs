//! The JSON lines that the load programs print: one object, one line, on standard output.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::load::{Tally, Window};

/// Answer of `mpim-rpc-load client`.
#[derive(Debug, Serialize)]
pub struct RpcReport {
    /// Which peer was measured.
    pub protocol: String,
    /// Which wire of mprpc, if the peer is mprpc.
    pub wire: Option<String>,
    /// Threads of the client's runtime: `multi` or `single`.
    pub runtime: String,
    /// Connections opened.
    pub connections: usize,
    /// Calls in flight, over all connections.
    pub in_flight: usize,
    /// Bytes in each request and each answer, before encoding.
    pub payload: usize,
    /// Calls that were to be made each second; nothing: as many as it took.
    pub rate: Option<f64>,
    /// Measured time, without the warm-up.
    pub seconds: f64,
    /// What a call cost the client's process, in nanoseconds of CPU time.
    pub cpu_ns: u64,
    /// Calls that finished in the measured time.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// From the first call that failed to the last one, in milliseconds.
    pub failing_ms: u128,
    /// Calls per second.
    pub qps: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile in microseconds.
    pub p99_us: f64,
    /// 99.9th percentile in microseconds.
    pub p999_us: f64,
}

/// Operations per second in `window`, rounded to one decimal.
pub fn per_second(tally: &Tally, window: Window) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let count = tally.latency_ns.len() as f64;
    one_decimal(count / window.length().as_secs_f64())
}

/// The latency at `quantile` (0 to 1) in microseconds, rounded to one decimal.
pub fn quantile_us(latency_ns: &Histogram<u32>, quantile: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "latencies stay far below 2^52 ns")]
    let ns = latency_ns.value_at_quantile(quantile) as f64;
    one_decimal(ns / 1000.0)
}

/// The share of each of `count` calls, in nanoseconds.
pub fn each(time: Duration, count: u64) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / count.max(1)
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Prints `report` as one line.
///
/// # Errors
/// When standard output is gone.
pub fn print_json(report: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    io::stdout().write_all(line.as_bytes())
}

/// Prints where a server listens, so that whoever asked for port 0 learns the port.
///
/// # Errors
/// When standard output is gone.
pub fn announce(addr: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {addr}")
}
