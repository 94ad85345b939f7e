//! How a connection is reached from outside.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// How a connection is woken, and told to end.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(super) wake: Arc<Notify>,
    shutdown: OnceLock<&'static str>,
}

impl Control {
    /// Lets the connection finish what it works on, and end for this reason.
    pub(crate) fn shut_down(&self, reason: &'static str) {
        let _ = self.shutdown.set(reason);
        self.wake.notify_one();
    }

    /// Why the connection is to end, once it is.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.shutdown.get().copied()
    }
}
