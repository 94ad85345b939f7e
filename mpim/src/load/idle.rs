//! Users who log in and then say nothing: what does each cost the gateway's memory?

use std::net::SocketAddr;
use std::time::Duration;

use super::people;
use super::process::resident_kib;
use super::report::IdleReport;

/// Users who are there before the first look, so that buffers, hash memory and caches that exist
/// once are not counted as the cost of a connection.
const WARM_UP_CONNECTIONS: usize = 100;
/// Time for the server to return what it needed for logging in, before memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Opens `count` logged-in connections beyond the first few and compares the resident memory of
/// process `pid` (the gateway, on this machine) before and after.
///
/// # Errors
/// When a user cannot be registered or the process's memory cannot be read.
pub(super) async fn measure(
    addr: SocketAddr,
    count: usize,
    pid: u32,
) -> anyhow::Result<IdleReport> {
    let few = people::register(addr, WARM_UP_CONNECTIONS).await?;
    tokio::time::sleep(SETTLE).await;
    let rss_before_kib = resident_kib(pid)?;
    let many = people::register(addr, count).await?;
    tokio::time::sleep(SETTLE).await;
    let rss_after_kib = resident_kib(pid)?;
    drop((few, many));
    let growth = rss_after_kib.saturating_sub(rss_before_kib) * 1024;
    let bytes_per_connection = growth / count.max(1) as u64;
    Ok(IdleReport { idle: count, rss_before_kib, rss_after_kib, bytes_per_connection })
}
