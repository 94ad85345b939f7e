//! How many connections a channel has, and when: `cargo run -p mprpc-examples --example connections`.
//!
//! On a network in memory and in virtual time: 3 minutes pass in a moment.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::local::Network;
use mprpc::{Channel, Context, Server, Status};
use mprpc_examples::{Echo, EchoReq, EchoSlowlyReq, echo_service};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Keeps so many calls in flight for a while.
async fn load(client: &echo_service::Client, calls: usize, time: Duration) -> Result<(), Status> {
    let until = Instant::now() + time;
    let mut callers = JoinSet::new();
    for _ in 0..calls {
        let client = client.clone();
        callers.spawn(async move {
            while Instant::now() < until {
                let cx = Context::with_timeout(Duration::from_secs(5));
                let request = EchoSlowlyReq { payload: "hello".into(), delay_ms: 100 };
                client.echo_slowly(&cx, request).await?;
            }
            Ok(())
        });
    }
    callers.join_all().await.into_iter().collect()
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Network::new();
    let server = Server::builder().add_service(echo_service::serve(Echo)).network(&network);
    let server = server.listen(network.address("echo")).bind_all().await?;
    tokio::spawn(server.serve(std::future::pending()));

    let channel = Channel::builder("static://local:echo")
        .network(&network)
        // Without this, the first call would make the first connection.
        .connect_ahead(true)
        .connections_max(3)
        // A silent peer is given up within three times this.
        .keepalive(Duration::from_millis(500))
        .build()?;
    let client = echo_service::Client::new(&channel);
    let show = |when: &str| println!("{when}: {} open", network.connections("echo"));

    sleep(Duration::from_secs(1)).await;
    show("before the first call");

    load(&client, 20, Duration::from_secs(5)).await?;
    show("20 calls in flight, and nothing queues");

    // Each message takes longer than it did: so it looks when they queue.
    network.latency("echo", Duration::from_millis(20));
    load(&client, 20, Duration::from_secs(10)).await?;
    show("20 calls in flight, and they queue");

    network.latency("echo", Duration::ZERO);
    load(&client, 2, Duration::from_secs(90)).await?;
    show("2 calls in flight for a while");

    network.freeze("echo");
    let began = Instant::now();
    let cx = Context::with_timeout(Duration::from_secs(60));
    if let Err(status) = client.echo(&cx, EchoReq { payload: "hello".into() }).await {
        println!("the peer froze: {status}");
    }
    println!("that took {:?} of the 60 s that the call had", began.elapsed());
    network.heal("echo");
    sleep(Duration::from_secs(2)).await;
    show("it has recovered, and nobody called since");
    Ok(())
}
