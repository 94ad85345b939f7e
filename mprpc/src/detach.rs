//! Work that outlives the call that began it.
//!
//! A handler is dropped when its caller goes away, and whatever it was doing ends there. What must
//! go on (a message that was accepted is being fanned out) is detached, and so visible: it has a
//! deadline of its own, it is counted, there is a bound on how much of it there is, and a server
//! that stops waits for it as it waits for calls.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Context, Status};

impl Context {
    /// Runs `work` in a task of its own, which goes on when the call ends or its caller goes away,
    /// and ends `timeout` from now at the latest. The context that it gets has that deadline and is
    /// otherwise like this one.
    ///
    /// A server lets as much of it run at once as its
    /// [`detached_max`](crate::ServerBuilder::detached_max) says, and waits for it when it stops:
    /// as long as for calls, then it drops it. Outside of a server's handlers, as in a test that
    /// calls an implementation directly, there is one such bound (1,000) for the whole process.
    ///
    /// Must be called within a tokio runtime. Dropping what it returns stops nothing.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: so much is detached already. `UNAVAILABLE`: the server has stopped.
    /// In both cases `work` was not called.
    pub fn detach<F>(
        &self,
        timeout: Duration,
        work: impl FnOnce(Self) -> F,
    ) -> Result<Detached<F::Output>, Status>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let set = self.origin().map_or(&*ELSEWHERE, |origin| &origin.detached);
        let place = set.place()?;
        let cx = self.until(timeout);
        let deadline = cx.deadline();
        let work = work(cx);
        let stopped = set.stopped.clone();
        let task = async move {
            let _place = place;
            tokio::select! {
                biased;
                outcome = tokio::time::timeout_at(deadline, work) => outcome.map_err(|_| {
                    Status::deadline_exceeded("detached work was stopped at its deadline")
                }),
                () = stopped.cancelled() => Err(gone()),
            }
        };
        Ok(Detached(tokio::spawn(set.tasks.track_future(task))))
    }
}

/// The detached work of those who are in no server.
static ELSEWHERE: LazyLock<Arc<DetachedSet>> =
    LazyLock::new(|| Arc::new(DetachedSet::new(DetachedSet::MAX)));

/// Detached work. Awaiting it gives its outcome; dropping this does not stop it.
///
/// # Errors
/// `DEADLINE_EXCEEDED`: its time was over. `UNAVAILABLE`: the server stopped before it had ended.
/// `INTERNAL`: it panicked.
#[must_use = "it says how the work ended; drop it where nobody wants to know"]
pub struct Detached<T>(JoinHandle<Result<T, Status>>);

impl<T> Future for Detached<T> {
    type Output = Result<T, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => Err(Status::internal("detached work panicked")),
            Err(_) => Err(gone()),
        })
    }
}

impl<T> fmt::Debug for Detached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Detached")
    }
}

fn gone() -> Status {
    Status::unavailable("the server has stopped")
}

/// The detached work of one server.
#[derive(Debug)]
pub(crate) struct DetachedSet {
    max: usize,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled when what is left is to be dropped.
    stopped: CancellationToken,
}

/// One piece of it, counted for as long as it lives.
struct Place {
    _permit: OwnedSemaphorePermit,
    gauge: metrics::Gauge,
}

impl DetachedSet {
    /// How much of it may run at once unless a server is told otherwise.
    pub(crate) const MAX: usize = 1_000;

    pub(crate) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            max,
            places: Arc::new(Semaphore::new(max)),
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
        }
    }

    fn place(&self) -> Result<Place, Status> {
        if self.stopped.is_cancelled() {
            return Err(gone());
        }
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{} pieces of work are detached already", self.max))
        })?;
        let gauge = metrics::gauge!("mprpc_detached");
        gauge.increment(1.0);
        Ok(Place { _permit: permit, gauge })
    }

    /// Waits until all of it has ended. More may be begun meanwhile: calls may still be in flight.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops what has not ended.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}
