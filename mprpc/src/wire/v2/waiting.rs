//! Senders that wait for the connection's credit, in the order in which they are woken.
//!
//! Each stream stands in it once at most, by its latest waker, and not when it has ended: the other
//! side may give no credit for as long as it likes.

use std::collections::BTreeMap;
use std::task::Waker;

/// Where a stream stands, or stood, in [`Waiting`].
#[derive(Debug, Default)]
pub(super) struct Ticket(Option<u64>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Waiting {
    /// Who holds the ticket waits: in its place, if it waits already, and else behind all others.
    pub(super) fn wait(&mut self, ticket: &mut Ticket, waker: &Waker) {
        if let Some(stored) = ticket.0.and_then(|at| self.wakers.get_mut(&at)) {
            stored.clone_from(waker);
            return;
        }
        self.wakers.insert(self.next, waker.clone());
        ticket.0 = Some(self.next);
        self.next += 1;
    }

    /// Who holds the ticket does not wait any more.
    pub(super) fn leave(&mut self, ticket: &mut Ticket) {
        if let Some(at) = ticket.0.take() {
            self.wakers.remove(&at);
        }
    }

    /// Nobody waits any more: all are to be woken.
    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(std::mem::take(&mut self.wakers).into_values());
    }
}
