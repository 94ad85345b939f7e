//! The connection that all calls to an instance share, made anew when it has ended.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use prost::Message;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::instance::Callee;
use crate::stream::Directions;
use crate::transport::Dialer;
use crate::transport::v2_client::Connection;
use crate::transport::v2_client_streams::ClientStream;
use crate::wire::v2::client::Request;
use crate::wire::v2::flow::Windows;
use crate::{Context, Stage, Status};

/// The shortest and the longest pause between attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A connection to one address that is there again after it has ended.
#[derive(Debug)]
pub(super) struct Reconnect(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dialer: Dialer,
    windows: Windows,
    /// The newest connection; one that has ended stays here until there is another.
    current: ArcSwapOption<Connection>,
    /// How the last attempt to connect failed, unless it succeeded.
    failure: ArcSwapOption<Failure>,
    /// The next pause. Held during an attempt: one serves all who wait.
    pause: Arc<Mutex<Duration>>,
}

#[derive(Debug)]
struct Failure {
    status: Status,
    /// Calls get the status until then, rather than to make one more attempt each.
    until: Instant,
}

impl Reconnect {
    /// Nothing is connected before the first call.
    pub(super) fn new(dialer: Dialer, windows: Windows) -> Self {
        Self(Arc::new(Shared {
            dialer,
            windows,
            current: ArcSwapOption::empty(),
            failure: ArcSwapOption::empty(),
            pause: Arc::new(Mutex::new(PAUSE_MIN)),
        }))
    }

    /// Makes a call. Cancel safe: dropping the future gives the call up, but not an attempt to
    /// connect that it began.
    pub(super) async fn call(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
    ) -> Result<Bytes, Status> {
        self.connection(cx.deadline()).await?.call(request(callee, cx), message).await
    }

    /// Opens a call that streams, in the same way.
    pub(super) async fn open_stream(
        &self,
        callee: Callee,
        cx: &Context,
        message: &impl Message,
        directions: Directions,
    ) -> Result<ClientStream, Status> {
        let connection = self.connection(cx.deadline()).await?;
        connection.open_stream(&request(callee, cx), message, directions).await
    }

    /// Whether the last connection or the last attempt to make one has ended, and none is there
    /// yet. Before the first attempt nobody knows.
    pub(super) fn is_down(&self) -> bool {
        self.0.failure.load().is_some()
            || self.0.current.load().as_ref().is_some_and(|connection| !connection.is_open())
    }

    /// Begins an attempt to connect, if one is due and none is being made.
    pub(super) fn try_again(&self) {
        if self.0.recent_failure().is_none()
            && let Ok(pause) = Arc::clone(&self.0.pause).try_lock_owned()
            && self.0.current().is_none()
        {
            tokio::spawn(Arc::clone(&self.0).connect(pause));
        }
    }

    async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, Status> {
        if let Some(connection) = self.0.current() {
            return Ok(connection);
        }
        let connect = async {
            let pause = Arc::clone(&self.0.pause).lock_owned().await;
            // Someone else may have been at it meanwhile.
            if let Some(connection) = self.0.current() {
                return Ok(connection);
            }
            if let Some(status) = self.0.recent_failure() {
                return Err(status);
            }
            // In a task of its own: callers often have less time than an attempt may take. Ended
            // with the caller, it would neither succeed for the others nor be known to have failed.
            let attempt = tokio::spawn(Arc::clone(&self.0).connect(pause));
            attempt.await.unwrap_or_else(|_| {
                Err(not_connected(Status::unavailable("the runtime is shutting down")))
            })
        };
        tokio::time::timeout_at(deadline, connect).await.unwrap_or_else(|_| {
            let text = "no connection within the time for the call";
            Err(not_connected(Status::deadline_exceeded(text)))
        })
    }
}

impl Shared {
    fn current(&self) -> Option<Arc<Connection>> {
        self.current.load_full().filter(|connection| connection.is_open())
    }

    fn recent_failure(&self) -> Option<Status> {
        let failure = self.failure.load();
        let failure = failure.as_ref()?;
        (Instant::now() < failure.until).then(|| failure.status.clone())
    }

    async fn connect(
        self: Arc<Self>,
        mut pause: OwnedMutexGuard<Duration>,
    ) -> Result<Arc<Connection>, Status> {
        match self.attempt().await {
            Ok(connection) => {
                *pause = PAUSE_MIN;
                self.current.store(Some(Arc::clone(&connection)));
                if self.failure.swap(None).is_some() {
                    tracing::info!(address = %self.dialer.address, "an instance is reached again");
                }
                Ok(connection)
            }
            Err(status) => {
                // Between half of it and all, so that many clients do not come at once.
                let until = Instant::now() + pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                *pause = (*pause * 2).min(PAUSE_MAX);
                let failure = Failure { status: status.clone(), until };
                if self.failure.swap(Some(Arc::new(failure))).is_none() {
                    let error = status.message();
                    tracing::warn!(address = %self.dialer.address, error, "an instance cannot be reached");
                }
                Err(status)
            }
        }
    }

    /// A connection counts once the server has spoken on it: the kernel accepts them for processes
    /// that are stopped, that are about to end, or that have not begun to serve.
    async fn attempt(&self) -> Result<Arc<Connection>, Status> {
        let failed =
            |text: String| not_connected(Status::unavailable(format!("connecting failed: {text}")));
        let until = Instant::now() + self.dialer.timeout;
        let stream = self.dialer.connect().await.map_err(|error| failed(error.to_string()))?;
        let connection = Connection::new(stream, self.dialer.address.clone(), self.windows);
        match tokio::time::timeout_at(until, connection.ready()).await {
            Ok(Ok(())) => Ok(Arc::new(connection)),
            Ok(Err(status)) => Err(failed(status.message().to_owned())),
            Err(_) => Err(failed("the server does not speak".to_owned())),
        }
    }
}

fn request<'a>(callee: Callee, cx: &'a Context) -> Request<'a> {
    Request {
        service: callee.service,
        index: callee.method,
        method: callee.number,
        deadline: cx.deadline(),
        metadata: cx.to_send(),
    }
}

/// Of a call that no connection could be had for.
fn not_connected(status: Status) -> Status {
    status.not_executed().at(Stage::Connect)
}
