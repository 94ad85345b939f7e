//! The end of a stream that messages come out of.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_util::Stream;
use prost::Message;

use super::Port;
use crate::{Code, Status};

/// Receives the messages of a stream: a handler's requests, or a caller's answers. Also a
/// [`Stream`] of `Result<M, Status>`, which ends behind an error.
///
/// What is not read holds the sender up, and no other call or stream: the connection keeps at most
/// a window of each stream (64 KiB at first; it grows up to 1 MiB while messages are read).
///
/// Dropping a caller's receiver before the end cancels the call. A handler's may be dropped at any
/// time; what the caller sends is then thrown away.
pub struct Receiver<M> {
    port: Arc<dyn Port>,
    /// Whose fault a message is that does not parse.
    at_fault: Code,
    /// As a [`Stream`] it has ended.
    ended: bool,
    message: PhantomData<fn() -> M>,
}

impl<M> Receiver<M> {
    /// A caller's.
    pub(crate) fn new(port: Arc<dyn Port>) -> Self {
        Self { port, at_fault: Code::Internal, ended: false, message: PhantomData }
    }

    /// A handler's.
    pub(super) fn of_requests(port: Arc<dyn Port>) -> Self {
        Self { port, at_fault: Code::InvalidArgument, ended: false, message: PhantomData }
    }
}

impl<M: Message + Default> Receiver<M> {
    /// The next message; `None` once the other side has sent its last and the stream is well.
    ///
    /// Cancel safe: dropped before it is ready, it has taken nothing.
    ///
    /// # Errors
    /// How the call has failed, behind the messages that came before that; a message that does not
    /// parse is [`Code::Internal`] at a caller, and [`Code::InvalidArgument`] at a handler.
    pub async fn next(&mut self) -> Result<Option<M>, Status> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    fn poll_message(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Option<M>, Status>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let message = ready!(self.port.poll_next(cx));
        coop.made_progress();
        let Some(message) = message? else {
            return Poll::Ready(Ok(None));
        };
        Poll::Ready(M::decode(message).map(Some).map_err(|error| {
            Status::new(self.at_fault, format!("a message of the stream does not parse: {error}"))
        }))
    }
}

impl<M: Message + Default> Stream for Receiver<M> {
    type Item = Result<M, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let next = ready!(this.poll_message(cx)).transpose();
        this.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        self.port.reader_gone();
    }
}

impl<M> fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
