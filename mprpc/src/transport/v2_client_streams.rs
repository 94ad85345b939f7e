//! The calls of a client's connection that stream.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use prost::Message;

use super::v2_client::Connection;
use crate::Status;
use crate::stream::{Directions, Outgoing, Port};
use crate::wire::v2::arrived::inflate;
use crate::wire::v2::client::{Calls, Request};
use crate::wire::v2::compression::Deflated;
use crate::wire::v2::slots::CallId;

/// A call that streams. Whoever drops the last of it gives the call up, unless it is over.
pub(crate) struct ClientStream {
    /// Held as every call holds it: as long as the call lives, it is in use.
    connection: Arc<Connection>,
    id: CallId,
}

impl Connection {
    /// Opens a call that streams; its message is nothing where the client sends a stream. Nothing
    /// says yet that the server has heard of it.
    ///
    /// Cancel safe: dropped before it is ready, it has opened none.
    pub(crate) async fn open_stream(
        self: &Arc<Self>,
        request: &Request<'_>,
        message: &impl Message,
        directions: Directions,
    ) -> Result<ClientStream, Status> {
        let deflated = self.deflate(message);
        let open = |calls: &mut Calls, now, waker: &_| match &deflated {
            Some(deflated) => calls.open_stream(request, deflated, directions, now, waker),
            None => calls.open_stream(request, message, directions, now, waker),
        };
        let id = self.open(request.deadline, None, open).await?;
        Ok(ClientStream { connection: Arc::clone(self), id })
    }
}

impl ClientStream {
    fn with<R>(&self, work: impl FnOnce(&mut Calls) -> R) -> R {
        self.connection.shared().with(work)
    }

    fn give_up(&self) {
        let mut woken = Vec::new();
        self.with(|calls| calls.give_up(self.id, &mut woken));
        woken.into_iter().for_each(std::task::Waker::wake);
    }
}

impl Port for ClientStream {
    fn deflate(&self, message: &dyn Outgoing) -> Option<Deflated> {
        self.connection.deflate(message)
    }

    fn poll_send(
        &self,
        cx: &mut TaskContext<'_>,
        message: &dyn Outgoing,
    ) -> Poll<Result<(), Status>> {
        self.with(|calls| calls.poll_send(self.id, message, cx.waker()))
    }

    fn poll_next(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        let next = ready!(self.with(|calls| calls.poll_next(self.id, cx.waker())))?;
        Poll::Ready(next.map(inflate).transpose())
    }

    fn poll_answer(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Bytes, Status>> {
        let answer = self.with(|calls| calls.poll_answer(self.id, cx.waker()));
        answer.map(|answer| inflate(answer?))
    }

    fn finish(&self) {
        self.with(|calls| calls.finish(self.id));
    }

    fn sender_gone(&self) {
        self.give_up();
    }

    fn reader_gone(&self) {
        self.give_up();
        self.with(|calls| calls.discard(self.id));
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.with(|calls| calls.close(self.id));
    }
}
