//! A test of one's own without ports or waiting: `cargo run -p mprpc-examples --example in_process`.
//!
//! Time is virtual, as under `#[tokio::test(start_paused = true)]`: it moves when nothing else can.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory};
use mprpc::local::Network;
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (network, registry) = (Network::new(), Memory::new());
    let names = ["echo-1", "echo-2"];
    for name in names {
        let server = Server::builder()
            .add_service(echo_service::serve(Echo))
            .network(&network)
            .listen(network.address(name))
            .bind_all()
            .await?;
        tokio::spawn(server.serve(std::future::pending()));
    }
    // Who is listed is the test's to say.
    let endpoints = names.map(|name| Endpoint::new(network.address(name)));
    registry.list(&echo_service::DESCRIPTOR, endpoints);
    let channel = Channel::builder("memory://").memory(&registry).network(&network).build()?;
    let echo = echo_service::Client::new(&channel);

    let began = Instant::now();
    for happens in ["nothing", "echo-1 freezes", "echo-1 recovers, echo-2 dies"] {
        match happens {
            "echo-1 freezes" => network.freeze("echo-1"),
            "nothing" => {}
            _ => {
                network.heal("echo-1");
                network.crash("echo-2");
            }
        }
        // The silence of a peer is noticed within three seconds.
        sleep(Duration::from_secs(5)).await;
        for _ in 0..100 {
            let cx = Context::with_timeout(Duration::from_secs(1));
            echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
        }
        println!("{happens}: a hundred calls answered, {:?} after the beginning", began.elapsed());
    }
    Ok(())
}
