//! The server's stack: what a request goes through, in order.

use bytes::{Bytes, BytesMut};

use super::Method;
use crate::interceptor::{Outcome, no_answer};
use crate::service::{Call, encoded};
use crate::stream::Opened;
use crate::trace::spans;
use crate::{Context, Status};

impl Method {
    /// Begins a call: from here on it is polled until its answer stands, or dropped.
    ///
    /// What comes before concerns connections, and is done by them: bounds on calls, calls whose
    /// time is over. A call that streams has `opened` its stream.
    pub(crate) fn call(
        self,
        cx: Context,
        request: Bytes,
        opened: Option<Opened>,
    ) -> Result<Call, Status> {
        // First the span: what interceptors and the handler say belongs to it.
        let cx = spans::coming_in(cx, self.descriptor(), self.index());
        let span = cx.span().clone();

        // Then the interceptors, before the request is decoded: who may not call is not to cost
        // that, nor to be told what is wrong with the request.
        let call = if self.interceptors().is_empty() {
            self.handle(cx, request, opened)
        } else {
            Ok(encoded(self.intercepted(cx, request, opened)))
        };
        match call {
            Ok(call) => Ok(call.within(span)),
            Err(status) => {
                let outcome = Err(status);
                spans::ended(&span, &outcome);
                outcome
            }
        }
    }

    /// Takes a call through the interceptors. Its answer is encoded into a buffer of its own.
    async fn intercepted(
        self,
        cx: Context,
        request: Bytes,
        opened: Option<Opened>,
    ) -> Result<BytesMut, Status> {
        let mut answer = None;
        {
            let (method, answer) = (&self, &mut answer);
            let last = move |cx: Context| -> Outcome<'_> {
                Box::pin(async move {
                    let mut call = method.handle(cx, request, opened)?;
                    let mut buffer = BytesMut::new();
                    std::future::poll_fn(|cx| call.poll_reply(cx, &mut buffer)).await?;
                    *answer = Some(buffer);
                    Ok(())
                })
            };
            self.interceptors().run(self.descriptor(), self.index(), cx, last).await?;
        }
        answer.ok_or_else(no_answer)
    }
}
