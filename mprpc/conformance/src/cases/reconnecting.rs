//! What our client does when a server hangs up, and again when it comes back.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mprpc::{Code, Context, Server};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Peer;
use super::failure::{Failure, failed};
use crate::{Empty, TestServer, test_service};

/// How long the server hangs up, and how often a client may come back to it meanwhile.
const DOWN: Duration = Duration::from_secs(2);
const CONNECTIONS_MAX: u32 = 40;

/// Until when a client must have found out that the server is well again.
const BACK_MAX: Duration = Duration::from_secs(15);

fn io(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// Is about the client, so the server is one of its own and the peer is not called.
pub(super) async fn reconnect_backoff(_peer: Peer) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let peer = Peer::new(&format!("static://{address}")).map_err(io)?;
    let client = peer.client();
    let connections = hangs_up(&client, listener).await?;
    if connections > CONNECTIONS_MAX {
        return Err(Failure::new(format!("{connections} connections within {DOWN:?}")));
    }
    comes_back(&client, address).await
}

/// Calls for a while, at a server that closes whatever is accepted; how often it did.
async fn hangs_up(client: &test_service::Client, listener: TcpListener) -> Result<u32, Failure> {
    let accepted = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&accepted);
    let accepting = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(connection);
        }
    });
    let until = Instant::now() + DOWN;
    while Instant::now() < until {
        let cx = Context::with_timeout(Duration::from_millis(500));
        let outcome = client.empty_call(&cx, Empty {}).await;
        if failed(outcome, Code::Unavailable).is_err() {
            // Whether it was refused or waited for a connection until its time was over.
            let outcome = client.empty_call(&cx, Empty {}).await;
            failed(outcome, Code::DeadlineExceeded)?;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    accepting.abort();
    let _ = accepting.await;
    Ok(accepted.load(Ordering::Relaxed))
}

/// A server that works stands there again: calls succeed soon.
async fn comes_back(client: &test_service::Client, address: SocketAddr) -> Result<(), Failure> {
    let builder = Server::builder().add_service(test_service::serve(TestServer::default()));
    let server = builder.bind(address).await.map_err(io)?;
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let until = Instant::now() + BACK_MAX;
    loop {
        let cx = Context::with_timeout(Duration::from_millis(500));
        match client.empty_call(&cx, Empty {}).await {
            Ok(Empty {}) => break,
            Err(status) if Instant::now() > until => return Err(status.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    serving.abort();
    Ok(())
}
