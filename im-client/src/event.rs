//! What happens without being asked for.

use crate::error::RequestError;
use im_wire::{Message, Peer};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Something that is told and not kept: typing, whispers, presence, how far others are.
pub use im_wire::Event as Signal;

/// What happens without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message arrived.
    Message(Message),
    /// Something that is not kept, for sessions that [want](crate::Options::wants) to be told.
    Signal(Signal),
    /// A message that was [posted](crate::Client::post) is stored. The server may have pushed it before,
    /// as one of the user's own, if its first answer was lost: `msg_id` is the same.
    Stored {
        /// Its id, as posting it has answered.
        client_msg_id: String,
        /// Whom it went to.
        to: Peer,
        /// Its id at the server.
        msg_id: i64,
        /// Its number in the conversation, where the server tells it.
        seq: Option<i64>,
    },
    /// A message that was [posted](crate::Client::post) is not sent again. Whether it may be stored all the
    /// same, the error [says](RequestError::may_have_run).
    Unsent {
        /// Its id, as posting it has answered.
        client_msg_id: String,
        /// Whom it was to go to.
        to: Peer,
        /// Why.
        error: RequestError,
    },
    /// The connection was lost, or connecting again failed.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next attempt follows.
        retry_in: Duration,
    },
    /// The connection is back.
    Reconnected {
        /// Who is logged in again.
        uid: Option<i64>,
    },
    /// The server ended the session, or does not take its log-in any more. The connection comes
    /// back, the session does not.
    SessionClosed {
        /// The server's words, for example `logged in elsewhere`.
        reason: String,
    },
}

/// Where [`Event`]s arrive. Take them, also while waiting for an answer: what nobody takes stops
/// the connection once [`Options::events_max`](crate::Options::events_max) are waiting.
#[derive(Debug)]
pub struct Events {
    from_worker: mpsc::Receiver<Event>,
    taken: u64,
    /// How many were taken before the last time that one was asked for.
    handled: Arc<AtomicU64>,
}

impl Events {
    /// The next event; `None` when the client is gone. Cancel safe.
    ///
    /// To ask for it says that those before it are dealt with: a message is acknowledged only after that,
    /// so one over which the program dies comes again.
    pub async fn next(&mut self) -> Option<Event> {
        // Nothing else is told by it: the order of other memory does not matter.
        self.handled.store(self.taken, Ordering::Relaxed);
        let event = self.from_worker.recv().await?;
        self.taken += 1;
        Some(event)
    }

    /// How many were taken. An answer whose [`Answered::after_events`](crate::Answered::after_events) is
    /// larger came after an event that was not taken yet.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Teller {
    to_user: mpsc::Sender<Event>,
    told: u64,
    handled: Arc<AtomicU64>,
}

impl Teller {
    /// Both ends, for at most so many events that nobody took.
    pub(crate) fn new(events_max: usize) -> (Self, Events) {
        let (to_user, from_worker) = mpsc::channel(events_max);
        let handled = Arc::new(AtomicU64::new(0));
        let events = Events { from_worker, taken: 0, handled: Arc::clone(&handled) };
        (Self { to_user, told: 0, handled }, events)
    }

    /// Waits while as many events are waiting as may: that is what stops the connection when nobody
    /// reads. Nobody *can* read once the receiver is gone.
    pub(crate) async fn tell(&mut self, event: Event) {
        if self.to_user.send(event).await.is_ok() {
            self.told += 1;
        }
    }

    /// How many were told.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// How many of them were dealt with.
    pub(crate) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// Whether nobody can read any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.to_user.is_closed()
    }
}
