//! The connections of a server: how they come, which wire they speak, how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::at_work::AtWork;
use super::complaints::Complaints;
use super::greeting::{self, Greeted};
use super::threads::Running;
use super::{ServerHandle, ServerState, Services};
use crate::context::Origin;
use crate::detach::DetachedSet;
use crate::transport::v2_server::Asked;
use crate::transport::{self, CountedStream, Listener, Stream, classic_server, v2_server};
use crate::wire::Wire;
use crate::wire::v2::offer::Offer;
use crate::{Address, Callers};

/// How long to wait when accepting fails, rather than to try in a circle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One place in so many may be taken by callers that have still to show who they are, so that
/// strangers who come and come again do not keep the others out; but so many always.
const STRANGERS_PART: usize = 8;
const STRANGERS_MIN: usize = 16;

/// How long a classic connection, or one on which nothing has come, is given for one more request
/// when the server stops: who has just connected, or had an answer, is mostly about to call.
const SILENCE_MAX: Duration = Duration::from_millis(100);

/// How long connections that are to end at once have to tell their callers so.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// How long to wait for connections that were told to end at once. Who blocks a thread cannot be
/// ended, and must not keep the server from it.
const FORCE_MAX: Duration = Duration::from_secs(2);

/// How much the requests at work on a connection are together unless a server says otherwise, in
/// bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the connections of a server share.
pub(crate) struct Connections {
    pub(crate) services: Arc<Services>,
    /// Who may call.
    pub(super) callers: Callers,
    /// The places of those who have still to show that they may.
    strangers: Arc<Semaphore>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::ServerTls>,
    pub(crate) default_timeout: Duration,
    pub(crate) offer: Offer,
    pub(crate) at_work: Arc<AtWork>,
    /// How much the requests at work on a connection may be together, in bytes.
    pub(crate) request_bytes_max: usize,
    detached: Arc<DetachedSet>,
    /// Hands the counts of calls to the recorder, as long as there are connections.
    _publishing: AbortOnDropHandle<()>,
    /// Cancelled when the server is to stop: connections finish what they have and close.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when they took too long for that: they tell their callers, and close.
    pub(crate) aborting: CancellationToken,
    complaints: Arc<Complaints>,
}

impl Connections {
    pub(crate) fn new(services: Services, default_timeout: Duration, detached_max: usize) -> Self {
        let publishing = tokio::spawn(services.meters().publish_each_second());
        Self {
            _publishing: AbortOnDropHandle::new(publishing),
            services: Arc::new(services),
            callers: Callers::anybody(),
            strangers: Arc::new(Semaphore::new(STRANGERS_MIN)),
            #[cfg(feature = "tls")]
            tls: None,
            default_timeout,
            offer: Offer::default(),
            at_work: Arc::new(AtWork::new(AtWork::MAX)),
            request_bytes_max: REQUEST_BYTES_MAX,
            detached: Arc::new(DetachedSet::new(detached_max)),
            stopping: CancellationToken::new(),
            aborting: CancellationToken::new(),
            complaints: Arc::new(Complaints::new()),
        }
    }

    /// What the calls of a connection from `peer` share.
    pub(crate) fn origin(&self, peer: Address, wire: Wire) -> Arc<Origin> {
        let complaints = match wire {
            // It has no answer to what is refused: then the connection is closed, and that is said.
            Wire::Classic => None,
            Wire::V2 => Some(Arc::clone(&self.complaints)),
        };
        let caller = self.callers.known(&peer, wire);
        Arc::new(Origin { peer, caller, detached: Arc::clone(&self.detached), complaints })
    }

    /// A place for who has still to show who it is.
    pub(super) fn place_of_a_stranger(&self, peer: &Address) -> io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.strangers).try_acquire_owned().map_err(|_| {
            metrics::counter!("mprpc_connections_refused_total").increment(1);
            if let Some(unlogged) = self.complaints.next() {
                tracing::warn!(%peer, unlogged, "too many callers that have not shown who they are");
            }
            io::ErrorKind::ConnectionRefused.into()
        })
    }

    /// Ready when the server is to stop and nothing has come for a while since.
    pub(crate) async fn silence(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(SILENCE_MAX).await;
    }

    /// Ready when a connection that was told to end at once has had its time for that.
    async fn out_of_time(&self) {
        self.aborting.cancelled().await;
        tokio::time::sleep(FAREWELL_MAX).await;
    }

    /// Counts a connection that has ended while the server stops.
    fn count_end(&self) {
        if self.aborting.is_cancelled() {
            metrics::counter!("mprpc_connections_forced_total").increment(1);
        } else if self.stopping.is_cancelled() {
            metrics::counter!("mprpc_connections_drained_total").increment(1);
        }
    }
}

