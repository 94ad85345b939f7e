//! Targets that need no server: a list, a file that changes, a name:
//! `cargo run -p mprpc-examples --example targets`.
//!
//! The `discovery` example shows registries.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use mprpc::{Channel, Context, Server, Status};
use mprpc_examples::hello::{GreetReq, GreetResp, greeter};

/// Answers with its name.
struct Named(&'static str);

impl greeter::Server for Named {
    async fn greet(&self, _cx: &Context, _request: GreetReq) -> Result<GreetResp, Status> {
        Ok(GreetResp { text: self.0.to_owned() })
    }
}

async fn serve(name: &'static str) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(greeter::serve(Named(name)));
    let server = server.bind("127.0.0.1:0".parse()?).await?;
    let address = server.local_addr();
    tokio::spawn(server.serve(std::future::pending()));
    Ok(address)
}

/// Who answers calls: all of them in a row.
async fn who(client: &greeter::Client) -> Result<BTreeSet<String>, Status> {
    let mut names = BTreeSet::new();
    for _ in 0..20 {
        let cx = Context::with_timeout(Duration::from_secs(5));
        names.insert(client.greet(&cx, GreetReq::default()).await?.text);
    }
    Ok(names)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (ada, bob) = (serve("ada").await?, serve("bob").await?);

    // A list, which never changes.
    let listed = Channel::builder(format!("static://{ada},{bob}")).build()?;
    println!("static:// of two: {:?}", who(&greeter::Client::new(&listed)).await?);

    // A file, looked at every second unless something else is said.
    let path = std::env::temp_dir().join(format!("mprpc-example-{}.json", std::process::id()));
    let list = |at: SocketAddr| {
        // Renamed over, so that nobody reads half of it.
        let whole = path.with_extension("new");
        let text = format!(r#"{{"hello.Greeter": [{{"address": "{at}", "zone": "a"}}]}}"#);
        std::fs::write(&whole, text).and_then(|()| std::fs::rename(&whole, &path))
    };
    list(ada)?;
    let target = format!("file://{}?poll=50ms", path.display());
    let client = greeter::Client::new(&Channel::builder(target).build()?);
    println!("file:// that names ada: {:?}", who(&client).await?);
    list(bob)?;
    while who(&client).await?.contains("ada") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("it names bob now: {:?}", who(&client).await?);
    std::fs::remove_file(&path)?;
    println!("it is gone, and what it said holds: {:?}", who(&client).await?);

    // The addresses of a name, asked for every 5 s unless something else is said.
    let target = format!("dns://localhost:{}?refresh=30s", ada.port());
    let client = greeter::Client::new(&Channel::builder(&target).build()?);
    println!("{target}: {:?}", who(&client).await?);
    Ok(())
}
