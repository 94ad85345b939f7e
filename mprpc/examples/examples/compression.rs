//! What long messages weigh on the wire, with and without compression:
//! `cargo run -p mprpc-examples --example compression`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};

/// What a counter stands at.
fn bytes(recorder: &PrometheusHandle, counter: &str) -> u64 {
    let text = recorder.render();
    let value =
        text.lines().filter_map(|line| line.strip_prefix(counter)?.trim().parse::<u64>().ok());
    value.sum()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recorder = PrometheusBuilder::new().install_recorder()?;
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        // Of whoever asks for it. `usize::MAX` would only take what others compressed.
        .compress_above(1024)
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let target = format!("static://{}", server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));

    let plain = Channel::builder(&target).build()?;
    let compressed = Channel::builder(&target).compress_above(1024).build()?;
    let payload = "the same again, ".repeat(4096);
    for (how, channel) in [("as it is", plain), ("compressed", compressed)] {
        let sent = bytes(&recorder, "mprpc_client_sent_bytes_total");
        let received = bytes(&recorder, "mprpc_client_received_bytes_total");
        let echo = echo_service::Client::new(&channel);
        let cx = Context::with_timeout(Duration::from_secs(5));
        let answer = echo.echo(&cx, EchoReq { payload: payload.clone().into() }).await?;
        assert_eq!(answer.payload, payload);
        let sent = bytes(&recorder, "mprpc_client_sent_bytes_total") - sent;
        let received = bytes(&recorder, "mprpc_client_received_bytes_total") - received;
        println!("{} bytes {how}: {sent} out, {received} back", payload.len());
    }
    Ok(())
}
