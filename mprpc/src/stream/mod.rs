//! Calls that carry many messages: what handlers and callers hold of them.
//!
//! Both ends hold the same types. What is behind them is a [`Port`]: at the client the call's slot on
//! its connection, at the server what the connection's task keeps for the handler.

mod answer;
mod forward;
mod receiver;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;

pub use answer::Answer;
pub use forward::{forward_both, forward_requests, forward_responses};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::Status;
pub(crate) use crate::wire::v2::compression::Deflated;
pub(crate) use crate::wire::v2::stream::{Directions, Outgoing};

/// The stream of a call, at either end of its connection.
pub(crate) trait Port: Send + Sync {
    /// The message compressed, if it is to be sent so.
    fn deflate(&self, message: &dyn Outgoing) -> Option<Deflated>;

    /// Puts a message out once there is credit and room for it.
    fn poll_send(
        &self,
        cx: &mut TaskContext<'_>,
        message: &dyn Outgoing,
    ) -> Poll<Result<(), Status>>;

    /// The next message, `None` behind the last.
    fn poll_next(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Option<Bytes>, Status>>;

    /// The one answer to a stream of requests; at a client only.
    fn poll_answer(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Bytes, Status>>;

    /// No more messages will be sent.
    fn finish(&self);

    /// The sender was dropped without that.
    fn sender_gone(&self);

    /// Nobody reads any more.
    fn reader_gone(&self);
}

/// A stream that a server was asked for. Generated code takes it apart for the handler.
#[doc(hidden)]
pub struct Opened(Arc<dyn Port>);

impl Opened {
    pub(crate) fn new(port: Arc<dyn Port>) -> Self {
        Self(port)
    }

    /// For a method that streams its requests.
    pub fn requests<M>(&self) -> Receiver<M> {
        Receiver::of_requests(Arc::clone(&self.0))
    }

    /// For a method that streams its answer.
    pub fn responses<M>(&self) -> Sender<M> {
        Sender::new(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}
