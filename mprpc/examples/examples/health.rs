//! What a server says of its health, and who looks at it:
//! `cargo run -p mprpc-examples --example health`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::health::{self, HealthReporter, ServingStatus};
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, echo_service};

const ECHO: &str = "echo.EchoService";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Every server has a health service. With a reporter, the program says what it answers.
    let reporter = HealthReporter::new();
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .health(&reporter)
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let (address, handle) = (server.local_addr(), server.handle());
    let serving = tokio::spawn(server.serve(std::future::pending()));

    // It is asked of one server, at its address: a probe, or an operator.
    let channel = Channel::builder(format!("static://{address}")).build()?;
    let client = health::Client::new(&channel);
    let cx = Context::with_timeout(Duration::from_secs(10));
    println!("the server: {:?}", client.check(&cx, "").await?);
    if let Err(status) = client.check(&cx, "echo.Other").await {
        println!("another service: {status}");
    }

    // Or it is watched.
    let mut watching = client.watch(&cx, ECHO).await?;
    println!("{ECHO}: {:?}", watching.next().await?);
    // What the service needs has gone: readiness, as the program sees it.
    reporter.set(ECHO, ServingStatus::NotServing);
    println!("{ECHO}: {:?}", watching.next().await?);
    println!("the server: {:?}", client.check(&cx, "").await?);
    reporter.set(ECHO, ServingStatus::Serving);
    println!("{ECHO}: {:?}", watching.next().await?);

    // A server that leaves is not healthy any more, whatever was set.
    handle.shutdown();
    println!("{ECHO}: {:?}", watching.next().await?);
    if let Err(status) = watching.next().await {
        println!("the watch has ended: {status}");
    }
    serving.await??;
    Ok(())
}
