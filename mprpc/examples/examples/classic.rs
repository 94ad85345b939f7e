//! Old and new side by side: `cargo run -p mprpc-examples --example classic`.
//!
//! A fleet in the middle of its migration: our server, which answers both wires on one port, and
//! one that speaks the original wire only (here a few lines that stand for a C++ service).

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory, Methods, Wires};
use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let ours = server.local_addr();
    tokio::spawn(server.serve(std::future::pending()));

    // One port, two wires. A caller says which; nobody finds out by trying.
    call("a v2 caller at our server", &format!("static://{ours}")).await?;
    call("a classic caller at our server", &format!("static://{ours}?wire=classic")).await?;

    // The old service speaks one wire.
    let old = TcpListener::bind("127.0.0.1:0").await?;
    let theirs = old.local_addr()?;
    tokio::spawn(old_service(old));
    call("a classic caller at the old one", &format!("static://{theirs}?wire=classic")).await?;

    // A registry knows which instance speaks what, and a caller need not: its calls go to both.
    let registry = Memory::new();
    let mut only_classic = Endpoint::new(theirs);
    only_classic.wires = Wires::Classic;
    only_classic.methods = Methods::only(["Echo"]);
    registry.list(&echo_service::DESCRIPTOR, [Endpoint::new(ours), only_classic]);
    let channel = Channel::builder("memory://").memory(&registry).build()?;
    let echo = echo_service::Client::new(&channel);
    for _ in 0..10 {
        let cx = Context::with_timeout(Duration::from_secs(3));
        echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
    }
    println!("a caller of the whole fleet: 10 calls, 10 answers");
    Ok(())
}

async fn call(who: &str, target: &str) -> Result<(), Box<dyn std::error::Error>> {
    let echo = echo_service::Client::new(&Channel::builder(target).build()?);
    let cx = Context::with_timeout(Duration::from_secs(3));
    let answer = echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
    println!("{who}: {}", String::from_utf8_lossy(&answer.payload));
    Ok(())
}

/// `EchoService.Echo` as any program can serve it that follows section 2 of PROTOCOL.md: a header's
/// length and the header, which ends with the arguments' length; then the arguments, which are the
/// answer as well. It trusts its callers, and knows only short messages.
async fn old_service(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut caller, _) = listener.accept().await?;
        tokio::spawn(async move {
            while let Ok(header_size) = caller.read_u32_le().await {
                let mut header = vec![0; usize::try_from(header_size).unwrap_or(0).min(4096)];
                caller.read_exact(&mut header).await?;
                let args_size = header.last().copied().unwrap_or(0);
                let mut message = vec![0; usize::from(args_size)];
                caller.read_exact(&mut message).await?;
                caller.write_all(&u32::from(args_size).to_le_bytes()).await?;
                caller.write_all(&message).await?;
            }
            std::io::Result::Ok(())
        });
    }
}
