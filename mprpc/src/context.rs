//! What travels with a call besides its message: the deadline, metadata, the peer.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::Span;

use crate::detach::DetachedSet;
use crate::meter::Timing;
use crate::server::Complaints;
use crate::trace::Traced;
use crate::{Address, Caller, Metadata, Status, TraceContext};

static NONE: LazyLock<Metadata> = LazyLock::new(Metadata::default);
static NO_SPAN: Span = Span::none();

/// The context of a call; every call takes one, so that none is without a deadline.
///
/// A handler passes the context it was given on to the calls that it makes: they then share its
/// deadline. Cancellation needs no token: a handler whose caller has gone is dropped, and with it
/// the calls that it waits for, each of which is cancelled at its server in turn. What must go on
/// nevertheless is [detached](Self::detach).
///
/// Metadata that came with a request ([`metadata`](Self::metadata)) is not sent on by itself,
/// since it may hold credentials; what is sent is what [`sending`](Self::sending) added. The trace
/// that a request belongs to ([`trace`](Self::trace)) is passed on: each call with its context is a
/// span of that trace.
#[derive(Clone, Debug)]
pub struct Context {
    deadline: Instant,
    origin: Option<Arc<Origin>>,
    received: Option<Arc<Metadata>>,
    sent: Option<Arc<Metadata>>,
    affinity: Option<u64>,
    trace: Option<Arc<Traced>>,
    timing: Option<Arc<Timing>>,
}

/// Where requests come from: shared by the calls of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) peer: Address,
    /// What is known of who calls.
    pub(crate) caller: Option<Caller>,
    /// Where their handlers' detached work runs.
    pub(crate) detached: Arc<DetachedSet>,
    /// Who is told of requests that are refused while their connection goes on.
    pub(crate) complaints: Option<Arc<Complaints>>,
}

impl Origin {
    /// A request is answered with `status` before it has reached a handler.
    pub(crate) fn refused(&self, status: &Status) {
        if let Some(complaints) = &self.complaints {
            complaints.refused(&self.peer, status);
        }
    }

    /// The caller was kept out, or asked to go.
    pub(crate) fn kept_out(&self, reason: &str) {
        if let Some(complaints) = &self.complaints {
            complaints.kept_out(&self.peer, reason);
        }
    }
}

impl Context {
    /// The longest time that a call can be given, about 30 years; longer ones are cut to it, so
    /// that adding one to the clock cannot overflow.
    pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

