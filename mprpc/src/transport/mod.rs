//! The wires on sockets: who reads, who writes, who wakes whom.
//!
//! * `v2_client`: a connection that many calls share; one task drives it;
//! * `v2_server`: its other end; one task reads, runs handlers and writes;
//! * `classic_client`: a bounded pool of connections with one call each;
//! * `classic_server`: its other end; answers in the order of requests.

pub(crate) mod classic_client;
pub(crate) mod classic_server;
pub(crate) mod v2_client;
pub(crate) mod v2_server;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How much is read at once, in bytes.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Connects within `timeout`.
pub(crate) async fn connect(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(timeout, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    prepare(&stream)?;
    Ok(stream)
}

/// What is set on every socket, at either end.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Frames are gathered before they are written; the kernel need not wait for more.
    stream.set_nodelay(true)?;
    // The classic wire has no ping, and its idle connections are kept: without this, those of a
    // machine that vanished would be kept for ever.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
