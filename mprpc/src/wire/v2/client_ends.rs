//! How calls end that get no answer: given up, out of time, or their connection is over.

use std::task::Waker;

use tokio::time::Instant;

use super::client::{Calls, not_sent};
use super::slots::CallId;
use crate::Status;

impl Calls {
    /// Opens no more calls, for the reason that `status` gives; those in flight go on.
    pub(crate) fn refuse(&mut self, status: Status) {
        self.refusal.get_or_insert(not_sent(status));
    }

    /// Gives a call up: its slot is free, and the server is told unless the answer had come.
    pub(crate) fn abandon(&mut self, id: CallId) {
        if self.slots.abandon(id) {
            self.write_cancel(id);
        }
    }

    /// The time at which [`expire`](Self::expire) wants to be called, if any call waits.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.slots.next_deadline()
    }

    /// Whether [`expire`](Self::expire) wants to be called earlier than at `time`.
    pub(crate) fn is_due_before(&self, time: Option<Instant>) -> bool {
        self.next_deadline().is_some_and(|next| time.is_none_or(|time| next < time))
    }

    /// Ends the calls whose time is over, and tells the server.
    pub(crate) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        for id in self.slots.expire(now, self.written, woken) {
            self.write_cancel(id);
        }
    }

    /// Ends every waiting call because the connection is over.
    pub(crate) fn fail(&mut self, status: &Status, woken: &mut Vec<Waker>) {
        self.refuse(status.clone());
        self.slots.fail(status, self.written, woken);
        self.output.clear();
        self.link.wake(woken);
        self.pings.wake(woken);
        woken.append(&mut self.waiting);
    }
}
