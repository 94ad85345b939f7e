//! Users who log in and then say nothing: what does each cost the gateway's memory?

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;

use super::connection::Connection;
use crate::usage::{growth_bytes_each, resident_kib};

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
    let bytes_per_connection = growth_bytes_each(rss_before_kib, rss_after_kib, count);
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
