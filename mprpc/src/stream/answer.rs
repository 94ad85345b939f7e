//! The one answer to a stream of requests.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use prost::Message;

use super::Port;
use crate::Status;

/// What a call that streams its requests will be answered with: a future, to be awaited once the
/// sender has [finished](crate::Sender::finish), or earlier by one who wants to know at once that
/// the server takes no more.
///
/// Dropping it before the answer has come cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Answer<M> {
    port: Arc<dyn Port>,
    message: PhantomData<fn() -> M>,
}

impl<M> Answer<M> {
    pub(crate) fn new(port: Arc<dyn Port>) -> Self {
        Self { port, message: PhantomData }
    }
}

impl<M: Message + Default> Future for Answer<M> {
    type Output = Result<M, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.port.poll_answer(cx))?;
        Poll::Ready(
            M::decode(answer)
                .map_err(|error| Status::internal(format!("the answer does not parse: {error}"))),
        )
    }
}

impl<M> Drop for Answer<M> {
    fn drop(&mut self) {
        self.port.reader_gone();
    }
}

impl<M> fmt::Debug for Answer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
