//! A server that leaves without a failed call: `cargo run -p mprpc-examples --example leaving`.
//!
//! What its handle does here, a service does when it gets its first signal (`shutdown`) and its
//! second (`force`).

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::health::{self, HealthReporter, ServingStatus};
use mprpc::{Channel, Context, Server, ServerState};
use mprpc_examples::{Echo, EchoSlowlyReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reporter = HealthReporter::new();
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .health(&reporter)
        .drain_timeout(Duration::from_secs(5))
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let (address, handle) = (server.local_addr(), server.handle());
    let serving = tokio::spawn(server.serve(std::future::pending()));

    let channel = Channel::builder(format!("static://{address}")).build()?;
    let cx = Context::with_timeout(Duration::from_secs(10));
    let mut health = health::Client::new(&channel).watch(&cx, "").await?;
    println!("health: {:?}", health.next().await?);
    reporter.set("echo.EchoService", ServingStatus::Serving);

    // A call that takes longer than it takes the server to hear that it is to leave.
    let slow = tokio::spawn({
        let (cx, echo) = (cx.clone(), echo_service::Client::new(&channel));
        async move {
            let request = EchoSlowlyReq { payload: "slow".into(), delay_ms: 300 };
            echo.echo_slowly(&cx, request).await
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    handle.shutdown();
    println!("health: {:?}", health.next().await?);
    handle.watch().wait_for(|state| *state >= ServerState::Draining).await?;
    println!("the server drains");
    let answer = slow.await??;
    println!("the call in flight is answered: {}", String::from_utf8_lossy(&answer.payload));
    serving.await??;
    println!("the server is {:?}", handle.state());
    Ok(())
}
