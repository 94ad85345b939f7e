//! A trace through two services, and what Prometheus would see:
//! `cargo run -p mprpc-examples --example telemetry`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use mprpc::{Channel, Context, Server, Status, TraceContext};
use mprpc_examples::hello::{GreetReq, GreetResp, greeter};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// A service that shows which trace it is part of, and asks the next one, if there is one.
struct Hop(&'static str, Option<greeter::Client>);

impl greeter::Server for Hop {
    async fn greet(&self, cx: &Context, request: GreetReq) -> Result<GreetResp, Status> {
        let Self(name, next) = self;
        if let Some(trace) = cx.trace() {
            println!("{name}: traceparent {trace}, tracestate {:?}", trace.state());
        }
        match next {
            // The call is the next span of the same trace, since it is made with this context.
            Some(next) => next.greet(cx, request).await,
            None => Ok(GreetResp { text: format!("Good day, {}.", request.name) }),
        }
    }
}

async fn serve(hop: Hop) -> Result<greeter::Client, Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(greeter::serve(hop));
    let server = server.bind("127.0.0.1:0".parse()?).await?;
    let target = format!("static://{}", server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));
    Ok(greeter::Client::new(&Channel::builder(target).build()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // First, since what is counted belongs to the recorder that is there when a server or a channel
    // is made. A service would serve what it renders on a port of its own.
    let prometheus = PrometheusBuilder::new().install_recorder()?;
    // Whoever looks at `mprpc` at level DEBUG gets a span for each call; a layer for OpenTelemetry
    // would take the place of this one, which prints them when they close.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("mprpc=debug"))
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .init();

    let back = serve(Hop("back", None)).await?;
    let front = serve(Hop("front", Some(back))).await?;

    // What came with a request to this process, over HTTP for example.
    let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::parse(parent, Some(b"vendor=value")).ok_or("no traceparent")?;
    let cx = Context::with_timeout(Duration::from_secs(5)).with_trace(trace);
    println!("{}", front.greet(&cx, GreetReq { name: "Ada".to_owned() }).await?.text);

    // Counts reach the recorder once a second.
    let counted = "mprpc_server_calls_total";
    while !prometheus.render().contains(counted) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = |line: &&str| line.starts_with("mprpc_") && !line.contains("quantile");
    for line in prometheus.render().lines().filter(shown) {
        println!("{line}");
    }
    Ok(())
}
