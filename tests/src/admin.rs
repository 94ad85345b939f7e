//! The admin port of a process, as whoever watches it sees it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::until;

/// One look.
const LOOK: Duration = Duration::from_secs(5);

/// `GET path`: the status and the body.
///
/// # Errors
/// Nobody is there, or it does not speak HTTP.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let look = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(LOOK, look).await.map_err(io::Error::other)??;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::Error::other(format!("{answer:?} is no HTTP")))
}

/// Waits until a process says that it is ready.
///
/// # Panics
/// When it does not within the deadline.
pub async fn is_ready(address: SocketAddr) {
    until(&format!("{address} is ready"), async || match get(address, "/readyz").await {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Waits until a process says that it is not ready, and names all of these; what it says.
///
/// # Panics
/// When it does not within the deadline.
pub async fn is_waiting_for(address: SocketAddr, names: &[&str]) -> String {
    until(&format!("{address} waits for {names:?}"), async || match get(address, "/readyz").await {
        Ok((503, said)) if names.iter().all(|name| said.contains(name)) => Ok(said),
        other => Err(format!("{other:?}")),
    })
    .await
}
