//! Which pings were answered: the wire has answers come in the order of pings.

use std::task::{Poll, Waker};

use super::client::Calls;
use super::frame::{Header, Kind};

/// The pings of one connection.
#[derive(Debug, Default)]
pub(super) struct Pings {
    sent: u64,
    answered: u64,
    /// Who waits for an answer.
    waker: Option<Waker>,
}

impl Pings {
    /// One more was sent; its number.
    pub(super) fn sent(&mut self) -> u64 {
        self.sent += 1;
        self.sent
    }

    /// Ready once ping `number` was answered. One may wait at a time.
    pub(super) fn poll(&mut self, number: u64, waker: &Waker) -> Poll<()> {
        if self.answered >= number {
            return Poll::Ready(());
        }
        self.waker = Some(waker.clone());
        Poll::Pending
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, woken: &mut Vec<Waker>) {
        // One that nobody asked for answers none that is still to be sent.
        self.answered = self.sent.min(self.answered + 1);
        self.wake(woken);
    }

    /// Has whoever waits look again.
    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.waker.take());
    }
}

impl Calls {
    /// Puts out a ping, and says which it is.
    pub(crate) fn ping(&mut self) -> u64 {
        self.write(Header::connection(Kind::Ping), &[]);
        self.pings.sent()
    }

    /// Ready once the answer to ping `number` has come, or the connection takes no more calls.
    pub(crate) fn poll_pong(&mut self, number: u64, waker: &Waker) -> Poll<()> {
        if self.is_open() { self.pings.poll(number, waker) } else { Poll::Ready(()) }
    }
}
