//! Discovery through ZooKeeper: `cargo run -p mprpc-examples --example discovery -- HOST:PORT,…`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::discovery::ZooKeeper;
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(hosts) = std::env::args().nth(1) else {
        println!("Which ZooKeeper? One for development is started by `scripts/deps up zookeeper`;");
        println!("then: cargo run -p mprpc-examples --example discovery -- 127.0.0.1:12181");
        return Ok(());
    };
    // Below a path of its own, which it makes.
    let zookeeper = ZooKeeper::builder(format!("{hosts}/mprpc-example")).build()?;

    // Two instances announce themselves.
    let mut serving = Vec::new();
    for zone in ["a", "b"] {
        let server = Server::builder()
            .add_service(echo_service::serve(Echo))
            .register(zookeeper.clone())
            .zone(zone)
            .bind("127.0.0.1:0".parse()?)
            .await?;
        println!("zone {zone} is at {}", server.local_addr());
        let handle = server.handle();
        let task = tokio::spawn(server.serve(std::future::pending()));
        serving.push((handle, task));
    }

    // A channel follows who is there; the first call waits until that is known.
    let channel = Channel::builder("zk://").zookeeper(&zookeeper).build()?;
    let echo = echo_service::Client::new(&channel);
    for turn in 0..4 {
        let cx = Context::with_timeout(Duration::from_secs(10));
        let answer = echo.echo(&cx, EchoReq { payload: format!("call {turn}").into() }).await?;
        println!("{} was answered", String::from_utf8_lossy(&answer.payload));
        if turn == 1 {
            // One leaves: first the registry, then what is in flight. No call fails.
            let (handle, task) = serving.remove(0);
            handle.shutdown();
            task.await??;
            println!("zone a has left");
        }
    }
    let (handle, task) = serving.remove(0);
    handle.shutdown();
    task.await??;
    Ok(())
}
