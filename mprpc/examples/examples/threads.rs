//! A server with threads of its own, among which connections are dealt out:
//! `cargo run -p mprpc-examples --example threads`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::collections::BTreeMap;
use std::time::Duration;

use mprpc::{Channel, Context, Server, Status};
use mprpc_examples::hello::{GreetReq, GreetResp, greeter};

/// Answers with the name of the thread that it runs on.
struct WhereAmI;

impl greeter::Server for WhereAmI {
    async fn greet(&self, _cx: &Context, _request: GreetReq) -> Result<GreetResp, Status> {
        // What a handler spawns stays on its thread, too.
        let name = tokio::spawn(async { std::thread::current().name().map(str::to_owned) });
        let name = name.await.map_err(|error| Status::internal(error.to_string()))?;
        Ok(GreetResp { text: name.unwrap_or_default() })
    }
}

// This runtime only accepts orders: the server's threads serve.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .add_service(greeter::serve(WhereAmI))
        // One for each core, where handlers do little. Without this, on the runtime of `serve`.
        .threads(2)
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let (target, handle) = (format!("static://{}", server.local_addr()), server.handle());
    let serving = tokio::spawn(server.serve(std::future::pending()));

    // The kernel deals out connections by the port that they come from.
    let mut connections = BTreeMap::<String, u32>::new();
    for _ in 0..16 {
        let client = greeter::Client::new(&Channel::builder(&target).build()?);
        let cx = Context::with_timeout(Duration::from_secs(5));
        let thread = client.greet(&cx, GreetReq::default()).await?.text;
        // A connection stays where it is.
        assert_eq!(client.greet(&cx, GreetReq::default()).await?.text, thread);
        *connections.entry(thread).or_default() += 1;
    }
    println!("16 connections: {connections:?}");

    handle.shutdown();
    serving.await??;
    Ok(())
}
