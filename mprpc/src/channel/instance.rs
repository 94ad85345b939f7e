//! One instance: how to reach it, and how loaded it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use prost::Message;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::discovery::{Endpoint, Wires};
use crate::transport::classic_client::{Bounds, ClassicPool};
use crate::transport::v2_client::Connection;
use crate::wire::v2::client::Request;
use crate::{Context, ServiceDescriptor, Status};

/// The shortest and the longest pause between attempts to connect.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What is called, in the terms of both wires.
#[derive(Clone, Copy)]
pub(super) struct Callee {
    pub(super) service: &'static ServiceDescriptor,
    /// Its index in the service.
    pub(super) method: usize,
    /// Its number on the channel's connections.
    pub(super) number: u16,
}

/// One instance of one or more services.
#[derive(Debug)]
pub(crate) struct Instance {
    address: SocketAddr,
    in_flight: AtomicUsize,
    way: Way,
}

#[derive(Debug)]
enum Way {
    V2(Shared),
    Classic(Arc<ClassicPool>),
}

impl Instance {
    pub(super) fn new(endpoint: &Endpoint, connect_timeout: Duration, classic: Bounds) -> Self {
        let way = match endpoint.wires {
            Wires::V2 => Way::V2(Shared::new(endpoint.address, connect_timeout)),
            Wires::Classic => {
                let pool = Arc::new(ClassicPool::new(endpoint.address, classic));
                ClassicPool::spawn_trimming(&pool);
                Way::Classic(pool)
            }
        };
        Self {
            address: endpoint.address,
            in_flight: AtomicUsize::new(0),
            way,
        }
    }

    /// How many calls are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the last attempt to connect failed a moment ago, so that another instance is better.
    pub(super) fn is_down(&self) -> bool {
        matches!(&self.way, Way::V2(shared) if shared.is_down())
    }

    /// Makes a call. Cancel safe: dropping the future gives the call up.
    pub(super) async fn call(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
    ) -> Result<Bytes, Status> {
        let _counted = Counted::new(&self.in_flight);
        match &self.way {
            Way::V2(shared) => {
                let request = Request {
                    service: callee.service,
                    index: callee.method,
                    method: callee.number,
                    deadline: cx.deadline(),
                    metadata: cx.to_send(),
                };
                shared
                    .connection(cx.deadline())
                    .await?
                    .call(request, message)
                    .await
            }
            Way::Classic(pool) => pool
                .call(callee.service, callee.method, cx.deadline(), message)
                .await
                .map_err(|status| status.with_peer(self.address)),
        }
    }
}

/// Counts a call for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(in_flight: &'a AtomicUsize) -> Self {
        in_flight.fetch_add(1, Ordering::Relaxed);
        Self(in_flight)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection that all calls to an instance share, made anew when it has broken.
#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    connect_timeout: Duration,
    current: ArcSwapOption<Connection>,
    /// Held while connecting: one attempt serves all who wait.
    connecting: Mutex<Attempts>,
    /// The failure that calls get until the next attempt is due.
    failure: ArcSwapOption<Failure>,
}

#[derive(Debug)]
struct Attempts {
    pause: Duration,
}

#[derive(Debug)]
struct Failure {
    until: Instant,
    status: Status,
}

impl Shared {
    fn new(address: SocketAddr, connect_timeout: Duration) -> Self {
        Self {
            address,
            connect_timeout,
            current: ArcSwapOption::empty(),
            connecting: Mutex::new(Attempts { pause: BACKOFF_MIN }),
            failure: ArcSwapOption::empty(),
        }
    }

    fn is_down(&self) -> bool {
        self.recent_failure().is_some()
    }

    fn recent_failure(&self) -> Option<Status> {
        let failure = self.failure.load();
        let failure = failure.as_ref()?;
        (Instant::now() < failure.until).then(|| failure.status.clone())
    }

    fn current(&self) -> Option<Arc<Connection>> {
        self.current
            .load_full()
            .filter(|connection| connection.is_open())
    }

    async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, Status> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let connect = async {
            let mut attempts = self.connecting.lock().await;
            // Someone else may have been at it meanwhile.
            if let Some(connection) = self.current() {
                return Ok(connection);
            }
            if let Some(status) = self.recent_failure() {
                return Err(status);
            }
            self.connect(&mut attempts).await
        };
        tokio::time::timeout_at(deadline, connect)
            .await
            .unwrap_or_else(|_| {
                let text = format!(
                    "no connection to {} within the time for the call",
                    self.address
                );
                Err(Status::deadline_exceeded(text).not_executed())
            })
    }

    async fn connect(&self, attempts: &mut Attempts) -> Result<Arc<Connection>, Status> {
        match crate::transport::connect(self.address, self.connect_timeout).await {
            Ok(stream) => {
                let connection = Arc::new(Connection::new(stream, self.address));
                attempts.pause = BACKOFF_MIN;
                self.failure.store(None);
                self.current.store(Some(Arc::clone(&connection)));
                Ok(connection)
            }
            Err(error) => {
                let status = Status::unavailable(format!("connecting failed: {error}"))
                    .with_peer(self.address)
                    .not_executed();
                // Between half of the pause and all of it, so that many clients do not come at once.
                let until = Instant::now() + attempts.pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                attempts.pause = (attempts.pause * 2).min(BACKOFF_MAX);
                self.failure.store(Some(Arc::new(Failure {
                    until,
                    status: status.clone(),
                })));
                Err(status)
            }
        }
    }
}
