//! Weights, zones and a failing instance: `cargo run -p mprpc-examples --example balancing`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::collections::BTreeMap;
use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory};
use mprpc::local::Network;
use mprpc::{Balance, Channel, ChannelBuilder, Context, Server};
use mprpc_examples::{Echo, FailReq, echo_service};

/// Three instances within this process, which a registry lists with weights and zones.
async fn serve(network: &Network, registry: &Memory) -> Result<(), Box<dyn std::error::Error>> {
    let mut listed = Vec::new();
    for (name, weight, zone) in [("a1", 300, "a"), ("a2", 100, "a"), ("b1", 100, "b")] {
        let address = network.address(name);
        let server = Server::builder().add_service(echo_service::serve(Echo)).network(network);
        let server = server.listen(address.clone()).bind_all().await?;
        tokio::spawn(server.serve(std::future::pending()));
        listed.push(Endpoint { weight, zone: zone.into(), ..Endpoint::new(address) });
    }
    registry.list(&echo_service::DESCRIPTOR, listed);
    Ok(())
}

/// Who gets 400 calls: an error names the instance that it comes from.
async fn callees(builder: ChannelBuilder) -> Result<String, Box<dyn std::error::Error>> {
    let client = echo_service::Client::new(&builder.build()?);
    let mut callees = BTreeMap::<String, u32>::new();
    for _ in 0..400 {
        let cx = Context::with_timeout(Duration::from_secs(5));
        // Not found: an answer as good as any other, and no sign of a failing instance.
        let answer = client.fail(&cx, FailReq { code: 5, message: String::new() }).await;
        if let Some(peer) = answer.as_ref().err().and_then(|status| status.peer()) {
            *callees.entry(peer.to_string()).or_default() += 1;
        }
    }
    Ok(format!("{callees:?}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (network, registry) = (Network::new(), Memory::new());
    serve(&network, &registry).await?;
    let channel = || Channel::builder("memory://").memory(&registry).network(&network);

    println!("the default:          {}", callees(channel()).await?);
    let by_weight = channel().balance(Balance::weighted_round_robin());
    println!("weighted round robin: {}", callees(by_weight).await?);
    println!("zone b:               {}", callees(channel().zone("b")).await?);
    println!("a subset of two:      {}", callees(channel().subset(2).client_id("me")).await?);
    network.crash("b1");
    println!("zone b, which is down: {}", callees(channel().zone("b")).await?);
    Ok(())
}
