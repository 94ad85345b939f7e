//! A server on a Unix socket beside its port: `cargo run -p mprpc-examples --example unix_socket`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::{Channel, Context, Server};
use mprpc_examples::{Echo, EchoReq, echo_service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("mprpc-example-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        // For this machine. Only the user that runs the server may connect.
        .listen(path.clone())
        // For the others.
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let (addresses, handle) = (server.addresses().to_vec(), server.handle());
    let serving = tokio::spawn(server.serve(std::future::pending()));

    for address in addresses {
        let target = format!("static://{address}");
        let echo = echo_service::Client::new(&Channel::builder(&target).build()?);
        let cx = Context::with_timeout(Duration::from_secs(5));
        let answer = echo.echo(&cx, EchoReq { payload: "hello".into() }).await?;
        println!("{target} answers {}", String::from_utf8_lossy(&answer.payload));
    }

    handle.shutdown();
    serving.await??;
    println!("the server has ended; its socket is there: {}", path.exists());
    Ok(())
}
