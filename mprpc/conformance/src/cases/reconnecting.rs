//! What our client does when a server hangs up, and again when it comes back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use mprpc::{Code, Context};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Peer;
use super::failure::Failure;
use crate::{Empty, test_service};

/// How long the server hangs up, and how often a client may come back to it meanwhile.
const DOWN: Duration = Duration::from_secs(2);
const CONNECTIONS_MAX: u32 = 40;

/// Until when a client must have found out that the server is well again.
const BACK_MAX: Duration = Duration::from_secs(15);

fn io(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// Is about the client. The peer is called by way of somebody who hangs up at first, which takes a
/// single address.
pub(super) async fn reconnect_backoff(peer: Peer) -> Result<(), Failure> {
    let behind = peer.address().and_then(|address| address.parse().ok()).ok_or_else(|| {
        Failure::new(format!(
            "{} is not static://IP:PORT, which this case stands before",
            peer.target
        ))
    })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let hung_up = Arc::new(AtomicU32::new(0));
    let well = Arc::new(AtomicBool::new(false));
    // It ends with the case.
    let mut tasks = JoinSet::new();
    tasks.spawn(stand_before(behind, listener, Arc::clone(&hung_up), Arc::clone(&well)));

    let client = peer.behind(&format!("static://{address}")).map_err(io)?.client();
    fails(&client).await?;
    let connections = hung_up.load(Ordering::Relaxed);
    if !(1..=CONNECTIONS_MAX).contains(&connections) {
        return Err(Failure::new(format!("{connections} connections within {DOWN:?}")));
    }
    well.store(true, Ordering::Relaxed);
    comes_back(&client).await
}

/// Hangs up on whoever connects, and counts them; once all is `well`, connects them.
async fn stand_before(
    behind: SocketAddr,
    listener: TcpListener,
    hung_up: Arc<AtomicU32>,
    well: Arc<AtomicBool>,
) {
    let mut connections = JoinSet::new();
    while let Ok((mut outside, _)) = listener.accept().await {
        if !well.load(Ordering::Relaxed) {
            hung_up.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        connections.spawn(async move {
            let mut inside = TcpStream::connect(behind).await?;
            tokio::io::copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

/// Calls for a while, as fast as they fail; each must.
async fn fails(client: &test_service::Client) -> Result<(), Failure> {
    let until = Instant::now() + DOWN;
    while Instant::now() < until {
        let cx = Context::with_timeout(Duration::from_millis(500));
        match client.empty_call(&cx, Empty {}).await {
            Ok(Empty {}) => return Err(Failure::new("a call was answered by nobody")),
            // Where there is no connection, or after waiting for one until the time was over.
            Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {}
            Err(status) => return Err(status.into()),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The server works again: calls succeed soon.
async fn comes_back(client: &test_service::Client) -> Result<(), Failure> {
    let until = Instant::now() + BACK_MAX;
    loop {
        let cx = Context::with_timeout(Duration::from_secs(2));
        match client.empty_call(&cx, Empty {}).await {
            Ok(Empty {}) => return Ok(()),
            Err(status) if Instant::now() > until => return Err(status.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
