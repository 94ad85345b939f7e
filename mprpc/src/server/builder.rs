//! Building a server: what it serves, where it is announced, its bounds.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::at_work::AtWork;
use super::connections::REQUEST_BYTES_MAX;
use super::{BoundServer, Services};
use crate::detach::DetachedSet;
use crate::discovery::{Endpoint, Register};
use crate::health::HealthReporter;
use crate::interceptor::Interceptors;
use crate::local::Network;
use crate::transport::{self, Listener};
use crate::wire::v2::compression::Compression;
use crate::wire::v2::offer::Offer;
use crate::{Address, Callers, Context, Interceptor, Service};

/// Serves services. See [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server with the default bounds and no services.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            services: Services::default(),
            interceptors: Interceptors::default(),
            callers: Callers::anybody(),
            #[cfg(feature = "tls")]
            tls: None,
            registries: Vec::new(),
            addresses: Vec::new(),
            network: None,
            advertise: None,
            instance_id: None,
            weight: Endpoint::WEIGHT,
            zone: String::new(),
            tags: Vec::new(),
            connections_max: 10_000,
            calls_max: AtWork::MAX,
            detached_max: DetachedSet::MAX,
            offer: Offer::default(),
            request_bytes_max: REQUEST_BYTES_MAX,
            default_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            lame_duck_time: Duration::ZERO,
            threads: 0,
            health: Some(HealthReporter::new()),
        }
    }
}

/// Why a server could not begin to serve.
#[derive(Debug, thiserror::Error)]
#[error("listening on {address}: {source}")]
pub struct ServerError {
    /// Where it was to listen.
    address: Address,
    source: io::Error,
}

/// Builds a server.
#[must_use = "a builder does nothing until it is bound"]
pub struct ServerBuilder {
    pub(super) services: Services,
    pub(super) interceptors: Interceptors,
    pub(super) callers: Callers,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::ServerTls>,
    pub(super) registries: Vec<Box<dyn Register>>,
    addresses: Vec<Address>,
    network: Option<Network>,
    pub(super) advertise: Option<Address>,
    pub(super) instance_id: Option<String>,
    pub(super) weight: u32,
    pub(super) zone: String,
    pub(super) tags: Vec<String>,
    pub(super) connections_max: usize,
    pub(super) calls_max: usize,
    pub(super) detached_max: usize,
    pub(super) offer: Offer,
    pub(super) request_bytes_max: usize,
    pub(super) default_timeout: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) lame_duck_time: Duration,
    threads: usize,
    pub(super) health: Option<HealthReporter>,
}

impl ServerBuilder {
    /// Serves `service` too.
    pub fn add_service(mut self, service: Service) -> Self {
        self.services.add(service);
        self
    }

    /// Takes every call, whatever its service, through `interceptor`, behind those that were named
    /// before.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// Whose calls it takes (anybody's).
    pub fn callers(mut self, callers: Callers) -> Self {
        self.callers = callers;
        self
    }

    /// Takes TLS on its TCP ports too, which is told from the first bytes of a connection (none).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &crate::ServerTls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Announces the services in `registry` while the server serves, beside the registries that were
    /// named before.
    pub fn register(mut self, registry: impl Register) -> Self {
        self.registries.push(Box::new(registry));
        self
    }

    /// Listens on `address` too: an IP address and port, a Unix socket, or a name within this
    /// process. Only the user that runs the server may connect to a Unix socket. Its file is replaced
    /// if it was left by a server that is dead, and removed when the server stops.
    pub fn listen(mut self, address: impl Into<Address>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Where `local:` names are listened on (one network of the process).
    pub fn network(mut self, network: &Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// The address to announce (the first IP address that is listened on; without one, the first
    /// address).
    pub fn advertise(mut self, address: impl Into<Address>) -> Self {
        self.advertise = Some(address.into());
        self
    }

    /// The name under which to announce the server (the address that is announced). No two live
    /// instances may share one.
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        self.instance_id = Some(id.into());
        self
    }

    /// The server's share of the calls beside those of others (100). One of weight 0 gets calls only
    /// where nobody else is left: that drains it.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Where the server runs, for callers that prefer their own zone (nowhere in particular).
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Whatever else callers may want to know, for balancing rules of their own (nothing). A
    /// registry may have no room for more than a few kilobytes.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Connections at most (10,000); one past that is closed at once, with a warning in the log.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.min(Semaphore::MAX_PERMITS);
        self
    }

    /// How many calls may be at work at once on all connections together (65,536; at least one). Streams
    /// count while they are open, calls that are answered at once hardly do: up to 32 for each
    /// connection that is being handled at the moment.
    ///
    /// One past that is refused: `UNAVAILABLE`, and not executed, so that a channel that knows other
    /// instances goes there. The classic wire cannot say that: there a request waits for its turn,
    /// within its time. Health checks are always answered.
    pub fn calls_max(mut self, calls: usize) -> Self {
        self.calls_max = calls;
        self
    }

    /// How much work may be [detached](Context::detach) at once (1,000); who detaches more is refused.
    pub fn detached_max(mut self, pieces: usize) -> Self {
        self.detached_max = pieces;
        self
    }

