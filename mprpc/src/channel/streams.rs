//! Calls that stream, as a channel makes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use prost::Message;
use tokio::time::Instant;

use super::ServiceChannel;
use super::attempt::Open;
use super::instance::{Callee, Instance};
use super::passing::Passing;
use super::stack::Metered;
use crate::meter::MethodMeter;
use crate::stream::{Deflated, Directions, Outgoing, Port};
use crate::transport::v2_client_streams::ClientStream;
use crate::{Answer, Code, Context, Receiver, Sender, Status};

impl ServiceChannel {
    /// Calls a method that streams its answer. Returns once the request is on its way; what the
    /// service says of it comes out of the receiver.
    ///
    /// # Errors
    /// What kept the request from being sent.
    pub async fn server_streaming<Req: Message, Resp>(
        &self,
        cx: &Context,
        method: usize,
        request: &Req,
    ) -> Result<Receiver<Resp>, Status> {
        let directions = Directions { sends: false, receives: true };
        Ok(Receiver::new(self.open(cx, method, request, directions).await?))
    }

    /// Calls a method that streams its requests.
    ///
    /// # Errors
    /// What kept the call from being opened.
    pub async fn client_streaming<Req, Resp>(
        &self,
        cx: &Context,
        method: usize,
    ) -> Result<(Sender<Req>, Answer<Resp>), Status> {
        let directions = Directions { sends: true, receives: false };
        let call = self.open(cx, method, &(), directions).await?;
        Ok((Sender::new(Arc::clone(&call)), Answer::new(call)))
    }

    /// Calls a method that streams both.
    ///
    /// # Errors
    /// What kept the call from being opened.
    pub async fn bidirectional<Req, Resp>(
        &self,
        cx: &Context,
        method: usize,
    ) -> Result<(Sender<Req>, Receiver<Resp>), Status> {
        let directions = Directions { sends: true, receives: true };
        let call = self.open(cx, method, &(), directions).await?;
        Ok((Sender::new(Arc::clone(&call)), Receiver::new(call)))
    }

    async fn open(
        &self,
        cx: &Context,
        method: usize,
        request: &impl Message,
        directions: Directions,
    ) -> Result<Arc<dyn Port>, Status> {
        // Counted first, as calls that do not stream are, and until it has ended.
        let mut metered = Metered::begin(Arc::clone(self.shared.meter(method)));
        let began = metered.began;
        let attempt = Open { request, directions };
        let opened = if self.shared.is_plain(cx) {
            self.shared.call(cx, method, &attempt, began).await
        } else {
            Box::pin(self.open_through(cx, method, &attempt)).await
        };
        match opened {
            Ok(call) => {
                let metered = Mutex::new(Some((metered, self.clone())));
                Ok(Arc::new(CallStream { began, metered, ..call }))
            }
            Err(status) => {
                let outcome = Err(metered.name(status));
                metered.end(&outcome);
                outcome
            }
        }
    }
}

/// A call that streams, with what its errors are to name.
pub(super) struct CallStream {
    stream: ClientStream,
    /// Counted as a call in flight there.
    instance: Counted,
    callee: Callee,
    began: Instant,
    /// What is to be told of its end.
    passing: Option<Passing>,
    /// Counts it until it has ended, and keeps the channel, which publishes that.
    metered: Mutex<Option<(Metered<Arc<MethodMeter>>, ServiceChannel)>>,
}

impl CallStream {
    pub(super) async fn open(
        instance: &Arc<Instance>,
        callee: Callee,
        cx: &Context,
        request: &impl Message,
        directions: Directions,
    ) -> Result<Self, Status> {
        let counted = Counted::new(instance);
        let stream = instance.open_stream(callee, cx, request, directions).await?;
        let (began, metered) = (Instant::now(), Mutex::new(None));
        Ok(Self { stream, instance: counted, callee, began, passing: None, metered })
    }

    /// The same, which tells `passing` of its end.
    pub(super) fn telling(self, passing: Passing) -> Self {
        Self { passing: Some(passing), ..self }
    }

    fn end(&self, outcome: Result<(), &Status>) {
        let metered = self.metered.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut metered, _)) = metered {
            metered.end(&outcome.map_err(Status::clone));
        }
        if let Some(passing) = &self.passing {
            passing.end(outcome.map_err(Status::clone));
        }
    }

    /// How it failed as its reader sees it, which its instance is to be known for.
    fn failed(&self, status: Status) -> Status {
        self.instance.failed(&status);
        self.name(status)
    }

    fn name(&self, status: Status) -> Status {
        let Callee { service, method, .. } = self.callee;
        let peer = self.instance.instance.address().clone();
        status.with_peer(peer).of_call(service, method, self.began.elapsed())
    }
}

impl Port for CallStream {
    fn deflate(&self, message: &dyn Outgoing) -> Option<Deflated> {
        self.stream.deflate(message)
    }

    fn poll_send(
        &self,
        cx: &mut TaskContext<'_>,
        message: &dyn Outgoing,
    ) -> Poll<Result<(), Status>> {
        // What went wrong there the reader is told, too; the rest is the sender's own doing.
        self.stream.poll_send(cx, message).map_err(|status| self.name(status))
    }

    fn poll_next(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        let next = ready!(self.stream.poll_next(cx)).map_err(|status| self.failed(status));
        match &next {
            Ok(Some(_)) => self.instance.answered(),
            Ok(None) => {
                self.instance.answered();
                self.end(Ok(()));
            }
            Err(status) => self.end(Err(status)),
        }
        Poll::Ready(next)
    }

    fn poll_answer(&self, cx: &mut TaskContext<'_>) -> Poll<Result<Bytes, Status>> {
        let answer = ready!(self.stream.poll_answer(cx)).map_err(|status| self.failed(status));
        if answer.is_ok() {
            self.instance.answered();
        }
        self.end(answer.as_ref().map(|_| ()));
        Poll::Ready(answer)
    }

    fn finish(&self) {
        self.stream.finish();
    }

    fn sender_gone(&self) {
        self.instance.given_up();
        self.stream.sender_gone();
    }

    fn reader_gone(&self) {
        self.instance.given_up();
        self.stream.reader_gone();
    }
}

/// Counts a call that streams at its instance for as long as somebody holds it.
struct Counted {
    instance: Arc<Instance>,
    /// What its instance is known for already, once each: that it answered, and that it failed.
    answered: AtomicBool,
    failed: AtomicBool,
    /// Whether the caller has let go of an end.
    given_up: AtomicBool,
}

impl Counted {
    fn new(instance: &Arc<Instance>) -> Self {
        instance.load().stream_began();
        let (answered, failed, given_up) = Default::default();
        Self { instance: Arc::clone(instance), answered, failed, given_up }
    }

    fn answered(&self) {
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
            self.instance.load().stream_answered();
        }
    }

    fn given_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    fn failed(&self, status: &Status) {
        if status.code() == Code::Cancelled && self.given_up.load(Ordering::Relaxed) {
            return;
        }
        if !self.failed.swap(true, Ordering::Relaxed) {
            self.instance.load().stream_failed(status.code(), self.instance.is_down());
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.instance.load().stream_ended();
    }
}
