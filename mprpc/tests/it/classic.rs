//! Calls on the original's wire, as the original makes them and as its services answer them.

use std::time::Duration;

use bytes::BytesMut;
use mprpc::{Channel, Code, Context, Executed};
use mprpc_examples::{FailReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tracing::Level;

use crate::said::Said;
use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};
use crate::told::Told;

/// `EchoService.Echo{payload: "hi"}` and its answer.
pub(crate) const REQUEST: &[u8] = b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\x04\x0a\x02hi";
pub(crate) const RESPONSE: &[u8] = b"\x04\0\0\0\x0a\x02hi";
/// `EchoService.EchoSlowly{payload: "hi"}`.
pub(crate) const SLOW_REQUEST: &[u8] =
    b"\x1b\0\0\0\x0a\x0bEchoService\x12\x0aEchoSlowly\x18\x04\x0a\x02hi";
/// One whose arguments do not parse.
pub(crate) const BAD_ARGUMENTS: &[u8] =
    b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\x04\x0a\xffhi";

/// What the longest call that the wire takes carries, in bytes.
const BIG_BYTES: usize = 4 * 1024 * 1024 - 5;

/// `EchoService.Echo` with as much.
pub(crate) fn big_request() -> Vec<u8> {
    let mut big = b"\x18\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\x80\x80\x80\x02".to_vec();
    big.extend_from_slice(b"\x0a\xfb\xff\xff\x01");
    big.resize(big.len() + BIG_BYTES, b'x');
    big
}

async fn read_exactly(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    timeout(SOON, stream.read_exact(&mut read)).await.expect("bytes come").unwrap();
    read
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset closes it too.
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is closed");
    rest.is_empty()
}

#[tokio::test]
async fn a_call_is_answered_byte_for_byte_and_the_connection_stays_for_more() {
    let server = Running::echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(read_exactly(&mut stream, RESPONSE.len()).await, RESPONSE);
    }
}

#[tokio::test]
async fn pipelined_calls_are_answered_in_their_order() {
    let server = Running::echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // Ten at once, and the last of them in pieces.
    let mut sent = REQUEST.repeat(9);
    sent.extend_from_slice(&REQUEST[..10]);
    stream.write_all(&sent).await.unwrap();
    assert_eq!(read_exactly(&mut stream, RESPONSE.len() * 9).await, RESPONSE.repeat(9));
    stream.write_all(&REQUEST[10..]).await.unwrap();
    assert_eq!(read_exactly(&mut stream, RESPONSE.len()).await, RESPONSE);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_slow_call_behind_it_in_the_pipeline() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[REQUEST, SLOW_REQUEST, REQUEST].concat()).await.unwrap();
    assert_eq!(read_exactly(&mut stream, RESPONSE.len()).await, RESPONSE);
    gate.open.cancel();
    assert_eq!(read_exactly(&mut stream, RESPONSE.len() * 2).await, RESPONSE.repeat(2));
}

/// Closing a socket that has unread bytes throws away what was still to be sent.
#[tokio::test]
async fn a_failing_call_takes_no_earlier_answer_with_it_whatever_is_behind_it() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let socket = TcpSocket::new_v4().unwrap();
    // What it has no room for waits at the server.
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let big = big_request();
    let failing = b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Fail\x18\x02\x08\x05";
    // Requests that nobody will read.
    let behind = REQUEST.repeat(10_000);
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(&big).await.unwrap();
        // The connection may be over before all of it is written.
        let _ = writer.write_all(&[&failing[..], &behind].concat()).await;
    };
    let read = async {
        let mut read = Vec::new();
        loop {
            tokio::select! {
                biased;
                // Much of the answer is still on its way when the call behind it fails.
                () = gate.started.notified() => break,
                bytes = reader.read_buf(&mut read) => assert_ne!(bytes.unwrap(), 0),
            }
        }
        reader.read_to_end(&mut read).await.map(|_| read.len())
    };
    let (read, ()) =
        timeout(SOON, async { tokio::join!(read, write) }).await.expect("the connection ends");
    assert_eq!(read.expect("it ends well"), 4 + 5 + BIG_BYTES);
}

#[tokio::test]
async fn a_refusal_is_said_and_counted_although_the_client_resets_the_connection() {
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = Running::echo().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(BAD_ARGUMENTS).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "it is refused");
    stream.set_zero_linger().unwrap();
    drop(stream);
    told.wait_for(&[("mprpc_protocol_errors_total{}", 1.0)]).await;
    assert_eq!(said.at(Level::WARN).len(), 1, "{said:?}");
}

