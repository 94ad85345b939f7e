//! Calls on the multiplexed wire.

use std::time::Duration;

use bytes::Bytes;
use mprpc::{Code, Context, Executed, Server};
use mprpc_examples::{DescribeReq, EchoReq, FailReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};

#[tokio::test]
async fn a_call_is_answered() {
    let server = Running::echo().await;
    let client = server.client();
    for payload in ["", "hello"] {
        let answer = client.echo(&soon(), echo_req(payload)).await.unwrap();
        assert_eq!(answer.payload, payload);
    }
}

#[tokio::test]
async fn a_thousand_large_calls_at_once_each_get_their_own_answer() {
    let server = Running::echo().await;
    let client = server.client();
    let calls = (0..1000_u32).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            let byte = n.to_le_bytes()[0];
            let payload = Bytes::from(vec![byte; 100_000 + n as usize]);
            let answer = client.echo(&soon(), EchoReq { payload: payload.clone() }).await.unwrap();
            assert!(answer.payload == payload);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_status_arrives_with_its_code_and_text_whatever_they_are() {
    let server = Running::echo().await;
    let client = server.client();
    for (code, message) in
        [(5, "not here"), (13, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")]
    {
        let request = FailReq { code, message: message.to_owned() };
        let status = client.fail(&soon(), request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::from_u32(code), message));
        assert_eq!(*status.peer().unwrap(), server.address);
        assert_eq!(status.executed(), Executed::Maybe);
    }
}

#[tokio::test]
async fn metadata_and_the_remaining_time_reach_the_handler() {
    let server = Running::echo().await;
    let cx = Context::with_timeout(Duration::from_secs(30)).sending("x-tenant", "seven");
    let seen = server.client().describe(&cx, DescribeReq {}).await.unwrap();
    assert_eq!(seen.metadata.get("x-tenant").unwrap(), "seven");
    assert!(seen.remaining_ms <= 30_000 && seen.remaining_ms > 1_000, "{}", seen.remaining_ms);
}

#[tokio::test]
async fn a_service_that_is_not_served_is_unimplemented() {
    let server = Running::start(Server::builder()).await;
    let status = server.client().echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "echo.EchoService/Echo is not served here");
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_its_handler() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let cx = Context::with_timeout(Duration::from_millis(50));
    let status = server.client().echo_slowly(&cx, slow_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
}

#[tokio::test]
async fn the_longest_time_is_no_special_case() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    let cx = Context::with_timeout(Duration::MAX);
    let call = tokio::spawn(async move { client.echo_slowly(&cx, slow_req("x")).await });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    gate.open.cancel();
    timeout(SOON, call).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_refused_before_it_is_sent() {
    let server = Running::echo().await;
    let client = server.client();
    client.echo(&soon(), echo_req("connect")).await.unwrap();
    let status =
        client.echo(&Context::with_timeout(Duration::ZERO), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::No));
}

#[tokio::test]
async fn a_slow_call_holds_up_no_other_on_its_connection() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("slow")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("the slow one is at work");
    let fast = client.echo(&soon(), echo_req("fast")).await.unwrap();
    assert_eq!(fast.payload, "fast");
    assert!(!slow.is_finished());
    gate.open.cancel();
    assert_eq!(slow.await.unwrap().unwrap().payload, "slow");
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_own_call_only() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("slow")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("the slow one is at work");
    let status = client.fail(&soon(), FailReq { code: 0, message: "on purpose".into() }).await;
    assert_eq!(status.unwrap_err().code(), Code::Internal);
    gate.open.cancel();
    assert_eq!(slow.await.unwrap().unwrap().payload, "slow");
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_and_the_connection_goes_on() {
    let server = Running::echo().await;
    let client = server.client();
    let payload = Bytes::from(vec![0; 4 * 1024 * 1024]);
    let status = client.echo(&soon(), EchoReq { payload }).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
    let answer = client.echo(&soon(), echo_req("still here")).await.unwrap();
    assert_eq!(answer.payload, "still here");
}

#[tokio::test]
async fn bytes_that_are_no_frames_close_their_connection_and_no_other() {
    let server = Running::echo().await;
    let client = server.client();
    client.echo(&soon(), echo_req("before")).await.unwrap();
    // A request by a method number that was never named.
    let mut rogue = TcpStream::connect(server.address).await.unwrap();
    rogue.write_all(b"MPR2\x01\0\0\0\x02\x01\x07\0\x01\0\0\0\0").await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, rogue.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
    let answer = client.echo(&soon(), echo_req("after")).await.unwrap();
    assert_eq!(answer.payload, "after");
}

/// The example of PROTOCOL.md, byte for byte.
#[tokio::test]
async fn a_call_that_was_written_by_hand_from_the_specification_is_answered() {
    let server = Running::echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let settings = b"\x05\0\0\0\x01\0\0\0\0\0\0\0\x08\x80\x80\x80\x02";
    let request = b"\x20\0\0\0\x02\x01\0\0\0\0\0\0\
        \x1b\x0a\x15echo.EchoService/Echo\x10\xe0\xa7\x12\x0a\x02hi";
    stream.write_all(&[b"MPR2", &settings[..], request].concat()).await.unwrap();

    let settings = b"\x09\0\0\0\x01\0\0\0\0\0\0\0\x08\x80\x80\x80\x02\x10\x80\x80\x01";
    let response = b"\x05\0\0\0\x03\x01\0\0\0\0\0\0\0\x0a\x02hi";
    let expected = [&settings[..], response].concat();
    let mut read = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut read)).await.expect("an answer comes").unwrap();
    assert_eq!(read, expected);
}

/// A server of the test's own, which has said what a server says first.
async fn settled(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"\0\0\0\0\x01\0\0\0\0\0\0\0").await.unwrap();
    stream
}

/// "A half-open peer that looks ready": found by ping. How soon is told in virtual time, which is not
/// for sockets.
#[tokio::test]
async fn a_peer_that_has_gone_silent_is_found_long_before_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    let silent = tokio::spawn(async move {
        let stream = settled(&listener).await;
        std::future::pending::<()>().await;
        drop(stream);
    });
    let began = tokio::time::Instant::now();
    let cx = Context::with_timeout(Duration::from_secs(3600));
    let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
    silent.abort();
}

#[tokio::test]
async fn a_deadline_holds_against_a_server_that_sends_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    let flood = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut stream = settled(&listener).await;
            let pongs = b"\0\0\0\0\x06\0\0\0\0\0\0\0".repeat(100_000);
            while stream.write_all(&pongs).await.is_ok() {}
        });
    });
    let cx = Context::with_timeout(Duration::from_millis(100));
    let call = tokio::spawn(async move { client.echo(&cx, echo_req("x")).await });
    let status = timeout(SOON, call).await.expect("the deadline holds").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    flood.join().unwrap();
}

#[tokio::test]
async fn a_handler_that_fails_with_ok_has_failed() {
    let server = Running::echo().await;
    let request = FailReq { code: 0, message: "a bug".to_owned() };
    let status = server.client().fail(&soon(), request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "a bug"));
}

/// What is rare is boxed: a call that waits keeps its future, and each move copies all of it.
#[tokio::test]
async fn the_future_of_a_call_is_small() {
    let channel = channel("static://127.0.0.1:1");
    let client = echo_service::Client::new(&channel);
    let cx = Context::with_timeout(Duration::from_secs(1));
    let bytes = size_of_val(&client.echo(&cx, EchoReq::default()));
    assert!(bytes <= 1152, "{bytes} bytes");
}
