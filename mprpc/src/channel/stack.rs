//! The client's stack: what a call goes through, in order.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prost::Message;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::ServiceChannel;
use super::attempt::Unary;
use super::service::Shared;
use crate::interceptor::{Outcome, no_answer};
use crate::meter::{ClientTimes, Counted, MethodMeter, Timing};
use crate::trace::spans;
use crate::{Code, Context, Stage, Status};

/// How long interceptors may take to end once the time for the call is over.
pub(super) const LATE_MAX: Duration = Duration::from_secs(1);

impl ServiceChannel {
    /// Calls the method with index `method` and decodes its answer.
    ///
    /// Cancel safe: dropping the future gives the call up, and a v2 server stops its handler.
    ///
    /// # Errors
    /// What the service answers, or what kept the call from being answered.
    pub async fn unary<Req: Message, Resp: Message + Default>(
        &self,
        cx: &Context,
        method: usize,
        request: &Req,
    ) -> Result<Resp, Status> {
        let shared = &*self.shared;
        // Counted first: whatever becomes of the call, it was one.
        let mut metered = Metered::begin(&**shared.meter(method));
        let timed = metered.timing.as_ref().map(|timing| cx.timed(timing));
        let cx = timed.as_ref().unwrap_or(cx);
        let outcome = if shared.is_plain(cx) {
            shared.call(cx, method, &Unary::new(request), metered.began).await
        } else {
            // Boxed, so that the calls that need nothing of it stay small.
            Box::pin(shared.through(cx, method, request)).await
        };
        metered.end(&outcome);
        outcome.map_err(|status| metered.name(status))
    }
}

/// A call on its way, for its caller's metrics and errors.
pub(super) struct Metered<M: Deref<Target = MethodMeter>> {
    counted: Counted<M>,
    pub(super) began: Instant,
    timing: Option<Arc<Timing>>,
}

impl<M: Deref<Target = MethodMeter>> Metered<M> {
    pub(super) fn begin(meter: M) -> Self {
        let (counted, timed) = Counted::begin(meter);
        let began = Instant::now();
        Self { counted, began, timing: timed.then(|| Arc::new(Timing::new(began))) }
    }

    pub(super) fn end<T>(&mut self, outcome: &Result<T, Status>) {
        self.counted.end(outcome.as_ref().map_or_else(Status::code, |_| Code::Ok));
        if let Some(timing) = &self.timing {
            ClientTimes::record(self.counted.meter(), timing, Instant::now());
        }
    }

    pub(super) fn name(&self, status: Status) -> Status {
        let (service, method) = self.counted.meter().names();
        status.of_call(service, method, self.began.elapsed())
    }
}

impl Shared {
    /// Whether a call has nothing to pass but the balancer.
    pub(super) fn is_plain(&self, cx: &Context) -> bool {
        self.interceptors().is_empty()
            && cx.to_send().is_none()
            && cx.trace().is_none()
            && !spans::watched()
    }

    /// What lies between a stub and the choice of an instance.
    async fn through<Resp: Message + Default>(
        &self,
        cx: &Context,
        method: usize,
        request: &impl Message,
    ) -> Result<Resp, Status> {
        // First the span: what interceptors wait for and say belongs to it.
        let cx = spans::going_out(cx, self.descriptor(), method);
        let span = cx.span().clone();

        // Then the interceptors, once for each call: a token that one of them fetches serves all
        // tries. Behind them what they added is checked, and the trace, which they may have
        // replaced, put beside it.
        let mut answer = None;
        let handed_on = AtomicBool::new(false);
        let deadline = cx.deadline();
        let outcome = {
            let (answer, handed_on) = (&mut answer, &handed_on);
            let last = move |cx: Context| -> Outcome<'_> {
                handed_on.store(true, Ordering::Relaxed);
                Box::pin(async move {
                    cx.sent().check()?;
                    let cx = cx.carrying_trace();
                    *answer =
                        Some(self.call(&cx, method, &Unary::new(request), Instant::now()).await?);
                    Ok(())
                })
            };
            let call = self.interceptors().run(self.descriptor(), method, cx, last);
            within(deadline, handed_on, call.instrument(span.clone())).await
        };
        let outcome = match outcome {
            Ok(()) => answer.ok_or_else(no_answer),
            Err(status) if handed_on.into_inner() => Err(status),
            Err(rejected) => Err(rejected.not_executed().at(Stage::Write)),
        };
        spans::ended(&span, &outcome);
        outcome
    }
}

/// Bounds the time of interceptors. A call that they handed on keeps its deadline itself, and knows
/// better what it waited for.
async fn within(
    deadline: Instant,
    handed_on: &AtomicBool,
    call: impl Future<Output = Result<(), Status>>,
) -> Result<(), Status> {
    let mut call = std::pin::pin!(call);
    if let Ok(outcome) = timeout_at(deadline, call.as_mut()).await {
        return outcome;
    }
    if handed_on.load(Ordering::Relaxed)
        && let Ok(outcome) = timeout(LATE_MAX, call).await
    {
        return outcome;
    }
    Err(Status::deadline_exceeded("the interceptors took the time for the call").at(Stage::Wait))
}
