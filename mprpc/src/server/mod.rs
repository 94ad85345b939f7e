//! The server: one port, both wires.

mod connections;
mod services;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use connections::Acceptor;
pub(crate) use connections::Connections;
pub(crate) use services::{Method, Services};

use crate::discovery::{Endpoint, IdTaken, Register, Registration};
use crate::{Context, Service};

/// Serves services. See [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server with the default bounds and no services.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            services: Services::default(),
            registries: Vec::new(),
            advertise: None,
            instance_id: None,
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

/// Why a server ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Its id belongs to another instance that lives.
    #[error(transparent)]
    IdTaken(#[from] IdTaken),
}

/// Builds a server.
#[must_use = "a builder does nothing until it is bound"]
pub struct ServerBuilder {
    services: Services,
    registries: Vec<Box<dyn Register>>,
    advertise: Option<SocketAddr>,
    instance_id: Option<String>,
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

    /// Announces the services in `registry` while the server serves, beside the registries that were
    /// named before.
    pub fn register(mut self, registry: impl Register) -> Self {
        self.registries.push(Box::new(registry));
        self
    }

    /// The address to announce, where it is not the one that is listened on.
    pub fn advertise(mut self, address: SocketAddr) -> Self {
        self.advertise = Some(address);
        self
    }

    /// The name under which to announce the server (the address that is announced). No two live
    /// instances may share one.
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        self.instance_id = Some(id.into());
        self
    }

    /// Connections at most (10,000); one past that is closed at once, with a warning in the log.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.min(Semaphore::MAX_PERMITS);
        self
    }

    /// The time for a call whose caller gave none, as on the classic wire (30 s).
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.default_timeout = timeout.min(Context::TIMEOUT_MAX);
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
        Ok(BoundServer { builder: self, listener, local })
    }
}

/// A server that listens and does not serve yet.
pub struct BoundServer {
    builder: ServerBuilder,
    listener: TcpListener,
    local: SocketAddr,
}

impl BoundServer {
    /// The address that is listened on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown` is ready, then leaves: withdraws from the registries while it still
    /// serves, asks clients to open no more calls, waits for those in flight within the drain
    /// timeout, and closes.
    ///
    /// Cancel safe in that dropping it stops accepting and withdraws; connections then finish on
    /// their own.
    ///
    /// # Errors
    /// A registry found the server's id in use by another instance. It has left in the same way.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { builder, listener, local } = self;
        let registrations = announce(&builder, local);
        let connections = Connections::new(builder.services, builder.default_timeout);
        let acceptor = Acceptor::new(connections, builder.connections_max);
        let leave = acceptor.leave_on_drop();
        let outcome = tokio::select! {
            () = acceptor.accept(&listener) => Ok(()),
            taken = refused(&registrations) => Err(ServeError::IdTaken(taken)),
            () = shutdown => Ok(()),
        };
        // Others learn of it a moment after the registry does, and until then they connect.
        let withdrawn = join_all(registrations.into_iter().map(Registration::withdraw));
        tokio::select! {
            () = acceptor.accept(&listener) => {}
            _ = withdrawn => {}
        }
        acceptor.accept_last(listener);
        drop(leave);
        acceptor.drain(builder.drain_timeout).await;
        outcome
    }
}

fn announce(builder: &ServerBuilder, local: SocketAddr) -> Vec<Registration> {
    let mut endpoint = Endpoint::new(builder.advertise.unwrap_or(local));
    if let Some(id) = &builder.instance_id {
        endpoint.id.clone_from(id);
    }
    let registries = builder.registries.iter();
    registries
        .flat_map(|registry| {
            let services = builder.services.descriptors();
            services.map(|service| registry.register(service, endpoint.clone()))
        })
        .collect()
}

/// Ready when one of them is refused.
async fn refused(registrations: &[Registration]) -> IdTaken {
    if registrations.is_empty() {
        return std::future::pending().await;
    }
    let refusals = registrations.iter().map(|registration| Box::pin(registration.refused()));
    select_all(refusals).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_in_the_error() {
        let first = Server::builder().bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let error = Server::builder().bind(first.local_addr()).await.err().unwrap();
        assert!(error.to_string().starts_with(&format!("listening on {}", first.local_addr())));
    }
}
