//! What is tried on one instance after another until one takes it.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use prost::Message;
use tokio::time::Instant;

use super::instance::{Callee, Instance};
use super::streams::CallStream;
use crate::stream::Directions;
use crate::{Context, Status};

/// What is known of the time when an attempt is made. Reading the clock costs as much as choosing an
/// instance, so that an attempt begins with what the call has read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// What the clock says, if it was just read.
    pub(super) now: Option<Instant>,
    /// When the call began, if what it takes is of interest.
    pub(super) began: Option<Instant>,
}

/// See the module.
pub(super) trait Attempt: Sync {
    type Outcome;

    /// Whether it is a call that streams.
    const STREAMS: bool;

    fn on(
        &self,
        instance: &Arc<Instance>,
        callee: Callee,
        cx: &Context,
        times: Times,
    ) -> impl Future<Output = Result<Self::Outcome, Status>> + Send;
}

/// One message there and one back.
pub(super) struct Unary<'a, Req, Resp> {
    request: &'a Req,
    answer: PhantomData<fn() -> Resp>,
}

impl<'a, Req, Resp> Unary<'a, Req, Resp> {
    pub(super) fn new(request: &'a Req) -> Self {
        Self { request, answer: PhantomData }
    }
}

impl<Req: Message, Resp: Message + Default> Attempt for Unary<'_, Req, Resp> {
    type Outcome = Resp;

    const STREAMS: bool = false;

    fn on(
        &self,
        instance: &Arc<Instance>,
        callee: Callee,
        cx: &Context,
        times: Times,
    ) -> impl Future<Output = Result<Resp, Status>> + Send {
        instance.call(callee, cx, self.request, times)
    }
}

/// A call that streams; it is opened, and then stays where it is.
pub(super) struct Open<'a, Req> {
    /// Nothing where the client sends a stream.
    pub(super) request: &'a Req,
    pub(super) directions: Directions,
}

impl<Req: Message> Attempt for Open<'_, Req> {
    type Outcome = CallStream;

    const STREAMS: bool = true;

    fn on(
        &self,
        instance: &Arc<Instance>,
        callee: Callee,
        cx: &Context,
        // What a stream takes says nothing of how fast its instance is.
        _times: Times,
    ) -> impl Future<Output = Result<CallStream, Status>> + Send {
        CallStream::open(instance, callee, cx, self.request, self.directions)
    }
}
