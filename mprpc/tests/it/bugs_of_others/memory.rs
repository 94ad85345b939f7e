//! What clients can make a server keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, BytesMut};
use mprpc::{Channel, Code, Server};
use mprpc_examples::{EchoResp, EchoSlowlyReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{Doing, Gate, Running, SOON, echo_req, soon};

const MIB: usize = 1024 * 1024;
const REQUESTS: usize = 200;

/// brpc 1107, 2457: answers piled up without a bound for a client that did not read them.
#[tokio::test]
async fn answers_for_a_client_that_does_not_read_them_do_not_pile_up() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let doing = Doing::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(EchoResp { payload: vec![7; MIB].into() }) }
    });
    let server = Running::start(doing.builder()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut slow = socket.connect(server.address).await.unwrap();
    slow.write_all(&requests()).await.unwrap();
    // The server has its turns.
    let other = server.client();
    for _ in 0..1000 {
        other.echo(&soon(), echo_req("x")).await.unwrap();
    }
    // What the two kernels buffer, at most, and what the server does.
    let most = 20;
    assert!(begun.load(Ordering::Relaxed) <= most, "{begun:?}");

    // Nothing is lost to one who reads after all.
    let answered = timeout(SOON, read_answers(&mut slow)).await.expect("answers come");
    assert_eq!((answered, begun.load(Ordering::Relaxed)), (REQUESTS, REQUESTS));
}

/// The preface, SETTINGS, and requests that each name their method.
fn requests() -> Vec<u8> {
    let mut bytes = b"MPR2\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
    for call in 0..u32::try_from(REQUESTS).unwrap() {
        let path = b"echo.EchoService/EchoSlowly";
        let length = u8::try_from(path.len()).unwrap();
        bytes.extend_from_slice(&[length + 3, 0, 0, 0, 2, 1, 0, 0]);
        bytes.extend_from_slice(&call.to_le_bytes());
        bytes.extend_from_slice(&[length + 2, 0x0a, length]);
        bytes.extend_from_slice(path);
    }
    bytes
}

/// How many answers come until the last has.
async fn read_answers(stream: &mut TcpStream) -> usize {
    let mut input = BytesMut::new();
    let mut answers = 0;
    while answers < REQUESTS {
        assert_ne!(stream.read_buf(&mut input).await.unwrap(), 0);
        while let Some(header) = input.first_chunk::<12>() {
            let length = u32::from_le_bytes(*header.first_chunk().unwrap()) as usize;
            let is_response = header[4] == 3;
            if input.len() < 12 + length {
                break;
            }
            input.advance(12 + length);
            answers += usize::from(is_response);
        }
    }
    answers
}

/// Calls at work were bounded by their number only, each with as much as a request may be.
#[tokio::test]
async fn requests_at_work_on_a_connection_are_bounded_in_bytes() {
    let gate = Gate::default();
    let builder =
        Server::builder().add_service(echo_service::serve(gate.clone())).request_bytes_max(MIB);
    let server = Running::start(builder).await;
    let target = format!("static://{}", server.address);
    let channel = Channel::builder(target).connections_max(1).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let slow = |bytes: usize| {
        let (client, payload) = (client.clone(), vec![7; bytes].into());
        let request = EchoSlowlyReq { payload, delay_ms: 0 };
        tokio::spawn(async move { client.echo_slowly(&soon(), request).await })
    };
    // One alone may be longer.
    let long = slow(2 * MIB);
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    let status = slow(1).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    // A call that is given up makes room.
    long.abort();
    timeout(SOON, gate.dropped.notified()).await.expect("the handler is dropped");
    let first = slow(MIB / 2);
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    let second = slow(MIB / 3);
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    assert_eq!(slow(MIB / 3).await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
    gate.open.cancel();
    for call in [first, second, slow(MIB / 2)] {
        call.await.unwrap().unwrap();
    }
}

/// volo 641: there was no cap on connections.
#[tokio::test]
async fn connections_past_the_cap_are_closed_and_the_others_go_on() {
    let gate = Gate::default();
    let builder =
        Server::builder().add_service(echo_service::serve(gate.clone())).connections_max(1);
    let server = Running::start(builder).await;
    let client = server.client();
    client.echo(&soon(), echo_req("first")).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SOON, second.read_to_end(&mut rest)).await.expect("it is closed");
    client.echo(&soon(), echo_req("still first")).await.unwrap();
}
