//! A service as a server sees it: a descriptor, and something that takes calls.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::server::Watch;
use crate::stream::{Directions, Opened};
use crate::{Context, Status};

/// What calls to a service are addressed with. Generated.
#[derive(Debug)]
pub struct ServiceDescriptor {
    /// With the package, as the v2 wire names it: `echo.EchoService`.
    pub full_name: &'static str,
    /// without it, as the classic wire does: `EchoService`.
    pub short_name: &'static str,
    /// The methods, in the order of the `.proto` file; a method's number is its index.
    pub methods: &'static [&'static str],
}

impl ServiceDescriptor {
    /// `echo.EchoService/Echo`, for messages and for the wire.
    #[must_use]
    pub fn path(&self, method: usize) -> String {
        format!("{}/{}", self.full_name, self.method(method))
    }

    /// `Echo`.
    pub(crate) fn method(&self, method: usize) -> &'static str {
        self.methods.get(method).copied().unwrap_or("?")
    }
}

/// Something that a server can serve. Made by the generated `serve` functions.
#[derive(Clone)]
pub struct Service {
    descriptor: &'static ServiceDescriptor,
    dispatch: Arc<dyn Dispatch>,
}

impl Service {
    /// Used by generated code.
    #[doc(hidden)]
    pub fn new(descriptor: &'static ServiceDescriptor, dispatch: impl Dispatch) -> Self {
        Self { descriptor, dispatch: Arc::new(dispatch) }
    }

    /// Its names and methods.
    #[must_use]
    pub fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }

    /// See [`Dispatch::for_connection`].
    pub(crate) fn for_connection(&self) -> Self {
        Self { descriptor: self.descriptor, dispatch: self.dispatch.for_connection() }
    }

    /// In which directions a method streams.
    pub(crate) fn kind(&self, method: usize) -> Kind {
        self.dispatch.kind(method)
    }

    /// Starts a call that streams, in the same way.
    pub(crate) fn call_streaming(
        &self,
        method: usize,
        cx: Context,
        opened: Opened,
        request: Bytes,
    ) -> Result<Call, Status> {
        self.dispatch.dispatch_streaming(method, cx, opened, request)
    }

    /// Starts a call: the request is decoded, the handler made but not yet polled.
    pub(crate) fn call(&self, method: usize, cx: Context, request: Bytes) -> Result<Call, Status> {
        self.dispatch.dispatch(method, cx, request)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.descriptor.full_name).finish()
    }
}

/// Takes the calls of one service. Implemented by generated code.
#[doc(hidden)]
pub trait Dispatch: Send + Sync + 'static {
    /// The same for the calls of one connection. A handler counts its reference to the service, and
    /// connections on different threads would contend for one count.
    fn for_connection(&self) -> Arc<dyn Dispatch>;

    /// Decodes `request` and makes the handler's future.
    fn dispatch(&self, method: usize, cx: Context, request: Bytes) -> Result<Call, Status>;

    /// In which directions a method streams.
    fn kind(&self, _method: usize) -> Kind {
        Kind::Unary
    }

    /// The same as [`dispatch`](Self::dispatch) for a method that streams. `request` is empty where
    /// the client streams.
    fn dispatch_streaming(
        &self,
        method: usize,
        _cx: Context,
        _opened: Opened,
        _request: Bytes,
    ) -> Result<Call, Status> {
        Err(Status::unimplemented(format!("method number {method} does not stream")))
    }
}

/// In which directions a method streams.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In none.
    Unary,
    /// The client sends many messages.
    ClientStreaming,
    /// The server does.
    ServerStreaming,
    /// Both do.
    Bidirectional,
}

impl Kind {
    /// As the server sees it; none for a unary method.
    pub(crate) fn directions(self) -> Option<Directions> {
        let (sends, receives) = match self {
            Self::Unary => return None,
            Self::ClientStreaming => (false, true),
            Self::ServerStreaming => (true, false),
            Self::Bidirectional => (true, true),
        };
        Some(Directions { sends, receives })
    }
}

/// A handler at work. When it is ready it writes its answer straight into the buffer that goes to
/// the socket, so that nothing is copied or boxed on the way.
#[doc(hidden)]
pub struct Call {
    handler: Pin<Box<dyn Handler>>,
    watch: Option<Watch>,
}

impl Call {
    fn new(handler: Pin<Box<dyn Handler>>) -> Self {
        Self { handler, watch: None }
    }

    /// The same, watched.
    pub(crate) fn watched(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// For how long it was served, once it is, if its caller wants to know; else zero.
    pub(crate) fn served(&self) -> Duration {
        self.watch.as_ref().map_or(Duration::ZERO, Watch::served)
    }

    /// Polls the handler; once ready, its encoded answer stands at the end of `out`. On an error
    /// nothing was written. A handler that panics is an [`Code::Internal`](crate::Code::Internal)
    /// error of its own call and harms no other.
    pub(crate) fn poll_reply(
        &mut self,
        cx: &mut TaskContext<'_>,
        out: &mut BytesMut,
    ) -> Poll<Result<(), Status>> {
        let start = out.len();
        let entered = self.watch.as_ref().map(|watch| watch.span.enter());
        let handler = self.handler.as_mut();
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| handler.poll_reply(cx, out)));
        let polled = polled.unwrap_or_else(|_| {
            out.truncate(start);
            Poll::Ready(Err(Status::internal("the handler panicked")))
        });
        drop(entered);
        if let (Poll::Ready(outcome), Some(watch)) = (&polled, &mut self.watch) {
            watch.end(outcome);
        }
        polled
    }
}

trait Handler: Send {
    fn poll_reply(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        out: &mut BytesMut,
    ) -> Poll<Result<(), Status>>;
}

/// Every handler's future is one: only the type of its answer is erased, so that a call costs one
/// allocation.
impl<F, M> Handler for F
where
    F: Future<Output = Result<M, Status>> + Send,
    M: Message,
{
    fn poll_reply(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        out: &mut BytesMut,
    ) -> Poll<Result<(), Status>> {
        self.poll(cx).map(|answer| {
            let message = answer.map_err(Status::of_handler)?;
            out.reserve(message.encoded_len());
            message
                .encode(out)
                .map_err(|_| Status::internal("the answer is too large to be encoded"))
        })
    }
}

/// Makes a [`Call`] of a handler's future. Used by generated code.
#[doc(hidden)]
pub fn call<F, M>(future: F) -> Call
where
    F: Future<Output = Result<M, Status>> + Send + 'static,
    M: Message + 'static,
{
    Call::new(Box::pin(future))
}

/// Makes a [`Call`] of a future that gives an answer that is encoded already.
pub(crate) fn encoded(
    future: impl Future<Output = Result<BytesMut, Status>> + Send + 'static,
) -> Call {
    Call::new(Box::pin(Encoded(Box::pin(future))))
}

struct Encoded(Pin<Box<dyn Future<Output = Result<BytesMut, Status>> + Send>>);

impl Handler for Encoded {
    fn poll_reply(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        out: &mut BytesMut,
    ) -> Poll<Result<(), Status>> {
        self.0.as_mut().poll(cx).map_ok(|answer| out.extend_from_slice(&answer))
    }
}
