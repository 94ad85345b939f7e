//! The smallest server and client: `cargo run -p mprpc-examples --example hello`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let address = server.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));

    // The same port answers both wires.
    for target in [format!("static://{address}"), format!("static://{address}?wire=classic")] {
        let echo = echo_service::Client::new(&Channel::builder(&target).build()?);
        let cx = Context::with_timeout(Duration::from_secs(5));
        let answer = echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
        println!("{target} answers {}", String::from_utf8_lossy(&answer.payload));
    }

    // Finishes what is in flight, then ends.
    drop(stop);
    serving.await??;
    Ok(())
}
