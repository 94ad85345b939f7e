//! A service that has started, and the orderly end of one or several.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{ServiceError, Shutdown, Tasks};

/// For how long work in flight may go on after the shutdown, unless the configuration says otherwise.
pub const DRAIN: Duration = Duration::from_secs(10);
/// What each service gets to hand over its work after the bound is spent by the one before it.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// What a service's `start` returns: it serves until its shutdown is triggered or it fails.
#[derive(Debug)]
#[must_use = "a service that nobody joins is not waited for at the end"]
pub struct Running {
    /// The service, for people: `im-user`.
    pub name: &'static str,
    /// Where its mprpc port really is, also when the configuration said port 0.
    pub addr: SocketAddr,
    /// Where else it listens, each with what is spoken there: `("text lines", 127.0.0.1:6000)`.
    pub others: Vec<(&'static str, SocketAddr)>,
    tasks: Tasks,
}

impl Running {
    /// A started service with all of its tasks in `tasks`.
    pub fn new(addr: SocketAddr, tasks: Tasks) -> Self {
        Self { name: tasks.service(), addr, others: Vec::new(), tasks }
    }

    /// Adds another address and what is spoken there, for those who print or log them.
    pub fn and_at(mut self, speaks: &'static str, addr: SocketAddr) -> Self {
        self.others.push((speaks, addr));
        self
    }

    /// Waits until the service's shutdown was triggered, by somebody or by its own failure.
    /// Cancel safe.
    pub async fn ended(&self) {
        self.tasks.shutdown().triggered().await;
    }

    /// Triggers the service's shutdown and waits for its tasks, at most `drain`.
    ///
    /// # Errors
    /// What made the service fail, if it did, or that it was still busy at the end of the bound.
    pub async fn stop(self, drain: Duration) -> Result<(), ServiceError> {
        self.tasks.shutdown().trigger();
        let drained = tokio::time::timeout(drain, self.tasks.drained()).await;
        match (self.tasks.failure(), drained) {
            (Some(failure), _) => Err(failure),
            (None, Ok(())) => Ok(()),
            (None, Err(_elapsed)) => {
                let left = self.tasks.left();
                Err(ServiceError::DrainTimeout { service: self.name, left })
            }
        }
    }

    /// Waits for the shutdown, then for the tasks, at most [`DRAIN`] from then on.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub async fn join(self) -> Result<(), ServiceError> {
        self.ended().await;
        self.stop(DRAIN).await
    }
}

/// Lets the services run until `shutdown` is triggered or one of them fails, then stops them in the
/// reverse of the order in which they were given: each finishes while those it calls still answer.
/// `drain` bounds the whole, but for half a second that each service gets whatever the others took.
///
/// # Errors
/// The first failure, except that work cut off at the end of the bound is only logged: the process
/// was asked to end and does.
pub async fn run_until_shutdown(
    services: Vec<Running>,
    shutdown: &Shutdown,
    drain: Duration,
) -> Result<(), ServiceError> {
    tokio::select! {
        () = shutdown.triggered() => {}
        () = any_ended(&services) => shutdown.trigger(),
    }
    let deadline = Instant::now() + drain;
    let mut outcome = Ok(());
    for service in services.into_iter().rev() {
        let left = deadline.saturating_duration_since(Instant::now()).max(LAST_CHANCE);
        match service.stop(left).await {
            Ok(()) => {}
            Err(error @ ServiceError::DrainTimeout { .. }) => {
                tracing::warn!(%error, "unfinished work is cut off");
            }
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

async fn any_ended(services: &[Running]) {
    // Dozens at most, woken once: a select over boxed futures is simple enough.
    let mut waits: Vec<_> = services.iter().map(|service| Box::pin(service.ended())).collect();
    std::future::poll_fn(|cx| {
        let done = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
