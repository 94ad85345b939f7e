//! Users who log in and then say nothing: what does each cost the gateway's memory?

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::connection::Connection;

/// Users who are there before the first look, so that buffers, hash memory and caches that exist
/// once are not counted as the cost of a connection.
const WARM_UP_CONNECTIONS: usize = 100;
/// Registrations under way at once; each costs the server a password hash.
const REGISTERING_MAX: usize = 16;
/// Time for the server to return what it needed for logging in, before memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Answer of `mpim-chat-load --idle`.
#[derive(Debug, Serialize)]
pub struct IdleReport {
    /// Connections that were opened between the two looks.
    pub idle: usize,
    /// Resident memory before, in KiB.
    pub rss_before_kib: u64,
    /// Resident memory after, in KiB.
    pub rss_after_kib: u64,
    /// Growth per connection, in bytes.
    pub bytes_per_connection: u64,
}

/// Opens `count` logged-in connections beyond the first few and compares the resident memory of
/// process `pid` (the gateway, on this machine) before and after.
///
/// # Errors
/// When a user cannot be registered or the process's memory cannot be read.
pub async fn measure_idle(addr: SocketAddr, count: usize, pid: u32) -> anyhow::Result<IdleReport> {
    let mut open = open_connections(addr, WARM_UP_CONNECTIONS).await?;
    tokio::time::sleep(SETTLE).await;
    let rss_before_kib = resident_kib(pid)?;
    open.extend(open_connections(addr, count).await?);
    tokio::time::sleep(SETTLE).await;
    let rss_after_kib = resident_kib(pid)?;
    let growth = rss_after_kib.saturating_sub(rss_before_kib) * 1024;
    let bytes_per_connection = growth / u64::try_from(count.max(1))?;
    drop(open);
    Ok(IdleReport { idle: count, rss_before_kib, rss_after_kib, bytes_per_connection })
}

async fn open_connections(addr: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(count);
    let mut registering: JoinSet<anyhow::Result<(Connection, i64)>> = JoinSet::new();
    for started in 0..count + REGISTERING_MAX {
        if started >= REGISTERING_MAX
            && let Some(registered) = registering.join_next().await
        {
            open.push(registered??.0);
        }
        if started < count {
            registering.spawn(Connection::register(addr));
        }
    }
    Ok(open)
}

/// Resident memory of a process, as Linux reports it.
fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.with_context(|| format!("no VmRSS in {path}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_own_memory_can_be_read() {
        assert!(super::resident_kib(std::process::id()).unwrap() > 100);
    }
}
