//! A server's connection whose caller has still to show who it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context as TaskContext;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::token::Secrets;

/// How long a caller may take that has called nothing yet.
pub(crate) const SHOW_MAX: Duration = Duration::from_secs(5);

/// How long one may stay that has called without having shown who it is, or was asked to go: enough
/// for the answers to be read that say why.
const REFUSED_MAX: Duration = Duration::from_secs(1);

/// See the module. It is gone once the caller has shown who it is.
pub(super) struct Asking {
    secrets: Arc<Secrets>,
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
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        let until = Box::pin(tokio::time::sleep(SHOW_MAX));
        Self { secrets, until, was_refused: false, was_asked_to_go: false }
    }

    /// Whether this is what is asked for.
    pub(super) fn is_satisfied_by(&mut self, token: &[u8]) -> bool {
        let satisfied = self.secrets.has(token);
        if !satisfied {
            self.refused();
        }
        satisfied
    }

    /// It has called, or shown something else: it need not stay for long.
    pub(super) fn refused(&mut self) {
        if !std::mem::replace(&mut self.was_refused, true) {
            self.until.as_mut().reset(Instant::now() + REFUSED_MAX);
        }
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
