//! Traces: what travels, and what subscribers see.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mprpc::{Server, TraceContext};
use mprpc_examples::{DescribeReq, DescribeResp, FailReq, echo_service};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber, subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{Running, echo_req, soon};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn trace(text: &str, state: Option<&str>) -> TraceContext {
    TraceContext::parse(text.as_bytes(), state.map(str::as_bytes)).unwrap()
}

/// What a handler was told of the trace.
fn arrived(seen: &DescribeResp) -> Option<TraceContext> {
    let state = seen.metadata.get("tracestate").map(AsRef::as_ref);
    TraceContext::parse(seen.metadata.get("traceparent")?, state)
}

/// Two servers, the first of which asks the second, in the context that it gets: a stub is an
/// implementation of its service.
async fn two_hops() -> (Running, Running) {
    let second = Running::echo().await;
    let first = Server::builder().add_service(echo_service::serve(second.client()));
    (Running::start(first).await, second)
}

#[tokio::test]
async fn a_trace_goes_on_from_hop_to_hop_with_a_new_span_each() {
    let (first, _second) = two_hops().await;
    for text in [TRACE, UNSAMPLED] {
        let sent = trace(text, Some("a=1,b=2"));
        let cx = soon().with_trace(sent.clone());
        let seen = arrived(&first.client().describe(&cx, DescribeReq {}).await.unwrap()).unwrap();
        assert_eq!(seen.trace_id(), sent.trace_id());
        assert_ne!(seen.span_id(), sent.span_id());
        assert_eq!((seen.is_sampled(), seen.state()), (sent.is_sampled(), sent.state()));
    }
}

#[tokio::test]
async fn without_a_trace_and_somebody_who_looks_none_is_begun() {
    let (first, _second) = two_hops().await;
    let seen = first.client().describe(&soon(), DescribeReq {}).await.unwrap();
    assert!(seen.metadata.is_empty(), "{seen:?}");
}

/// The spans that were closed, with their fields.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<HashMap<String, String>>>>);

impl Spans {
    fn of(&self, name: &str) -> Vec<HashMap<String, String>> {
        let spans = self.0.lock().unwrap();
        spans.iter().filter(|fields| fields["name"] == name).cloned().collect()
    }
}

#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn enabled(&self, metadata: &Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        metadata.target() == "mprpc"
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: LayerContext<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields.0.insert("name".to_owned(), attributes.metadata().name().to_owned());
        cx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: LayerContext<'_, S>) {
        let span = cx.span(id).unwrap();
        values.record(span.extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_close(&self, id: Id, cx: LayerContext<'_, S>) {
        let fields = cx.span(&id).unwrap().extensions_mut().remove::<Fields>().unwrap();
        self.0.lock().unwrap().push(fields.0);
    }
}

#[tokio::test]
async fn each_hop_is_two_spans_of_one_trace_for_who_looks() {
    let spans = Spans::default();
    // This thread runs all of it.
    let _guard = subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let (first, second) = two_hops().await;
    first.client().echo(&soon(), echo_req("x")).await.unwrap();
    let fail = FailReq { code: 5, message: String::new() };
    first.client().fail(&soon(), fail).await.unwrap_err();

    let (clients, servers) = (spans.of("mprpc.client"), spans.of("mprpc.server"));
    assert_eq!((clients.len(), servers.len()), (4, 4), "{clients:?} {servers:?}");
    for (method, code) in [("Echo", "Ok"), ("Fail", "NotFound")] {
        let of = |spans: &[HashMap<String, String>]| -> Vec<_> {
            spans.iter().filter(|span| span["rpc.method"] == method).cloned().collect()
        };
        // The inner call ends first.
        let (clients, servers) = (of(&clients), of(&servers));
        let [inner, outer] = &clients[..] else { panic!("{clients:?}") };
        let peers = [second.address.to_string(), first.address.to_string()];
        assert_eq!([&inner["peer"], &outer["peer"]], [&peers[0], &peers[1]]);
        let [called_last, called_first] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!(called_last["parent_id"], inner["span_id"]);
        assert_eq!(called_first["parent_id"], outer["span_id"]);
        for span in clients.iter().chain(&servers) {
            assert_eq!(span["rpc.service"], "echo.EchoService");
            assert_eq!((&*span["code"], &span["trace_id"]), (code, &outer["trace_id"]), "{span:?}");
            assert_ne!(span["trace_id"], "0".repeat(32));
        }
    }
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_has_no_spans() {
    let spans = Spans::default();
    let _guard = subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let (first, _second) = two_hops().await;
    let cx = soon().with_trace(trace(UNSAMPLED, None));
    let seen = arrived(&first.client().describe(&cx, DescribeReq {}).await.unwrap()).unwrap();
    assert_eq!(seen.trace_id(), cx.trace().unwrap().trace_id());
    assert_eq!(spans.0.lock().unwrap().len(), 0);
}
