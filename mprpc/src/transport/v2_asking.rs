//! A server's connection whose caller has still to show who it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::Status;
use crate::token::Secrets;

/// How long a caller may take that has called nothing yet.
pub(crate) const SHOW_MAX: Duration = Duration::from_secs(5);

/// How long one may stay that has called without having shown who it is, or was asked to go: enough
/// for the answers to be read that say why.
const REFUSED_MAX: Duration = Duration::from_secs(1);

/// The longest payload of such a caller's frames, in bytes: nothing that it sends is of use but AUTH.
pub(super) const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// What a caller is asked for, and what it is told until it has shown that.
pub(crate) struct Asked {
    secrets: Arc<Secrets>,
    refusal: Status,
    _place: OwnedSemaphorePermit,
}

impl Asked {
    /// `place` is the caller's among those who have shown nothing.
    pub(crate) fn new(secrets: Arc<Secrets>, refusal: Status, place: OwnedSemaphorePermit) -> Self {
        Self { secrets, refusal, _place: place }
    }
}

/// See the module. It is gone once the caller has shown who it is.
pub(super) struct Asking {
    asked: Asked,
    until: Pin<Box<Sleep>>,
    was_refused: bool,
    was_asked_to_go: bool,
}

/// What is to be done next.
pub(super) enum Step {
    /// Ask the client to open no more calls.
    AskToGo,
    /// It had its time: close the connection.
    Close,
}

impl Asking {
    pub(super) fn new(asked: Asked) -> Self {
        let until = Box::pin(tokio::time::sleep(SHOW_MAX));
        Self { asked, until, was_refused: false, was_asked_to_go: false }
    }

    /// Whether this is what is asked for.
    pub(super) fn is_satisfied_by(&self, token: &[u8]) -> bool {
        self.asked.secrets.has(token)
    }

    /// What the caller is told.
    pub(super) fn refusal(&self) -> &Status {
        &self.asked.refusal
    }

    /// It has called, or shown something else: it need not stay for long. Whether that is the first
    /// that is held against it.
    pub(super) fn refused(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.was_refused, true);
        if first && !self.was_asked_to_go {
            self.until.as_mut().reset(Instant::now() + REFUSED_MAX);
        }
        first
    }

    /// What is to be done, if anything is.
    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Option<Step> {
        if self.until.as_mut().poll(cx).is_pending() {
            return None;
        }
        if std::mem::replace(&mut self.was_asked_to_go, true) {
            return Some(Step::Close);
        }
        self.until.as_mut().reset(Instant::now() + REFUSED_MAX);
        // Also arms the timer.
        self.until.as_mut().poll(cx).is_pending().then_some(Step::AskToGo)
    }
}
