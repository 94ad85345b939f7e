//! The server's stack: what a request goes through, in order.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;
use tracing::Span;

use super::Method;
use crate::interceptor::{Outcome, no_answer};
use crate::meter::{Counted, ServerTimes};
use crate::service::{Call, encoded};
use crate::stream::Opened;
use crate::trace::spans;
use crate::wire::v2::compression::Body;
use crate::{Code, Context, Status};

/// How a request came.
pub(crate) struct Arrival {
    /// When its bytes were read.
    pub(crate) read_at: Instant,
    /// Whether its caller wants to know how long it takes.
    pub(crate) timed: bool,
}

impl Method {
    /// Begins a call: from here on it is polled until its answer stands, or dropped.
    ///
    /// What comes before concerns connections, and is done by them: bounds on calls, calls whose
    /// time is over. A call that streams has `opened` its stream.
    pub(crate) fn call(
        self,
        cx: Context,
        request: Body,
        opened: Option<Opened>,
        arrival: Arrival,
    ) -> Result<Call, Status> {
        // Counted first: whatever becomes of the call, it was one.
        let mut watch = Watch::begin(self, cx.deadline(), &arrival);
        let method = watch.counted.meter();

        // Then the span: what interceptors and the handler say belongs to it.
        let cx = spans::coming_in(cx, method.descriptor(), method.index());
        let span = cx.span().clone();

        // Then the interceptors, before the request is decoded: who may not call is not to cost
        // that, nor to be told what is wrong with the request.
        let call = if method.interceptors().is_empty() {
            method.handle(cx, request, opened)
        } else {
            Ok(encoded(method.clone().intercepted(cx, request, opened)))
        };
        watch.span = span;
        match call {
            Ok(call) => Ok(call.watched(watch)),
            Err(status) => {
                let outcome = Err(status);
                watch.end(&outcome);
                outcome
            }
        }
    }

    /// Takes a call through the interceptors. Its answer is encoded into a buffer of its own.
    ///
    /// One that is rejected before its handler began was not executed, whatever an interceptor's
    /// status says: that may be of a call that the interceptor made.
    async fn intercepted(
        self,
        cx: Context,
        request: Body,
        opened: Option<Opened>,
    ) -> Result<BytesMut, Status> {
        let mut answer = None;
        let mut begun = false;
        let outcome = {
            let (method, answer, begun) = (&self, &mut answer, &mut begun);
            let last = move |cx: Context| -> Outcome<'_> {
                Box::pin(async move {
                    let origin = cx.shared_origin();
                    let refused = |status: &Status| {
                        if let Some(origin) = &origin {
                            origin.refused(status);
                        }
                    };
                    let mut call = method.handle(cx, request, opened).inspect_err(refused)?;
                    *begun = true;
                    let mut buffer = BytesMut::new();
                    std::future::poll_fn(|cx| call.poll_reply(cx, &mut buffer)).await?;
                    *answer = Some(buffer);
                    Ok(())
                })
            };
            self.interceptors().run(self.descriptor(), self.index(), cx, last).await
        };
        let answered = outcome.and_then(|()| answer.ok_or_else(no_answer));
        answered.map_err(if begun { Status::of_handler } else { Status::not_executed })
    }
}

/// Watches a handler: what was said of it when it ended or was dropped.
pub(crate) struct Watch {
    counted: Counted<Method>,
    /// The span that it runs within.
    pub(crate) span: Span,
    deadline: Instant,
    times: Option<Times>,
    /// For how long the call was served, if its caller wants to know; zero before that is known.
    served: Duration,
}

/// When what began.
struct Times {
    read: Instant,
    handler: Instant,
    /// Whether they are for this server's metrics, for the caller, or both.
    measured: bool,
    reported: bool,
}

impl Watch {
    fn begin(method: Method, deadline: Instant, arrival: &Arrival) -> Self {
        let (counted, measured) = Counted::begin(method);
        let times = (measured || arrival.timed).then(|| Times {
            read: arrival.read_at,
            handler: Instant::now(),
            measured,
            reported: arrival.timed,
        });
        Self { counted, span: Span::none(), deadline, times, served: Duration::ZERO }
    }

    /// See the field.
    pub(crate) fn served(&self) -> Duration {
        self.served
    }

    /// The handler has ended.
    pub(crate) fn end<T>(&mut self, outcome: &Result<T, Status>) {
        spans::ended(&self.span, outcome);
        self.counted.end(outcome.as_ref().map_or_else(Status::code, |_| Code::Ok));
        let Some(times) = self.times.take() else { return };
        let now = Instant::now();
        if times.measured {
            let queued = times.handler.saturating_duration_since(times.read);
            let handled = now.saturating_duration_since(times.handler);
            ServerTimes::record(self.counted.meter(), queued, handled);
        }
        if times.reported {
            self.served = now.saturating_duration_since(times.read);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.counted.has_ended() && self.deadline <= Instant::now() {
            self.counted.end(Code::DeadlineExceeded);
        }
    }
}