    /// A context whose calls must end within `timeout` from now.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        Self::with_deadline(Instant::now() + timeout.min(Self::TIMEOUT_MAX))
    }

    /// A context whose calls must end at `deadline`.
    #[must_use]
    pub fn with_deadline(deadline: Instant) -> Self {
        Self {
            deadline,
            origin: None,
            received: None,
            sent: None,
            affinity: None,
            trace: None,
            timing: None,
        }
    }

    /// What a server hands to a handler.
    pub(crate) fn received(deadline: Instant, origin: Arc<Origin>, metadata: Metadata) -> Self {
        let (received, trace) = if metadata.is_empty() {
            (None, None)
        } else {
            let trace = TraceContext::of(&metadata).map(Traced::unseen);
            (Some(Arc::new(metadata)), trace)
        };
        Self {
            deadline,
            origin: Some(origin),
            received,
            sent: None,
            affinity: None,
            trace,
            timing: None,
        }
    }

    /// The same with less time: it ends `timeout` from now, or earlier if this one does.
    #[must_use]
    pub fn capped(&self, timeout: Duration) -> Self {
        let capped = Instant::now() + timeout.min(Self::TIMEOUT_MAX);
        Self { deadline: self.deadline.min(capped), ..self.clone() }
    }

    /// The same, whose calls carry `value` as `name` beside what they carry already. What may be sent
    /// is said at [`Metadata`]; a call that carries something else fails before it is sent.
    #[must_use]
    pub fn sending(&self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        let mut sent = self.sent.as_deref().cloned().unwrap_or_default();
        sent.push(name, value);
        Self { sent: Some(Arc::new(sent)), ..self.clone() }
    }

    /// The same, whose calls go to the instance that `key` belongs to, as far as it is there: all
    /// clients that know the same instances choose the same one. A hint for those who keep what
    /// belongs together in one place; who relies on it for more than speed is wrong.
    #[must_use]
    pub fn with_affinity(&self, key: u64) -> Self {
        Self { affinity: Some(key), ..self.clone() }
    }

    /// The key that chooses the instance, if there is one.
    pub(crate) fn affinity(&self) -> Option<u64> {
        self.affinity
    }

    /// When the call must have ended.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The time left; zero once the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// In a handler: the metadata that came with the request.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.received.as_deref().unwrap_or(&NONE)
    }

    /// In a handler: the address that the request came from.
    #[must_use]
    pub fn peer(&self) -> Option<&Address> {
        self.origin().map(|origin| &origin.peer)
    }

    /// In a handler: what is known of who calls; nothing where anybody may.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.origin().and_then(|origin| origin.caller.as_ref())
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// The same, for who outlives the context.
    pub(crate) fn shared_origin(&self) -> Option<Arc<Origin>> {
        self.origin.clone()
    }

    /// The same with a deadline of its own, which may be later than this one's.
    pub(crate) fn until(&self, timeout: Duration) -> Self {
        let deadline = Instant::now() + timeout.min(Self::TIMEOUT_MAX);
        Self { deadline, ..self.clone() }
    }

    /// What calls with this context carry: what [`sending`](Self::sending) added.
    #[must_use]
    pub fn sent(&self) -> &Metadata {
        self.sent.as_deref().unwrap_or(&NONE)
    }

    /// The same, for a handler that is to see `metadata` instead of what came. For interceptors: one
    /// that knows who calls says so to the handlers in this way.
    #[must_use]
    pub fn with_metadata(&self, metadata: Metadata) -> Self {
        Self { received: Some(Arc::new(metadata)), ..self.clone() }
    }

    /// The trace that the request belongs to, or whose spans the calls with this context are.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref().map(|traced| &traced.context)
    }

    /// The same within `trace`: each call with it is a new span of that trace. An interceptor of a
    /// channel sees the span that its call is; what it sets instead is sent as it is.
    #[must_use]
    pub fn with_trace(&self, trace: TraceContext) -> Self {
        self.traced(Arc::new(Traced { context: trace, span: self.span().clone() }))
    }

    pub(crate) fn traced(&self, traced: Arc<Traced>) -> Self {
        Self { trace: Some(traced), ..self.clone() }
    }

    /// The span of the call, if there is one and someone looks at it.
    pub(crate) fn span(&self) -> &Span {
        self.trace.as_deref().map_or(&NO_SPAN, |traced| &traced.span)
    }

    /// The same for a call that is timed.
    pub(crate) fn timed(&self, timing: &Arc<Timing>) -> Self {
        Self { timing: Some(Arc::clone(timing)), ..self.clone() }
    }

    /// What notes where the time of the call goes, if it is timed.
    pub(crate) fn timing(&self) -> Option<&Arc<Timing>> {
        self.timing.as_ref()
    }

    /// What calls with this context carry, if anything.
    pub(crate) fn to_send(&self) -> Option<&Metadata> {
        self.sent.as_deref()
    }

    /// What a checked call puts on the wire: what it carries, and the trace.
    pub(crate) fn carrying_trace(&self) -> Self {
        let Some(trace) = self.trace() else {
            return self.clone();
        };
        let mut sent = self.sent().clone();
        trace.put_into(&mut sent);
        Self { sent: Some(Arc::new(sent)), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn capping_never_gives_more_time() {
        let cx = Context::with_timeout(Duration::from_secs(1));
        assert_eq!(cx.capped(Duration::from_secs(5)).deadline(), cx.deadline());
        assert_eq!(cx.capped(Duration::from_millis(10)).remaining(), Duration::from_millis(10));
    }

    #[test]
    fn received_metadata_is_not_sent_on() {
        let mut received = Metadata::default();
        received.push("authorization", "secret");
        let peer = "127.0.0.1:1".parse().unwrap();
        let detached = Arc::new(DetachedSet::new(1));
        let origin = Origin { peer, caller: None, detached, complaints: None };
        let cx = Context::received(Instant::now(), Arc::new(origin), received);
        assert_eq!(cx.metadata().get("authorization").unwrap(), "secret");
        assert!(cx.to_send().is_none());
        let cx = cx.sending("a", "1");
        assert_eq!(cx.to_send().unwrap().iter().count(), 1);
    }
}
