//! The calls that a connection has at work, and how much their requests are together.

use std::collections::HashMap;

use futures_util::future::AbortHandle;
use tokio::time::Instant;

use crate::Status;

/// How many calls a connection may have at work.
pub(in super::super) const CALLS_MAX: u32 = 16_384;

/// How many stopped handlers may be in the set before no more requests are taken: a client that
/// opens calls only to cancel them must not be faster than those are dropped.
const SWEEP_MAX: usize = 1024;

/// What is known of a handler that was not ready at once.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) abort: AbortHandle,
    pub(super) deadline: Instant,
    pub(super) streams: bool,
    /// How long its request was, in bytes.
    pub(super) bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Handlers {
    /// By call id. A call that is not here any more gets no answer.
    calls: HashMap<u32, Pending>,
    bytes: usize,
    bytes_max: usize,
    /// Of calls that were stopped and whose handlers are still to be dropped.
    stopped_bytes: usize,
}

impl Handlers {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { calls: HashMap::new(), bytes: 0, bytes_max, stopped_bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn has(&self, call: u32) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether one more call with a request of so many bytes may begin. One alone always may.
    ///
    /// # Errors
    /// The answer to it.
    pub(super) fn admit(&self, bytes: usize) -> Result<(), Status> {
        let text = if self.calls.len() >= CALLS_MAX as usize {
            "too many calls on the connection".to_owned()
        } else if self.bytes > 0 && self.bytes + bytes > self.bytes_max {
            let (at_work, max) = (self.bytes, self.bytes_max);
            format!(
                "a request of {bytes} bytes beside {at_work} that are at work on the connection, \
                 and {max} may be"
            )
        } else {
            return Ok(());
        };
        Err(Status::resource_exhausted(text))
    }

    pub(super) fn begin(&mut self, call: u32, pending: Pending) {
        self.bytes += pending.bytes;
        self.calls.insert(call, pending);
    }

    /// A call's handler has ended; `None` for one that was stopped before.
    pub(super) fn end(&mut self, call: u32) -> Option<Pending> {
        let pending = self.calls.remove(&call)?;
        self.bytes -= pending.bytes;
        Some(pending)
    }

    /// Stops a call's handler, which is dropped when the set comes to it.
    pub(super) fn stop(&mut self, call: u32) -> Option<Pending> {
        let pending = self.end(call)?;
        pending.abort.abort();
        self.stopped_bytes += pending.bytes;
        Some(pending)
    }

    /// The calls whose time is over by `now`, and when that of the next one is.
    pub(super) fn expired(&self, now: Instant) -> (Vec<u32>, Option<Instant>) {
        let mut expired = Vec::new();
        let mut next: Option<Instant> = None;
        for (call, pending) in &self.calls {
            if pending.deadline > now {
                next = Some(next.map_or(pending.deadline, |next| next.min(pending.deadline)));
            } else {
                expired.push(*call);
            }
        }
        (expired, next)
    }

    pub(super) fn all(&self) -> Vec<u32> {
        self.calls.keys().copied().collect()
    }

    /// Whether a request may be taken while the set has so many handlers, stopped ones included.
    pub(super) fn has_room(&mut self, handlers: usize) -> bool {
        let stopped = handlers.saturating_sub(self.calls.len());
        if stopped == 0 {
            self.stopped_bytes = 0;
        }
        stopped < SWEEP_MAX
            && (self.stopped_bytes == 0 || self.stopped_bytes + self.bytes < self.bytes_max)
    }
}
