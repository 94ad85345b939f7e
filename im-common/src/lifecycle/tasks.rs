//! The tasks of one service, so that none is forgotten and none dies unnoticed.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Gauge, gauge};
use tokio_util::task::TaskTracker;

use super::Shutdown;

/// Why a service ended although nobody asked it to, or did not end when asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ServiceError {
    /// A task panicked; the log has the message and the place.
    #[error("{service}: its task `{task}` panicked")]
    Panicked {
        /// The service.
        service: &'static str,
        /// The task's name.
        task: &'static str,
    },
    /// A task without which the service is no service returned before the shutdown.
    #[error("{service}: its task `{task}` ended unexpectedly")]
    Ended {
        /// The service.
        service: &'static str,
        /// The task's name.
        task: &'static str,
    },
    /// A task without which the service is no service failed.
    #[error("{service}: its task `{task}` failed: {error}")]
    Failed {
        /// The service.
        service: &'static str,
        /// The task's name.
        task: &'static str,
        /// Why, with its causes, in one line.
        error: String,
    },
    /// Work was still in flight when the bound of the shutdown was reached; it is cut off.
    #[error("{service}: {left} tasks were still busy at the end of the drain time")]
    DrainTimeout {
        /// The service.
        service: &'static str,
        /// How many tasks.
        left: usize,
    },
}

/// How an essential task ended: `()` says nothing, and an `Err` is the service's failure even when
/// it comes during the shutdown.
pub trait Outcome {
    /// Why the task failed, if it did.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: std::error::Error + 'static> Outcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| crate::in_one_line(&error))
    }
}

/// Spawns and tracks the tasks of one service. Clones share the group.
///
/// A panic in any task, and the early end of an [essential](Tasks::spawn_essential) one, is the
/// service's failure: it triggers the service's shutdown and [`Running::ended`](super::Running::ended)
/// reports it, so that the process ends with an error instead of serving half.
#[derive(Clone, Debug)]
pub struct Tasks {
    service: &'static str,
    tracker: TaskTracker,
    shutdown: Shutdown,
    failure: Arc<Mutex<Option<ServiceError>>>,
    /// How many there are.
    count: Gauge,
}

impl Tasks {
    /// An empty group for the service of this name, which ends when `shutdown` is triggered.
    #[must_use]
    pub fn new(service: &'static str, shutdown: Shutdown) -> Self {
        let (tracker, failure) = (TaskTracker::new(), Arc::default());
        let count = gauge!("mpim_tasks", "service" => service);
        Self { service, tracker, shutdown, failure, count }
    }

    /// The signal at which the tasks finish.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Spawns a task that may end at any time (one connection, one retry loop).
    pub fn spawn(&self, task: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.track(task, false, async move {
            future.await;
            None
        });
    }

    /// Spawns a task that must live until the shutdown (a listener, a lane). What it fails with is
    /// what the process says when it ends.
    pub fn spawn_essential<F>(&self, task: &'static str, future: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.track(task, true, async move { future.await.failure() });
    }

    fn track(
        &self,
        task: &'static str,
        essential: bool,
        future: impl Future<Output = Option<String>> + Send + 'static,
    ) {
        self.count.increment(1.0);
        let watch = Watch { tasks: self.clone(), task, essential, returned: false, error: None };
        self.tracker.spawn(async move {
            // The whole of it moves in; naming a field alone would leave the rest behind.
            let mut watch = watch;
            watch.error = future.await;
            watch.returned = true;
        });
    }

    fn fail(&self, error: ServiceError) {
        tracing::error!(%error, "service failed");
        // The first failure is the cause; what follows are its consequences.
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
        drop(failure);
        self.shutdown.trigger();
    }

    pub(super) fn failure(&self) -> Option<ServiceError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn service(&self) -> &'static str {
        self.service
    }

    /// Waits until every task has ended.
    pub(super) async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(super) fn left(&self) -> usize {
        self.tracker.len()
    }
}

/// Sees how a task ended: a value and not code after the task, since it is dropped on a panic, too.
struct Watch {
    tasks: Tasks,
    task: &'static str,
    essential: bool,
    /// Otherwise it panicked, or the runtime is going away with everything in it.
    returned: bool,
    error: Option<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.count.decrement(1.0);
        let (service, task) = (self.tasks.service, self.task);
        let early = self.returned && !self.tasks.shutdown.is_triggered();
        if std::thread::panicking() {
            self.tasks.fail(ServiceError::Panicked { service, task });
        } else if let Some(error) = self.error.take() {
            self.tasks.fail(ServiceError::Failed { service, task, error });
        } else if self.essential && early {
            self.tasks.fail(ServiceError::Ended { service, task });
        }
    }
}
