//! The way of a call that streams through the channel's stack.
//!
//! Interceptors hold a call from before it is opened until it has ended, and a stream has no future
//! that is polled for so long: they get a task of their own. Calls of a channel without any have none.

use std::sync::{Mutex, PoisonError};

use prost::Message;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use super::ServiceChannel;
use super::attempt::Open;
use super::stack::LATE_MAX;
use super::streams::CallStream;
use crate::interceptor::{Outcome, no_answer};
use crate::trace::spans;
use crate::{Context, Stage, Status};

/// What waits for the end of a call that streams. Dropped before that, it is given up.
pub(super) struct Passing(Mutex<Option<Ending>>);

struct Ending {
    span: Span,
    interceptors: Option<Interceptors>,
}

struct Interceptors {
    /// Told how the call has ended.
    ended: oneshot::Sender<Result<(), Status>>,
    /// Ready with what they make of it.
    task: AbortOnDropHandle<Result<(), Status>>,
}

impl Passing {
    /// The call has ended so.
    pub(super) fn end(&self, outcome: Result<(), Status>) {
        let ending = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Ending { span, interceptors }) = ending else { return };
        spans::ended(&span, &outcome);
        if let Some(Interceptors { ended, task }) = interceptors {
            // They may still have something to say of it, which the caller does not wait for.
            task.detach();
            let _ = ended.send(outcome);
        }
    }
}

impl ServiceChannel {
    /// Opens a call that has more to pass than the balancer.
    pub(super) async fn open_through<Req: Message>(
        &self,
        cx: &Context,
        method: usize,
        attempt: &Open<'_, Req>,
    ) -> Result<CallStream, Status> {
        // In the same order as calls that do not stream.
        let cx = spans::going_out(cx, self.shared.descriptor(), method);
        let span = cx.span().clone();
        let open = async {
            if self.shared.interceptors().is_empty() {
                return Ok((self.open_last(&cx, method, attempt).await?, None));
            }
            let (cx, interceptors) = self.intercept(cx, method).await?;
            match self.open_last(&cx, method, attempt).await {
                Ok(call) => Ok((call, Some(interceptors))),
                Err(status) => Err(interceptors.fail(status).await),
            }
        };
        match open.instrument(span.clone()).await {
            Ok((call, interceptors)) => {
                let passing = Passing(Mutex::new(Some(Ending { span, interceptors })));
                Ok(call.telling(passing))
            }
            Err(status) => {
                let outcome = Err(status);
                spans::ended(&span, &outcome);
                outcome
            }
        }
    }

    async fn open_last<Req: Message>(
        &self,
        cx: &Context,
        method: usize,
        attempt: &Open<'_, Req>,
    ) -> Result<CallStream, Status> {
        cx.sent().check()?;
        self.shared.call(&cx.carrying_trace(), method, attempt, Instant::now()).await
    }

    /// Takes a call through the interceptors to where it is to be opened.
    async fn intercept(
        &self,
        cx: Context,
        method: usize,
    ) -> Result<(Context, Interceptors), Status> {
        let (hand_on, handed_on) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let (deadline, span) = (cx.deadline(), cx.span().clone());
        let shared = std::sync::Arc::clone(&self.shared);
        let passing = async move {
            let last = move |cx: Context| -> Outcome<'_> {
                Box::pin(async move {
                    let _ = hand_on.send(cx);
                    end.await.unwrap_or_else(|_| Err(Status::cancelled("the call was given up")))
                })
            };
            shared.interceptors().run(shared.descriptor(), method, cx, last).await
        };
        let interceptors = Interceptors {
            ended,
            task: AbortOnDropHandle::new(tokio::spawn(passing.instrument(span))),
        };
        match timeout_at(deadline, handed_on).await {
            Ok(Ok(cx)) => Ok((cx, interceptors)),
            Ok(Err(_)) => {
                let rejected = interceptors.outcome().await.err().unwrap_or_else(no_answer);
                Err(rejected.not_executed().at(Stage::Write))
            }
            Err(_) => {
                let text = "the interceptors took the time for the call";
                Err(Status::deadline_exceeded(text).not_executed().at(Stage::Write))
            }
        }
    }
}

impl Interceptors {
    /// What they make of a call that could not be opened.
    async fn fail(mut self, status: Status) -> Status {
        let (nobody, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.ended, nobody).send(Err(status.clone()));
        self.outcome().await.err().unwrap_or(status)
    }

    async fn outcome(self) -> Result<(), Status> {
        let panicked = |_| Err(Status::internal("an interceptor panicked"));
        let late = |_| Err(Status::deadline_exceeded("the interceptors do not end"));
        timeout(LATE_MAX, self.task).await.map_or_else(late, |ended| ended.unwrap_or_else(panicked))
    }
}
