//! Connections that were used once: what does each cost the memory of either side?

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::memory::{growth_bytes_each, resident_kib};
use crate::peers::open_mprpc;

/// Connections before the first look, so that what exists once is not counted.
const WARM_UP_CONNECTIONS: usize = 100;
/// Time for both sides to return what they needed for the first call.
const SETTLE: Duration = Duration::from_secs(2);

/// Answer of `mpim-rpc-load idle`.
#[derive(Debug, Serialize)]
pub struct IdleReport {
    /// Connections that were opened between the two looks.
    pub idle: usize,
    /// Growth of the client's resident memory per connection, in bytes.
    pub client_bytes: u64,
    /// Growth of the server's.
    pub server_bytes: u64,
}

/// Opens `count` connections of mprpc to the server at `addr`, which is the process `pid`, makes
/// one call on each, and compares the memory of both processes before and after.
///
/// # Errors
/// When a connection cannot be opened or memory cannot be read.
pub async fn measure_idle(addr: SocketAddr, count: usize, pid: u32) -> anyhow::Result<IdleReport> {
    let payload = Bytes::from_static(b"hello");
    let mut open = Vec::with_capacity(WARM_UP_CONNECTIONS + count);
    for _ in 0..WARM_UP_CONNECTIONS {
        open.push(open_mprpc(addr, payload.clone()).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let ours = std::process::id();
    let (client, server) = (resident_kib(ours)?, resident_kib(pid)?);
    for _ in 0..count {
        open.push(open_mprpc(addr, payload.clone()).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let report = IdleReport {
        idle: count,
        client_bytes: growth_bytes_each(client, resident_kib(ours)?, count),
        server_bytes: growth_bytes_each(server, resident_kib(pid)?, count),
    };
    drop(open);
    Ok(report)
}
