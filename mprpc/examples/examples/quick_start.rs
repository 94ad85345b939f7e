//! The quick start of mprpc/README.md: `cargo run -p mprpc-examples --example quick_start`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::{Channel, Context, Server, Status};
use mprpc_examples::hello::{GreetReq, GreetResp, greeter};

struct Polite;

impl greeter::Server for Polite {
    async fn greet(&self, _cx: &Context, request: GreetReq) -> Result<GreetResp, Status> {
        if request.name.is_empty() {
            return Err(Status::invalid_argument("whom?"));
        }
        Ok(GreetResp { text: format!("Good day, {}.", request.name) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server =
        Server::builder().add_service(greeter::serve(Polite)).bind("127.0.0.1:0".parse()?).await?;
    let address = server.local_addr();
    tokio::spawn(server.serve(std::future::pending()));

    let channel = Channel::builder(format!("static://{address}")).build()?;
    let client = greeter::Client::new(&channel);
    let cx = Context::with_timeout(Duration::from_secs(5));
    let answer = client.greet(&cx, GreetReq { name: "Ada".to_owned() }).await?;
    println!("{}", answer.text);

    if let Err(status) = client.greet(&cx, GreetReq::default()).await {
        println!("{status}");
    }
    Ok(())
}
