//! How many connections the system keeps until they are accepted.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// As many as `net.core.somaxconn` allows. Thousands who come back at once would not fit into the usual
/// 1,024, and whoever does not fit may believe to be connected: where the system answers with SYN cookies
/// it keeps nothing of them, says nothing more, and a client that waits for its welcome waits for ever.
const BACKLOG: u32 = 65_535;

/// Listens at `addr`, at once after a former listener there has ended.
///
/// # Errors
///
/// Those of the system: the address is in use, is not of this machine, or is not allowed.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    /// More than the backlog that `TcpListener::bind` asks for.
    const STORM: usize = 1_200;

    #[tokio::test]
    async fn thousands_connect_before_the_first_is_accepted() {
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        if allowed.trim().parse::<usize>().unwrap() < STORM {
            println!("NOT LOOKED AT: {STORM} connections at once, net.core.somaxconn is {allowed}");
            return;
        }
        im_common::warn_if_too_few_open_files(STORM as u64 + 100, "a storm");
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let storm = future::join_all((0..STORM).map(|_| TcpStream::connect(addr)));
        let came = timeout(Duration::from_secs(30), storm).await.expect("nobody is turned away");
        assert!(came.iter().all(Result::is_ok));
    }
}
