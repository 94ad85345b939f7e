//! Where a server's connection stands on the way to its end.

use std::future::Future;
use std::pin::Pin;
use std::task::Context as TaskContext;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Status;
use crate::server::Connections;

type Cancelled = Pin<Box<WaitForCancellationFutureOwned>>;

/// See the module. Asking comes before ending, whatever the server is told at once.
pub(super) struct Leaving {
    stage: Stage,
    aborting: CancellationToken,
}

enum Stage {
    /// The server serves; this is ready when it is to stop.
    No(Cancelled),
    /// The client was asked to open no more calls. It closes the connection when its calls are
    /// done; calls that crossed the request are served. This is ready when that takes too long.
    Asked(Cancelled),
    /// Every call was ended. What is left is to say so, for which the server gives some time.
    Forced,
}

/// What is to be done next.
pub(super) enum Step {
    /// Ask the client to open no more calls.
    Ask,
    /// End the calls.
    Force,
}

impl Leaving {
    pub(super) fn new(server: &Connections) -> Self {
        let stopping = Box::pin(server.stopping.clone().cancelled_owned());
        Self { stage: Stage::No(stopping), aborting: server.aborting.clone() }
    }

    /// What is to be done, if anything is; to be asked until nothing is.
    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Option<Step> {
        match &mut self.stage {
            Stage::No(stopping) => {
                if stopping.as_mut().poll(cx).is_pending() {
                    return None;
                }
                self.stage = Stage::Asked(Box::pin(self.aborting.clone().cancelled_owned()));
                Some(Step::Ask)
            }
            Stage::Asked(aborting) => {
                if aborting.as_mut().poll(cx).is_pending() {
                    return None;
                }
                self.stage = Stage::Forced;
                Some(Step::Force)
            }
            Stage::Forced => None,
        }
    }

    /// Whether calls are refused that come now.
    pub(super) fn is_forced(&self) -> bool {
        matches!(self.stage, Stage::Forced)
    }
}

/// The outcome of a call that the server did not wait for.
pub(super) fn forced() -> Status {
    Status::unavailable("the server stopped before the call had ended")
}
