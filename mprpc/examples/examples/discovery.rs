//! Instances that come and go: `cargo run -p mprpc-examples --example discovery`, with
//! `-- zk://127.0.0.1:2181` or `-- etcd://127.0.0.1:2379` through that registry, else through one
//! within this process. (`scripts/deps up zookeeper` starts one at port 12181.)

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use mprpc::discovery::{Etcd, Memory, Register, ZooKeeper};
use mprpc::{Channel, ChannelBuilder, Context, Server, Status};
use mprpc_examples::{Echo, FailReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(target) = std::env::args().nth(1) else {
        let registry = Memory::new();
        return show(&registry, Channel::builder("memory://").memory(&registry)).await;
    };
    // Below a path of its own, which it makes.
    let target = format!("{}/mprpc-example", target.trim_end_matches('/'));
    match target.split_once("://") {
        Some(("zk", hosts)) => {
            // One session, for servers and channels.
            let session = ZooKeeper::builder(hosts).build()?;
            show(&session, Channel::builder("zk://").zookeeper(&session)).await
        }
        Some(("etcd", hosts)) => {
            show(&Etcd::builder(hosts).build()?, Channel::builder(&target)).await
        }
        _ => Err("zk://host:port and etcd://host:port are understood".into()),
    }
}

/// The same whatever the registry is.
async fn show(
    registry: &(impl Register + Clone),
    channel: ChannelBuilder,
) -> Result<(), Box<dyn Error>> {
    // Two instances announce themselves.
    let mut serving = Vec::new();
    for zone in ["a", "b"] {
        let server = Server::builder()
            .add_service(echo_service::serve(Echo))
            .register(registry.clone())
            .zone(zone)
            .bind("127.0.0.1:0".parse()?)
            .await?;
        println!("zone {zone} is at {}", server.local_addr());
        let handle = server.handle();
        serving.push((handle, tokio::spawn(server.serve(std::future::pending()))));
    }

    // A channel follows who is there; the first call waits until that is known.
    let echo = echo_service::Client::new(&channel.build()?);
    while callees(&echo).await?.len() < 2 {}
    println!("both are called");

    // One leaves: first the registry, then what is in flight. No call fails.
    let (leaving, left) = serving.remove(0);
    leaving.shutdown();
    while callees(&echo).await?.len() > 1 {}
    left.await??;
    println!("zone a has left: {:?}", callees(&echo).await?);

    let (last, ended) = serving.remove(0);
    last.shutdown();
    ended.await??;
    Ok(())
}

/// Who gets a few calls: an answer that is an error names the instance that it comes from.
async fn callees(echo: &echo_service::Client) -> Result<BTreeSet<String>, Status> {
    let mut callees = BTreeSet::new();
    for _ in 0..20 {
        let cx = Context::with_timeout(Duration::from_secs(10));
        let not_found = FailReq { code: 5, message: String::new() };
        match echo.fail(&cx, not_found).await {
            Err(status) if status.code() == mprpc::Code::NotFound => {
                callees.extend(status.peer().map(ToString::to_string));
            }
            outcome => drop(outcome?),
        }
    }
    Ok(callees)
}