/// Takes connections in, as many as there are places. Clones share them.
#[derive(Clone)]
pub(super) struct Acceptor {
    connections: Arc<Connections>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Acceptor {
    pub(super) fn new(mut connections: Connections, connections_max: usize) -> Self {
        let strangers = (connections_max / STRANGERS_PART).max(STRANGERS_MIN);
        connections.strangers = Arc::new(Semaphore::new(strangers));
        Self {
            connections: Arc::new(connections),
            places: Arc::new(Semaphore::new(connections_max)),
            tasks: TaskTracker::new(),
        }
    }

    /// Accepts connections for ever.
    pub(super) async fn accept(&self, listeners: &mut [Listener]) {
        join_all(listeners.iter_mut().map(|listener| self.accept_from(listener))).await;
        // There were none.
        std::future::pending().await
    }

    async fn accept_from(&self, listener: &mut Listener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    // Out of descriptors, most likely: others have to close first.
                    metrics::counter!("mprpc_accept_failures_total").increment(1);
                    if let Some(unlogged) = self.connections.complaints.next() {
                        tracing::warn!(%error, unlogged, "accepting failed");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes in the connections that have been made already, and no more.
    pub(super) fn accept_last(&self, listeners: Vec<Listener>) {
        let last = listeners.into_iter().flat_map(Listener::accept_last);
        last.for_each(|(stream, peer)| self.admit(stream, peer));
    }

    fn admit(&self, stream: Stream, peer: Address) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!("mprpc_connections_refused_total").increment(1);
            if let Some(unlogged) = self.connections.complaints.next() {
                tracing::warn!(%peer, unlogged, "too many connections; closing a new one");
            }
            return;
        };
        let connections = Arc::clone(&self.connections);
        self.tasks.spawn(async move {
            let _open = Open::new(place);
            tokio::select! {
                () = serve(stream, peer, &connections) => {}
                () = connections.out_of_time() => {}
            }
            connections.count_end();
        });
    }

    /// Asks the connections to end once it is dropped.
    pub(super) fn leave_on_drop(&self) -> DropGuard {
        self.connections.stopping.clone().drop_guard()
    }

    /// Waits until the connections and detached work have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        // By now nobody detaches any more.
        self.connections.detached.ended().await;
    }

    /// Waits until the connections, detached work and the server's threads have ended, and ends what
    /// takes longer than `timeout`, or is in the way of who does not want to wait.
    pub(super) async fn drain(&self, threads: Running, timeout: Duration, handle: &ServerHandle) {
        let mut ended = pin!(async {
            self.ended().await;
            threads.ended().await;
        });
        let why = tokio::select! {
            biased;
            () = &mut ended => return,
            () = handle.ordered(ServerState::Forcing) => "told not to wait",
            () = tokio::time::sleep(timeout) => "calls took too long",
        };
        tracing::warn!(connections = self.tasks.len(), "{why}; closing");
        handle.enter(ServerState::Forcing);
        self.connections.aborting.cancel();
        self.connections.detached.stop();
        if tokio::time::timeout(FORCE_MAX, ended).await.is_err() {
            let connections = self.tasks.len();
            tracing::error!(
                connections,
                "not ended: handlers, or what they spawned, block threads"
            );
        }
    }
}

/// A connection that is open: it has a place, and is counted.
struct Open {
    _place: OwnedSemaphorePermit,
    gauge: metrics::Gauge,
}

impl Open {
    fn new(place: OwnedSemaphorePermit) -> Self {
        let gauge = metrics::gauge!("mprpc_server_connections");
        gauge.increment(1.0);
        Self { _place: place, gauge }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

async fn serve(stream: Stream, peer: Address, connections: &Connections) {
    match serve_wire(stream, peer.clone(), connections).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            connections.complaints.closed(&peer, &error);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            connections.complaints.kept_out(&peer, &error.to_string());
        }
        // Was said.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        // Clients that are killed, or give a classic call up while they write it, do so every day.
        Err(error) => {
            metrics::counter!("mprpc_connections_broken_total").increment(1);
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

/// Finds out what the client speaks, and serves it.
async fn serve_wire(stream: Stream, peer: Address, connections: &Connections) -> io::Result<()> {
    transport::prepare(&stream)?;
    let stream = CountedStream::of_server(stream);
    let Some(greeted) = greeting::greet(stream, &peer, connections).await? else { return Ok(()) };
    let Greeted { stream, wire, input, place, certified } = greeted;
    match wire {
        // Its callers can only be told by the end of the connection. Boxed, so that connections of the
        // other wire, of which there are many that are idle, need no room for it.
        Wire::Classic => {
            let served = Box::pin(classic_server::serve(stream, peer, input, connections));
            tokio::select! {
                served = served => served,
                () = connections.aborting.cancelled() => Ok(()),
            }
        }
        Wire::V2 => {
            let asked = match connections.callers.ask(&peer, certified.is_some()).await {
                Some(secrets) => {
                    let place = place.map_or_else(|| connections.place_of_a_stranger(&peer), Ok)?;
                    Some(Asked::new(secrets, connections.callers.refusal(), place))
                }
                None => {
                    drop(place);
                    None
                }
            };
            let connection = v2_server::Connection::new(stream, peer, input, connections);
            connection.known(certified).asking(asked).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use super::*;

    /// As when there are no descriptors left: twenty lines a second, for as long as it takes.
    #[tokio::test(start_paused = true)]
    async fn accepting_that_fails_again_and_again_is_counted_each_time_and_logged_sometimes() {
        let recorder = Box::leak(Box::new(metrics_util::debugging::DebuggingRecorder::new()));
        let _counted = metrics::set_default_local_recorder(recorder);
        let connections = Connections::new(Services::default(), Duration::ZERO, 1);
        let acceptor = Acceptor::new(connections, 1);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket2::SockRef::from(&listener).shutdown(Shutdown::Both).unwrap();
        let mut listeners = [Listener::Tcp(listener)];
        let accept = acceptor.accept(&mut listeners);
        let accepted = tokio::time::timeout(100 * ACCEPT_PAUSE, accept).await;
        assert!(accepted.is_err(), "it goes on for ever");
        let seen = recorder.snapshotter().snapshot().into_vec();
        let failures = seen.iter().find_map(|(key, _, _, value)| match value {
            metrics_util::debugging::DebugValue::Counter(failures) => {
                (key.key().name() == "mprpc_accept_failures_total").then_some(*failures)
            }
            _ => None,
        });
        assert!(failures.is_some_and(|failures| failures > 50), "{failures:?}");
        // Ten lines in ten seconds, and then no more of them.
        assert_eq!(acceptor.connections.complaints.next(), None);
    }
}
