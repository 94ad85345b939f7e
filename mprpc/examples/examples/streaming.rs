//! The three kinds of streams: `cargo run -p mprpc-examples --example streaming`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, ListReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let target = format!("static://{}", server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));
    let echo = echo_service::Client::new(&Channel::builder(target).build()?);
    // The deadline is that of the whole stream.
    let cx = Context::with_timeout(Duration::from_secs(5));

    // One request, many answers. What is not read yet holds the handler up, not the connection.
    let mut list = echo.list(&cx, ListReq { count: 1000, size: 64 * 1024 }).await?;
    let mut bytes = 0;
    while let Some(item) = list.next().await? {
        bytes += item.payload.len();
    }
    println!("listed {bytes} bytes");

    // Many requests, one answer. A sender that is dropped without `finish` cancels the call.
    let (mut requests, answer) = echo.upload(&cx).await?;
    for part in ["one ", "two ", "three"] {
        requests.send(EchoReq { payload: part.into() }).await?;
    }
    requests.finish();
    println!("uploaded \"{}\"", String::from_utf8_lossy(&answer.await?.payload));

    // Both, as each side likes.
    let (mut requests, mut responses) = echo.chat(&cx).await?;
    for word in ["ping", "pong"] {
        requests.send(EchoReq { payload: word.into() }).await?;
        if let Some(response) = responses.next().await? {
            println!("{word} came back as {}", String::from_utf8_lossy(&response.payload));
        }
    }
    requests.finish();
    assert!(responses.next().await?.is_none(), "the handler has returned");
    Ok(())
}
