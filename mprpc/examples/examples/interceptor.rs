//! A token that the client gets and the server checks, and a log of requests:
//! `cargo run -p mprpc-examples --example interceptor`.

#![expect(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;

use mprpc::{Channel, Code, Context, Intercepted, Interceptor, Outcome, Server, Status};
use mprpc_examples::{Echo, EchoReq, echo_service};
use tokio::time::Instant;

/// At the client: a token for each call.
struct WithToken;

impl WithToken {
    /// Another service would be asked here, and the answer kept for a while.
    async fn token(&self) -> Result<&'static str, Status> {
        tokio::task::yield_now().await;
        Ok("open sesame")
    }
}

impl Interceptor for WithToken {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let token = self.token().await?;
            call.proceed(cx.sending("authorization", token)).await
        })
    }
}

/// At the server: who has no token gets no further.
struct CheckToken;

impl Interceptor for CheckToken {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            match cx.metadata().get("authorization") {
                Some(token) if token == "open sesame" => call.proceed(cx).await,
                _ => Err(Status::unauthenticated("no or a wrong token")),
            }
        })
    }
}

/// At the server: one line for each request.
struct RequestLog;

impl Interceptor for RequestLog {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        Box::pin(async move {
            let (path, began) = (call.path(), Instant::now());
            let peer = cx.peer().map(ToString::to_string).unwrap_or_default();
            let outcome = call.proceed(cx).await;
            let code = outcome.as_ref().map_or_else(Status::code, |()| Code::Ok);
            println!("server: {path} from {peer}: {code} after {:.1?}", began.elapsed());
            outcome
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The log comes first: it also sees what the check refuses.
    let server = Server::builder()
        .add_service(echo_service::serve(Echo))
        .interceptor(RequestLog)
        .interceptor(CheckToken)
        .bind("127.0.0.1:0".parse()?)
        .await?;
    let target = format!("static://{}", server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));

    let stranger = echo_service::Client::new(&Channel::builder(&target).build()?);
    let known = Channel::builder(&target).interceptor(WithToken).build()?;
    let known = echo_service::Client::new(&known);

    let cx = Context::with_timeout(Duration::from_secs(5));
    let request = || EchoReq { payload: "hello".into() };
    if let Err(status) = stranger.echo(&cx, request()).await {
        println!("client without a token: {status}");
    }
    let answer = known.echo(&cx, request()).await?;
    println!("client with a token: {}", String::from_utf8_lossy(&answer.payload));
    Ok(())
}
