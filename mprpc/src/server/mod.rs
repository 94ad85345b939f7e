//! The server: one port, both wires.

mod services;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use services::{Method, Services};

use crate::Service;
use crate::discovery::{Endpoint, Register, Registration, Wires};
use crate::transport::{self, classic_server, v2_server};
use crate::wire::{self, Wire};

/// Serves services. See [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server with the default bounds and no services.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            services: Services::default(),
            registry: None,
            advertise: None,
            connections_max: 10_000,
            default_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a server could not begin to serve.
#[derive(Debug, thiserror::Error)]
#[error("listening on {address}: {source}")]
pub struct ServerError {
    /// Where it was to listen.
    address: SocketAddr,
    source: io::Error,
}

/// Builds a server.
#[must_use = "a builder does nothing until it is bound"]
pub struct ServerBuilder {
    services: Services,
    registry: Option<Box<dyn Register>>,
    advertise: Option<SocketAddr>,
    connections_max: usize,
    default_timeout: Duration,
    drain_timeout: Duration,
}

impl ServerBuilder {
    /// Serves `service` too.
    pub fn add_service(mut self, service: Service) -> Self {
        self.services.add(service);
        self
    }

    /// Announces the services in `registry` while the server serves.
    pub fn register(mut self, registry: impl Register) -> Self {
        self.registry = Some(Box::new(registry));
        self
    }

    /// The address to announce, where it is not the one that is listened on.
    pub fn advertise(mut self, address: SocketAddr) -> Self {
        self.advertise = Some(address);
        self
    }

    /// Connections at most (10,000); one past that is closed at once, with a warning in the log.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.min(Semaphore::MAX_PERMITS);
        self
    }

    /// The time for a call whose caller gave none, as on the classic wire (30 s).
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.default_timeout = timeout;
        self
    }

    /// How long calls in flight may take to end once the server is to stop (10 s).
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Listens on `address`; port 0 takes a free one. Nothing is served or announced before
    /// [`BoundServer::serve`].
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(self, address: SocketAddr) -> Result<BoundServer, ServerError> {
        let failed = |source| ServerError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        Ok(BoundServer {
            builder: self,
            listener,
            local,
        })
    }
}

/// A server that listens and does not serve yet.
pub struct BoundServer {
    builder: ServerBuilder,
    listener: TcpListener,
    local: SocketAddr,
}

/// What the connections of a server share.
pub(crate) struct Connections {
    pub(crate) services: Arc<Services>,
    pub(crate) default_timeout: Duration,
    /// Cancelled when the server is to stop: connections finish what they have and close.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when they took too long for that.
    aborting: CancellationToken,
}

impl BoundServer {
    /// The address that is listened on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown` is ready, then leaves: withdraws from the registry, asks clients to
    /// open no more calls, waits for those in flight within the drain timeout, and closes.
    ///
    /// Cancel safe in that dropping it stops accepting and withdraws; connections then finish on
    /// their own.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            builder,
            listener,
            local,
        } = self;
        let stopping = CancellationToken::new();
        let aborting = CancellationToken::new();
        let leave = stopping.clone().drop_guard();
        let registrations = announce(&builder, local);
        let connections = Arc::new(Connections {
            services: Arc::new(builder.services),
            default_timeout: builder.default_timeout,
            stopping,
            aborting: aborting.clone(),
        });
        let tasks = TaskTracker::new();
        tokio::select! {
            () = accept(&listener, &connections, &tasks, builder.connections_max) => {}
            () = shutdown => {}
        }
        drop(registrations);
        drop(listener);
        drop(leave);
        tasks.close();
        if tokio::time::timeout(builder.drain_timeout, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(%local, connections = tasks.len(), "calls took too long; closing");
            aborting.cancel();
            tasks.wait().await;
        }
    }
}

fn announce(builder: &ServerBuilder, local: SocketAddr) -> Vec<Registration> {
    let Some(registry) = &builder.registry else {
        return Vec::new();
    };
    let address = builder.advertise.unwrap_or(local);
    let endpoint = Endpoint {
        id: address.to_string(),
        address,
        wires: Wires::V2,
    };
    builder
        .services
        .descriptors()
        .map(|service| registry.register(service, endpoint.clone()))
        .collect()
}

/// Accepts connections for ever.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    tasks: &TaskTracker,
    connections_max: usize,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: others have to close first.
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%peer, connections_max, "too many connections; closing a new one");
            continue;
        };
        let connections = Arc::clone(connections);
        tasks.spawn(async move {
            let aborting = connections.aborting.clone();
            tokio::select! {
                () = serve_connection(stream, peer, &connections, place) => {}
                () = aborting.cancelled() => {}
            }
        });
    }
}

/// How long to wait when accepting fails, rather than to try in a circle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    connections: &Connections,
    _place: OwnedSemaphorePermit,
) {
    match serve_wire(stream, peer, connections).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!(%peer, %error, "connection closed");
        }
        Err(error) => tracing::debug!(%peer, %error, "connection ended"),
    }
}

/// Finds out which wire the client speaks, and serves it.
async fn serve_wire(
    mut stream: TcpStream,
    peer: SocketAddr,
    connections: &Connections,
) -> io::Result<()> {
    transport::prepare(&stream)?;
    let mut input = BytesMut::new();
    let wire = loop {
        if let Some(wire) = wire::detect(&input) {
            break wire;
        }
        // A pool may connect long before it calls, so there is no time limit here.
        tokio::select! {
            read = stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
            () = connections.stopping.cancelled() => return Ok(()),
        }
    };
    match wire {
        Wire::Classic => classic_server::serve(stream, peer, input, connections).await,
        Wire::V2 => v2_server::Connection::new(stream, peer, input, connections).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_in_the_error() {
        let first = Server::builder()
            .bind(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        let error = Server::builder()
            .bind(first.local_addr())
            .await
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .starts_with(&format!("listening on {}", first.local_addr()))
        );
    }
}
