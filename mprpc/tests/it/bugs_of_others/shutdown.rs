//! Shutdowns that hang, or have no bound.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mprpc::{Code, Executed, Server};
use mprpc_examples::{Echo, EchoResp, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Doing, Gate, Running, SOON, Times, echo_req, slow_req, soon};

/// hyper 4170: a shutdown waited for connections on which nothing happened.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_idle_connections() {
    // Without a bound that would end them anyway.
    let builder = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    let kept = server.client();
    kept.echo(&soon(), echo_req("x")).await.unwrap();
    let classic = server.classic_client();
    classic.echo(&soon(), echo_req("x")).await.unwrap();
    let mut fresh = TcpStream::connect(server.address).await.unwrap();
    server.stop().await;
    let mut rest = Vec::new();
    timeout(SOON, fresh.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
}

/// hyper 4170, again: connections that have begun something and never go on.
#[tokio::test]
async fn a_shutdown_does_not_hang_on_connections_that_stopped_in_the_middle() {
    let builder = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_millis(50));
    let server = Running::start(builder).await;
    let beginnings: [&[u8]; 5] = [
        b"MP",
        b"MPR2",
        // Half a frame's header, and a frame without its payload.
        b"MPR2\x05\0\0",
        b"MPR2\x05\0\0\0\x01\0\0\0\0\0\0\0\x08",
        // A classic header without its arguments.
        b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\x04",
    ];
    let mut stuck = Vec::new();
    for beginning in beginnings {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        stuck.push(stream);
    }
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    server.stop().await;
    for mut stream in stuck {
        // Closed, or reset; what a v2 server says first has come before that.
        let _ = timeout(SOON, stream.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
}

/// grpc-rust 1820: a shutdown waited for calls without a bound. Here the handler is dropped when the
/// drain time is over, and its caller is told instead of losing its connection.
#[tokio::test]
async fn a_shutdown_has_a_bound_though_a_call_never_ends() {
    let gate = Gate::default();
    let builder = Server::builder()
        .add_service(echo_service::serve(gate.clone()))
        .drain_timeout(Duration::from_millis(50));
    let server = Running::start(builder).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    server.stop().await;
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    assert_eq!(status.message(), "the server stopped before the call had ended");
}

/// grpc-rust 1820, again: a handler that blocks its thread cannot be stopped, and must not keep the
/// server from ending.
#[tokio::test]
async fn a_shutdown_has_a_bound_though_a_handler_blocks_its_thread() {
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let started = Times::default();
    let begun = started.clone();
    let doing = Doing::new(move |_, _| {
        let (blocked, begun) = (Arc::clone(&blocked), begun.clone());
        async move {
            begun.notify_one();
            let _ = blocked.lock().unwrap().recv();
            Ok(EchoResp::default())
        }
    });
    let builder = doing.builder().threads(1).drain_timeout(Duration::from_millis(20));
    let server = Running::start(builder).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await });
    timeout(SOON, started.notified()).await.expect("it is at work");
    server.stop().await;
    call.abort();
    drop(unblock);
}

/// grpc-rust 1820, once more: what a handler has spawned blocks a thread of the server's own, on
/// which there is no connection any more.
#[tokio::test]
async fn a_shutdown_has_a_bound_though_what_a_handler_has_spawned_blocks_its_thread() {
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let go = CancellationToken::new();
    let blocks = Times::default();
    let (gate, begun) = (go.clone(), blocks.clone());
    let doing = Doing::new(move |_, request| {
        let (blocked, begun, go) = (Arc::clone(&blocked), begun.clone(), gate.clone());
        tokio::spawn(async move {
            go.cancelled().await;
            begun.notify_one();
            let _ = blocked.lock().unwrap().recv();
        });
        async move { Ok(EchoResp { payload: request.payload }) }
    });
    let builder = doing.builder().threads(1).drain_timeout(Duration::from_millis(20));
    let server = Running::start(builder).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(crate::classic::SLOW_REQUEST).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection ends").unwrap();
    assert_eq!(answer, crate::classic::RESPONSE);
    go.cancel();
    timeout(SOON, blocks.notified()).await.expect("the thread is blocked");
    server.stop().await;
    drop(unblock);
}
