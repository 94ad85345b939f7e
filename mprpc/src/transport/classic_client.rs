//! The client's end of the classic wire: a bounded pool of connections, one call each.
//!
//! A connection goes back to the pool only after a whole answer. Any error, and a caller that
//! gives up, closes it: the answer that may still come belongs to nobody, and the next caller must
//! not get it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use futures_util::poll;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::counted::Counted;
use super::{CountedStream, Dialer, Peer, broken};
use crate::wire::classic;
use crate::wire::v2::frame::FRAME_BYTES_MAX;
use crate::{ServiceDescriptor, Stage, Status};

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at most; a call past that waits for one as long as its deadline allows.
    pub(crate) connections_max: usize,
    /// How many idle ones are kept however long they are idle.
    pub(crate) idle_min: usize,
    /// How many idle ones are kept at all.
    pub(crate) idle_max: usize,
    /// After this time an idle one is closed.
    pub(crate) idle_timeout: Duration,
}

impl Default for Bounds {
    /// Those of the original.
    fn default() -> Self {
        Self {
            connections_max: 50,
            idle_min: 2,
            idle_max: 10,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Calls one instance over the classic wire.
#[derive(Debug)]
pub(crate) struct ClassicPool {
    pool: Pool<Connector>,
    peer: Peer,
    bounds: Bounds,
}

#[derive(Debug)]
struct Connector(Dialer);

#[derive(Debug)]
struct Connection {
    stream: CountedStream,
    buffer: BytesMut,
    idle_since: Instant,
    _counted: Counted,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = io::Error;

    async fn create(&self) -> io::Result<Connection> {
        let stream = self.0.connect_classic().await.inspect_err(|_| {
            metrics::counter!("mprpc_connect_failures_total", "wire" => "classic").increment(1);
        })?;
        let stream = CountedStream::of_client(stream);
        let (buffer, idle_since) = (BytesMut::new(), Instant::now());
        Ok(Connection { stream, buffer, idle_since, _counted: Counted::connection("classic") })
    }

    /// A connection that the server closed, or that has bytes nobody asked for, is not used again.
    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<io::Error> {
        match connection.stream.stream().is_quiet() {
            Ok(true) => Ok(()),
            Ok(false) => Err(RecycleError::message("it was closed, or bytes came uncalled for")),
            Err(error) => Err(RecycleError::Backend(error)),
        }
    }
}

impl ClassicPool {
    /// A pool of connections; none is made before the first call.
    pub(crate) fn new(dialer: Dialer, bounds: Bounds) -> Self {
        let peer = Peer::new(dialer.address.clone());
        let pool = Pool::builder(Connector(dialer))
            .max_size(bounds.connections_max)
            .queue_mode(managed::QueueMode::Lifo)
            .build()
            // It can only fail for timeouts without a runtime, and none are set.
            .unwrap_or_else(|error| unreachable!("a pool without timeouts builds: {error}"));
        Self { pool, peer, bounds }
    }

    /// Makes a call and waits for its answer.
    ///
    /// Cancel safe: dropping the future closes the call's connection.
    pub(crate) async fn call(
        &self,
        service: &'static ServiceDescriptor,
        method: usize,
        deadline: Instant,
        message: &impl Message,
    ) -> Result<Bytes, Status> {
        let size = message.encoded_len();
        if size > FRAME_BYTES_MAX as usize {
            return Err(Status::resource_exhausted(format!(
                "a request of {size} bytes, and at most {FRAME_BYTES_MAX} are sent"
            ))
            .not_executed()
            .at(Stage::Write));
        }
        if deadline <= Instant::now() {
            return Err(super::too_late());
        }
        let connection = self.connection(deadline).await?;
        let mut checkout = Checkout { connection: Some(connection), stage: Stage::Write };
        let exchange = checkout.exchange(service, method, message);
        let outcome = tokio::time::timeout_at(deadline, exchange).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded("no answer within the time for the call"))
        });
        let ended = |status: &Status| self.peer.ended("classic", status);
        let answer = outcome.inspect_err(ended).map_err(|status| status.at(checkout.stage))?;
        checkout.give_back();
        self.trim();
        Ok(answer)
    }

    /// A connection that is idle or new, or the next that becomes free.
    async fn connection(&self, deadline: Instant) -> Result<Object<Connector>, Status> {
        let mut get = pin!(self.pool.get());
        let got = match poll!(get.as_mut()) {
            Poll::Ready(got) => got,
            Poll::Pending => {
                let _counted = Counted::waiting_for_classic();
                tokio::time::timeout_at(deadline, get).await.map_err(|_| {
                    let text = "no connection became free within the time for the call";
                    Status::deadline_exceeded(text).not_executed().at(Stage::Connect)
                })?
            }
        };
        got.map_err(unavailable)
    }

    /// Closes the idle connections that are too many or too old.
    fn trim(&self) {
        let idle = self.pool.status().available;
        if idle <= self.bounds.idle_min {
            return;
        }
        let mut kept = 0;
        self.pool.retain(|connection, _| {
            let old = connection.idle_since.elapsed() >= self.bounds.idle_timeout;
            let keep = kept < self.bounds.idle_min || (kept < self.bounds.idle_max && !old);
            kept += usize::from(keep);
            keep
        });
    }

    /// Keeps [`trim`](Self::trim)ming while no calls are made, until the pool is gone.
    pub(crate) fn spawn_trimming(pool: &Arc<Self>) {
        let weak = Arc::downgrade(pool);
        let every = pool.bounds.idle_timeout / 2;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(pool) = weak.upgrade() else { return };
                pool.trim();
            }
        });
    }
}

fn unavailable(error: PoolError<io::Error>) -> Status {
    let text = match error {
        PoolError::Backend(error) => format!("connecting failed: {error}"),
        other => other.to_string(),
    };
    Status::unavailable(text).not_executed().at(Stage::Connect)
}

/// A connection during a call. Dropped before [`give_back`](Self::give_back), it is closed.
struct Checkout {
    connection: Option<Object<Connector>>,
    /// How far the call has come.
    stage: Stage,
}

impl Checkout {
    async fn exchange(
        &mut self,
        service: &'static ServiceDescriptor,
        method: usize,
        message: &impl Message,
    ) -> Result<Bytes, Status> {
        let Some(connection) = self.connection.as_deref_mut() else {
            return Err(Status::internal("a call without a connection"));
        };
        let Connection { stream, buffer, .. } = connection;
        let name = service.methods.get(method).copied().unwrap_or_default();
        buffer.clear();
        classic::encode_request(service.short_name, name, message, buffer);
        stream.write_all(buffer).await.map_err(|error| broken(&error))?;
        self.stage = Stage::Wait;
        buffer.clear();
        loop {
            let decoded = classic::decode_response(buffer, FRAME_BYTES_MAX);
            if let Some(answer) = decoded.map_err(|error| Status::internal(error.to_string()))? {
                self.stage = Stage::Remote;
                if buffer.is_empty() {
                    return Ok(answer);
                }
                return Err(Status::internal("bytes came behind the answer"));
            }
            if stream.read_buf(buffer).await.map_err(|error| broken(&error))? == 0 {
                return Err(Status::unavailable(
                    "the server closed the connection instead of answering",
                ));
            }
        }
    }

    /// The whole answer has come: the connection can serve the next call.
    fn give_back(mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.idle_since = Instant::now();
        }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}
