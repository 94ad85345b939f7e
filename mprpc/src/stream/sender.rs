//! The end of a stream that messages go into.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::ready;

use prost::Message;

use super::Port;
use crate::Status;

/// Sends the messages of a stream: a caller's requests, or a handler's answers.
///
/// The other side says how much it will keep; [`send`](Self::send) waits while that is full, so
/// whoever produces messages is no faster than whoever reads them.
///
/// A caller's sender says with [`finish`](Self::finish) that it has sent all. Dropped without that,
/// it cancels the call: what the server has got may be half of what it needs. A handler's sender
/// may be dropped at any time; the handler's return is what ends the stream.
#[must_use = "a caller's sender that is dropped unfinished cancels the call"]
pub struct Sender<M> {
    port: Arc<dyn Port>,
    finished: bool,
    message: PhantomData<fn(M)>,
}

impl<M> Sender<M> {
    pub(crate) fn new(port: Arc<dyn Port>) -> Self {
        Self { port, finished: false, message: PhantomData }
    }

    /// Half-closes the stream: the other side gets what was sent and then the end. A caller still
    /// receives.
    pub fn finish(mut self) {
        self.finished = true;
        self.port.finish();
    }
}

impl<M: Message> Sender<M> {
    /// Sends a message, as soon as the other side has room for it: when this returns, the message
    /// is on its way, and nothing says that it has arrived.
    ///
    /// Cancel safe: dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    /// The call is over: with what it has failed with, or with
    /// [`Code::Cancelled`](crate::Code::Cancelled) if it has ended well. A message that is longer
    /// than the other side accepts is refused with
    /// [`Code::ResourceExhausted`](crate::Code::ResourceExhausted), and the stream goes on without it.
    pub async fn send(&mut self, message: M) -> Result<(), Status> {
        // Once, here: it may be polled often, and the connection has others to serve.
        let deflated = self.port.deflate(&message);
        std::future::poll_fn(|cx| {
            // One that never has to wait lets others run all the same.
            let coop = ready!(tokio::task::coop::poll_proceed(cx));
            let sent = match &deflated {
                Some(deflated) => self.port.poll_send(cx, deflated),
                None => self.port.poll_send(cx, &message),
            };
            if sent.is_ready() {
                coop.made_progress();
            }
            sent
        })
        .await
    }
}

impl<M> Drop for Sender<M> {
    fn drop(&mut self) {
        if !self.finished {
            self.port.sender_gone();
        }
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
