//! The spans of calls, for the `tracing` crate: `mprpc.client` and `mprpc.server`, at level DEBUG
//! under the target `mprpc`, with the fields `rpc.service`, `rpc.method`, `peer`, `code`,
//! `trace_id`, and `span_id` (the client's, as it travels) or `parent_id` (what came).

use std::sync::Arc;

use tracing::field::Empty;
use tracing::{Level, Span};

use super::{TraceContext, Traced};
use crate::{Code, Context, ServiceDescriptor, Status};

/// Whether somebody looks at them. One relaxed load where nobody does.
pub(crate) fn watched() -> bool {
    tracing::span_enabled!(target: "mprpc", Level::DEBUG)
}

/// The context of a call that goes out: a new span of the caller's trace, or of a new trace if
/// somebody looks at it, else of none.
pub(crate) fn going_out(cx: &Context, service: &ServiceDescriptor, method: usize) -> Context {
    let watched = watched();
    let context = match cx.trace() {
        Some(trace) => trace.child(),
        None if watched => TraceContext::start(true),
        None => return cx.clone(),
    };
    let span = if watched && context.is_sampled() {
        tracing::debug_span!(
            target: "mprpc",
            "mprpc.client",
            rpc.service = service.full_name,
            rpc.method = service.method(method),
            peer = Empty,
            code = Empty,
            trace_id = format_args!("{:032x}", context.trace_id()),
            span_id = format_args!("{:016x}", context.span_id()),
        )
    } else {
        Span::none()
    };
    cx.traced(Arc::new(Traced { context, span }))
}

/// The context of a call that came in, with the span of its handler if it is sampled and somebody
/// looks at it. A call that came without a trace has none here, either: who began it would not know.
pub(crate) fn coming_in(cx: Context, service: &ServiceDescriptor, method: usize) -> Context {
    let Some(context) = cx.trace().filter(|trace| trace.is_sampled() && watched()) else {
        return cx;
    };
    let span = tracing::debug_span!(
        target: "mprpc",
        // The connection's task has nothing to do with the caller's span.
        parent: None,
        "mprpc.server",
        rpc.service = service.full_name,
        rpc.method = service.method(method),
        peer = cx.peer().map(tracing::field::display),
        code = Empty,
        trace_id = format_args!("{:032x}", context.trace_id()),
        parent_id = format_args!("{:016x}", context.span_id()),
    );
    let context = context.clone();
    cx.traced(Arc::new(Traced { context, span }))
}

/// Notes how the call of a span ended.
pub(crate) fn ended<T>(span: &Span, outcome: &Result<T, Status>) {
    if !span.is_disabled() {
        let code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
        span.record("code", tracing::field::display(code));
    }
}