    /// The time for a call whose caller gave none, as on the classic wire (30 s).
    pub fn default_timeout(mut self, timeout: Duration) -> Self {
        self.default_timeout = timeout.min(Context::TIMEOUT_MAX);
        self
    }

    /// How much of a stream waits for its reader at most, in bytes (1 MiB), at this end. A stream
    /// begins with 64 KiB, or this if it is less, and is given more while it is read.
    pub fn stream_window_max(mut self, bytes: u32) -> Self {
        self.offer.windows.stream_max = bytes;
        self
    }

    /// How much of all streams of a connection waits for readers at most, in bytes (32 MiB), at this
    /// end. It should hold many streams' windows: those that are not read hold the others up once it
    /// is full. Calls that do not stream are not concerned.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.offer.windows.connection = bytes;
        self
    }

    /// Compresses answers of so many bytes and more, and takes compressed requests, on v2 connections
    /// from clients that do so too (no). `usize::MAX` only takes them.
    ///
    /// See [`ChannelBuilder::compress_above`](crate::ChannelBuilder::compress_above).
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.offer.compression = Compression::above(bytes);
        self
    }

    /// How much the requests that are at work on a connection may be together, in bytes (64 MiB):
    /// their messages and metadata, from when a handler waits for something until it has ended. A
    /// call past that is refused with [`Code::ResourceExhausted`](crate::Code::ResourceExhausted)
    /// before its handler begins, and `mprpc_requests_refused_total` counts it; one alone never
    /// is. What streams carry is bounded by their windows.
    pub fn request_bytes_max(mut self, bytes: usize) -> Self {
        self.request_bytes_max = bytes;
        self
    }

    /// How long calls in flight may take to end once the server is to stop (10 s). Those that take
    /// longer are ended, and their callers told so.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// How long the server goes on serving, with the health of one that does not, after it has left
    /// the registries and before it drains (zero): for those who look at its health from time to
    /// time instead of following a registry.
    pub fn lame_duck_time(mut self, time: Duration) -> Self {
        self.lame_duck_time = time;
        self
    }

    /// Serves TCP connections on so many threads of the server's own, each with a single-threaded
    /// runtime and its share of the connections (0: on the runtime that [`BoundServer::serve`] is
    /// called in). A connection stays on its thread, and so do its handlers and what they spawn,
    /// which ends when the server does.
    ///
    /// For services whose handlers do little and wait for little: without tasks that move between
    /// cores a call costs less. One thread per core is the most that makes sense. It is not for
    /// handlers that compute for long, since nobody takes over what waits behind them, nor for few
    /// clients, since a handful of connections may all fall to one thread.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// What the server's [health service](crate::health) says is set through `reporter` (without
    /// this, every service serves until the server leaves).
    pub fn health(mut self, reporter: &HealthReporter) -> Self {
        self.health = Some(reporter.clone());
        self
    }

    /// Serves no health service. Neither does a server that was given one as a service of its own.
    pub fn without_health(mut self) -> Self {
        self.health = None;
        self
    }

    /// Listens on `address`, and where [`listen`](Self::listen) said; port 0 takes a free one.
    /// Nothing is served or announced before [`BoundServer::serve`].
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn bind(self, address: SocketAddr) -> Result<BoundServer, ServerError> {
        self.listen(address).bind_all().await
    }

    /// Listens where [`listen`](Self::listen) said. Nothing is served or announced before
    /// [`BoundServer::serve`].
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn bind_all(mut self) -> Result<BoundServer, ServerError> {
        let network = self.network.take().unwrap_or_else(Network::of_process);
        let mut ways = Ways { listeners: Vec::new(), shards: Vec::new(), bound: Vec::new() };
        ways.shards.resize_with(self.threads, Vec::new);
        for address in std::mem::take(&mut self.addresses) {
            let bound = match address {
                Address::Tcp(at) if self.threads > 0 => ways.shard(at),
                _ => ways.listen(&address, &network).await,
            };
            bound.map_err(|source| ServerError { address, source })?;
        }
        Ok(BoundServer::new(self, ways))
    }
}

/// The ways into a server.
pub(super) struct Ways {
    /// Those whose connections are served on the runtime of [`BoundServer::serve`].
    pub(super) listeners: Vec<Listener>,
    /// Those of each thread of the server's own.
    pub(super) shards: Vec<Vec<std::net::TcpListener>>,
    /// All addresses.
    pub(super) bound: Vec<Address>,
}

impl Ways {
    async fn listen(&mut self, address: &Address, network: &Network) -> io::Result<()> {
        let (listener, at) = Listener::bind(address, network).await?;
        self.listeners.push(listener);
        self.bound.push(at);
        Ok(())
    }

    fn shard(&mut self, at: SocketAddr) -> io::Result<()> {
        let listeners = transport::shards(at, self.shards.len())?;
        if let Some(first) = listeners.first() {
            self.bound.push(first.local_addr()?.into());
        }
        for (shard, listener) in self.shards.iter_mut().zip(listeners) {
            shard.push(listener);
        }
        Ok(())
    }
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
