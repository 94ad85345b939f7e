//! What calls go through on their way, at either end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Context, ServiceDescriptor, Status};

/// How an intercepted call ends, as a boxed future. The answer's message is not seen: it goes past
/// the interceptors.
pub type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), Status>> + Send + 'a>>;

/// Something that each call of a channel or a server goes through: it looks at the call, changes its
/// context, waits for something, rejects it, or watches how it ends.
///
/// Installed by [`ChannelBuilder::interceptor`](crate::ChannelBuilder::interceptor) and
/// [`ServerBuilder::interceptor`](crate::ServerBuilder::interceptor); the first one that is installed
/// is the outermost. A client's interceptors see the context that the caller gave, before an instance
/// is chosen; a server's see the context that the handler is to get, before the request is decoded.
///
/// The future holds as long as the call: a client that gives the call up drops it, and so does a
/// server whose caller has gone or whose time for the call is over. It runs within that time.
///
/// Of a streaming call it covers the whole: at the client [`Intercepted::proceed`] opens the stream
/// and is ready when it has ended; at the server it is ready when the handler has returned. What an
/// interceptor does before is done before the stream is open.
///
/// ```
/// use mprpc::{Context, Intercepted, Interceptor, Outcome, Status};
///
/// struct Token(String);
///
/// impl Interceptor for Token {
///     fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
///         let cx = cx.sending("authorization", self.0.clone());
///         call.proceed(cx)
///     }
/// }
///
/// struct Log;
///
/// impl Interceptor for Log {
///     fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
///         Box::pin(async move {
///             let path = call.path();
///             let outcome = call.proceed(cx).await;
///             tracing::info!(path, ok = outcome.is_ok());
///             outcome
///         })
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// Takes the call; [`Intercepted::proceed`] hands it on.
    ///
    /// # Errors
    /// What the caller is to get: the error that `proceed` came to, or one of its own. A call that is
    /// rejected before `proceed` was not executed.
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a>;
}

/// The interceptors of a channel or a server, outermost first.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(Vec<Arc<dyn Interceptor>>);

impl Interceptors {
    /// Adds one behind the others.
    pub(crate) fn push(&mut self, interceptor: impl Interceptor) {
        self.0.push(Arc::new(interceptor));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a call through all of them; behind them, `last` makes it.
    pub(crate) fn run<'a>(
        &'a self,
        service: &'static ServiceDescriptor,
        method: usize,
        cx: Context,
        last: impl FnOnce(Context) -> Outcome<'a> + Send + 'a,
    ) -> Outcome<'a> {
        Intercepted { service, method, rest: &self.0, last: Box::new(last) }.proceed(cx)
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}

/// A call on its way through the interceptors.
#[must_use = "a call that is not handed on is not made"]
pub struct Intercepted<'a> {
    service: &'static ServiceDescriptor,
    method: usize,
    rest: &'a [Arc<dyn Interceptor>],
    /// Makes the call.
    last: Last<'a>,
}

type Last<'a> = Box<dyn FnOnce(Context) -> Outcome<'a> + Send + 'a>;

impl<'a> Intercepted<'a> {
    /// Hands the call on, with the context that it is to have from here on; ready when it has ended.
    ///
    /// Cancel safe: dropping the future gives the call up.
    ///
    /// # Errors
    /// How the call failed.
    pub fn proceed(self, cx: Context) -> Outcome<'a> {
        let Some((next, rest)) = self.rest.split_first() else {
            return (self.last)(cx);
        };
        next.intercept(cx, Self { rest, ..self })
    }

    /// The service with its package: `echo.EchoService`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service.full_name
    }

    /// The method: `Echo`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.service.method(self.method)
    }

    /// Both: `echo.EchoService/Echo`.
    #[must_use]
    pub fn path(&self) -> String {
        self.service.path(self.method)
    }
}

impl fmt::Debug for Intercepted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Intercepted").field(&self.path()).finish()
    }
}

/// The error of a call that an interceptor let end well without having made it: there is no answer.
pub(crate) fn no_answer() -> Status {
    Status::internal("an interceptor said that the call went well, but there is no answer")
}
