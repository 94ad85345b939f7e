//! Streams whose client or server writes its frames by hand.

use std::net::SocketAddr;

use mprpc::{Code, Server};
use mprpc_examples::echo_service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Running, SOON, channel, echo_req, soon};

const SETTINGS: u8 = 1;
const REQUEST: u8 = 2;
const RESPONSE: u8 = 3;
const DATA: u8 = 8;

fn frame(kind: u8, flags: u8, call: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[length, 0, 0, 0, kind, flags, 0, 0, call, 0, 0, 0], payload].concat()
}

/// The kind and the payload of the next frame that concerns a call.
async fn next(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    loop {
        let mut header = [0; 12];
        stream.read_exact(&mut header).await.unwrap();
        let length = u32::from_le_bytes(*header.first_chunk().unwrap());
        let mut payload = vec![0; length.try_into().unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        if [RESPONSE, DATA].contains(&header[4]) {
            return (header[4], payload);
        }
    }
}

/// A connection on which call 1, to `Chat`, has begun.
async fn chat(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let open = frame(REQUEST, 0, 1, b"\x17\x0a\x15echo.EchoService/Chat");
    stream.write_all(&[&b"MPR2"[..], &frame(SETTINGS, 0, 0, b""), &open].concat()).await.unwrap();
    stream
}

fn code(head: &[u8]) -> Code {
    assert_eq!(head[1], 0x08, "the code");
    Code::from_u32(head[2].into())
}

#[tokio::test]
async fn a_client_that_lowers_its_limit_is_sent_no_longer_messages_on_its_streams() {
    let server = Running::echo().await;
    let mut stream = chat(server.address).await;
    let message = [&[0x0a, 100][..], &[7; 100]].concat();
    stream.write_all(&frame(DATA, 0, 1, &message)).await.unwrap();
    let answered = timeout(SOON, next(&mut stream)).await.expect("it is sent back");
    assert_eq!(answered, (DATA, message.clone()));

    // frame_bytes_max = 64
    let then = [frame(SETTINGS, 0, 0, &[0x08, 64]), frame(DATA, 0, 1, &message)];
    stream.write_all(&then.concat()).await.unwrap();
    let (kind, head) = timeout(SOON, next(&mut stream)).await.expect("it is refused");
    assert_eq!((kind, code(&head)), (RESPONSE, Code::ResourceExhausted));
}

/// Whose fault it is, and that a server in between says the same.
#[tokio::test]
async fn a_request_of_a_stream_that_does_not_parse_is_an_invalid_argument() {
    let server = Running::echo().await;
    let between = echo_service::serve(server.client());
    let between = Running::start(Server::builder().add_service(between)).await;
    for address in [server.address, between.address] {
        let mut stream = chat(address).await;
        stream.write_all(&frame(DATA, 0, 1, &[0x0a, 100])).await.unwrap();
        let (kind, head) = timeout(SOON, next(&mut stream)).await.expect("it is refused");
        assert_eq!((kind, code(&head)), (RESPONSE, Code::InvalidArgument), "{address}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_for_the_next_server_fails_the_call_for_that_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("static://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        // frame_bytes_max = 64
        stream.write_all(&frame(SETTINGS, 0, 0, &[0x08, 64])).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let between = echo_service::serve(echo_service::Client::new(&channel(&target)));
    let between = Running::start(Server::builder().add_service(between)).await;
    let (mut requests, mut answers) = between.client().chat(&soon()).await.unwrap();
    requests.send(echo_req(&"x".repeat(100))).await.unwrap();
    let status = timeout(SOON, answers.next()).await.expect("it is refused").unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let (mut requests, answer) = between.client().upload(&soon()).await.unwrap();
    requests.send(echo_req(&"x".repeat(100))).await.unwrap();
    let status = timeout(SOON, answer).await.expect("it is refused").unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}