#[tokio::test]
async fn what_the_wire_has_no_answer_for_closes_the_connection_at_once() {
    let server = Running::echo().await;
    let unknown_method = b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Oche\x18\x04\x0a\x02hi";
    let long_header = b"\xff\xff\xff\x7f";
    let bad_header = b"\x03\0\0\0\xff\xff\xff";
    let long_arguments = b"\x19\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\xff\xff\xff\xff\x0f";
    let failing = b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Fail\x18\x02\x08\x05";
    for bytes in
        [&unknown_method[..], BAD_ARGUMENTS, long_header, bad_header, long_arguments, failing]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert!(is_closed(&mut stream).await, "{bytes:?}");

        // Those before it in the pipeline are still answered.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[REQUEST, bytes].concat()).await.unwrap();
        assert_eq!(read_exactly(&mut stream, RESPONSE.len()).await, RESPONSE);
        assert!(is_closed(&mut stream).await, "{bytes:?}");
    }
}

/// On TCP that looks as if it had closed it.
#[tokio::test]
async fn a_client_that_ends_its_sending_side_gives_up_what_is_not_answered() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[REQUEST, SLOW_REQUEST, REQUEST].concat()).await.unwrap();
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    stream.shutdown().await.unwrap();
    timeout(SOON, gate.dropped.notified()).await.expect("it is stopped");
    assert_eq!(read_exactly(&mut stream, RESPONSE.len()).await, RESPONSE);
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn our_client_calls_over_the_classic_wire() {
    let server = Running::echo().await;
    let client = server.classic_client();
    for payload in ["", "hello"] {
        let answer = client.echo(&soon(), echo_req(payload)).await.unwrap();
        assert_eq!(answer.payload, payload);
    }
    // The wire carries no status: what the caller sees is a closed connection.
    let status =
        client.fail(&soon(), FailReq { code: 5, message: String::new() }).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    assert_eq!(*status.peer().unwrap(), server.address);
    // And the next call has a new one.
    client.echo(&soon(), echo_req("again")).await.unwrap();
}

#[tokio::test]
async fn the_pool_is_bounded_and_a_call_past_the_bound_waits_within_its_deadline() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let channel = Channel::builder(format!("static://{}?wire=classic", server.address))
        .classic_connections_max(1)
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("first")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    let cx = Context::with_timeout(Duration::from_millis(50));
    let status = client.echo(&cx, echo_req("second")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::No));
    gate.open.cancel();
    first.await.unwrap().unwrap();
    client.echo(&soon(), echo_req("third")).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_sent() {
    let server = Running::echo().await;
    let client = server.classic_client();
    client.echo(&soon(), echo_req("connect")).await.unwrap();
    let late = Context::with_timeout(Duration::ZERO);
    let status = client.echo(&late, echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::DeadlineExceeded, Executed::No));
}

/// What the runtime last heard of a socket may be older than the call.
#[tokio::test]
async fn a_pooled_connection_that_was_closed_while_the_program_was_busy_is_not_used_again() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closing) = std::sync::mpsc::channel::<()>();
    let (closed, is_closed) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; REQUEST.len()]).unwrap();
            stream.write_all(RESPONSE).unwrap();
            closing.recv().unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let client = echo_service::Client::new(&channel(&format!("static://{address}?wire=classic")));
    for _ in 0..2 {
        client.echo(&soon(), echo_req("hi")).await.unwrap();
        // The runtime's only thread waits here, so it cannot hear of the close.
        close.send(()).unwrap();
        is_closed.recv().unwrap();
    }
    server.join().unwrap();
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        // Closes each connection after one answer, as a server that restarts would.
        for _ in 0..5 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = BytesMut::zeroed(REQUEST.len());
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(&request[..], REQUEST);
            stream.write_all(RESPONSE).await.unwrap();
        }
    });
    let channel = Channel::builder(format!("static://{address}?wire=classic")).build().unwrap();
    let client = echo_service::Client::new(&channel);
    for _ in 0..5 {
        let answer = client.echo(&soon(), echo_req("hi")).await.unwrap();
        assert_eq!(answer.payload, "hi");
        // The close arrives right behind the answer on loopback; let the runtime see it.
        tokio::task::yield_now().await;
    }
    server.await.unwrap();
}
