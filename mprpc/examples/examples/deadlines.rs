//! One deadline over three services, cancelling, and what is detached from both:
//! `cargo run -p mprpc-examples --example deadlines`.
//!
//! Time is virtual, so that what is printed is exact.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::local::Network;
use mprpc::{Channel, Context, Server, Status};
use mprpc_examples::hello::{GreetReq, GreetResp, greeter};
use tokio::time::{sleep, timeout};

/// A service that takes a tenth of a second and then asks the next one, if there is one.
struct Hop {
    name: &'static str,
    next: Option<greeter::Client>,
}

impl greeter::Server for Hop {
    async fn greet(&self, cx: &Context, request: GreetReq) -> Result<GreetResp, Status> {
        let at_work = AtWork(self.name);
        println!("  {}: {:?} are left", self.name, cx.remaining());
        if self.name == "front" {
            // What must be done whatever becomes of the call. It has a time of its own.
            drop(cx.detach(Duration::from_secs(5), |cx| async move {
                sleep(Duration::from_millis(400)).await;
                println!("  front: noted that somebody asked, {:?} were left", cx.remaining());
            })?);
        }
        sleep(Duration::from_millis(100)).await;
        let answer = match &self.next {
            // Its own context, passed on: the next one has what is left of the time.
            Some(next) => next.greet(cx, request).await,
            None => Ok(GreetResp { text: format!("Good day, {}.", request.name) }),
        };
        std::mem::forget(at_work);
        answer
    }
}

/// Says so when a handler is dropped before it has come to its end.
struct AtWork(&'static str);

impl Drop for AtWork {
    fn drop(&mut self) {
        println!("  {}: stopped", self.0);
    }
}

/// Serves `hop` within this process, and gives a client of it.
async fn serve(network: &Network, hop: Hop) -> Result<greeter::Client, Box<dyn std::error::Error>> {
    let name = hop.name;
    let server = Server::builder().add_service(greeter::serve(hop)).network(network);
    let server = server.listen(network.address(name)).bind_all().await?;
    tokio::spawn(server.serve(std::future::pending()));
    let channel = Channel::builder(format!("static://local:{name}")).network(network).build()?;
    Ok(greeter::Client::new(&channel))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Network::new();
    let back = serve(&network, Hop { name: "back", next: None }).await?;
    let middle = serve(&network, Hop { name: "middle", next: Some(back) }).await?;
    let front = serve(&network, Hop { name: "front", next: Some(middle) }).await?;
    let request = || GreetReq { name: "Ada".to_owned() };

    println!("a second is enough:");
    let cx = Context::with_timeout(Duration::from_secs(1));
    println!("{}", front.greet(&cx, request()).await?.text);
    sleep(Duration::from_secs(1)).await;

    println!("a quarter of a second is not, and everybody stops:");
    let cx = Context::with_timeout(Duration::from_millis(250));
    if let Err(status) = front.greet(&cx, request()).await {
        println!("{status}");
    }
    sleep(Duration::from_secs(1)).await;

    println!("a time that is over costs nobody anything:");
    if let Err(status) = front.greet(&cx, request()).await {
        println!("{status}");
    }

    println!("a caller that goes away after 150 ms stops everybody, too:");
    let cx = Context::with_timeout(Duration::from_secs(10));
    let gone = timeout(Duration::from_millis(150), front.greet(&cx, request())).await;
    assert!(gone.is_err(), "the future was dropped");
    sleep(Duration::from_secs(1)).await;
    Ok(())
}
