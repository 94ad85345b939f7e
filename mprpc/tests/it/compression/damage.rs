//! Compressed messages that are not what they are said to be, by hand.

use flate2::{Compress, FlushCompress};
use mprpc::{Code, Executed, Status};
use mprpc_examples::echo_service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{ABOVE, Counters, server};
use crate::support::{SOON, echo_req, soon};

const FRAME_BYTES_MAX: u32 = 4 << 20;
const REQUEST: u8 = 2;
const RESPONSE: u8 = 3;
const DATA: u8 = 8;
const END: u8 = 1;
const COMPRESSED: u8 = 2;

/// SETTINGS of a side that takes compressed messages, and no other word.
const SETTINGS: &[u8] = b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x28\x01";

fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let header = [&length.to_le_bytes()[..], &[kind, flags, 0, 0], &call.to_le_bytes()].concat();
    [&header[..], payload].concat()
}

fn echo(call: u32, flags: u8, message: &[u8]) -> Vec<u8> {
    method(call, flags, "Echo", message)
}

fn method(call: u32, flags: u8, method: &str, message: &[u8]) -> Vec<u8> {
    let path = format!("echo.EchoService/{method}");
    let length = u8::try_from(path.len()).unwrap();
    let head = [&[length + 2, 0x0a, length], path.as_bytes()].concat();
    frame(REQUEST, flags, call, &[&head[..], message].concat())
}

fn body(length: u32, data: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], data].concat()
}

fn deflate(message: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut data = Vec::with_capacity(message.len() + 64);
    Compress::new(flate2::Compression::best(), false)
        .compress_vec(message, &mut data, flush)
        .unwrap();
    data
}

/// What inflates to a gibibyte: a mebibyte of zeros, over and over.
fn bomb() -> Vec<u8> {
    let mut data = deflate(&vec![0; 1 << 20], FlushCompress::Full).repeat(1024);
    data.extend([3, 0]);
    data
}

/// What is wrong with a compressed message, and how its call ends at a server.
fn damaged() -> Vec<(&'static str, Vec<u8>, Code)> {
    let good = deflate(&[0; 1000], FlushCompress::Finish);
    let more = [&good[..], b"more"].concat();
    vec![
        ("no DEFLATE", body(100, b"\xff\xff\xff"), Code::InvalidArgument),
        ("cut off", body(1000, &good[..good.len() - 1]), Code::InvalidArgument),
        ("longer", body(999, &good), Code::InvalidArgument),
        ("shorter", body(1001, &good), Code::InvalidArgument),
        ("more behind it", body(1000, &more), Code::InvalidArgument),
        ("a bomb", body(FRAME_BYTES_MAX, &bomb()), Code::InvalidArgument),
        ("over the limit", body(FRAME_BYTES_MAX + 1, &good), Code::ResourceExhausted),
        ("of 4 GiB", body(u32::MAX, &good), Code::ResourceExhausted),
        ("no message of protobuf", body(1000, &good), Code::InvalidArgument),
    ]
}

/// What breaks the protocol where a compressed message should be.
const BROKEN: [&[u8]; 4] = [b"", b"\x10\0\0", b"\x03\0\0\0abc", b"\0\0\0\0"];

/// The kind, flags and payload of the next frame of `call`.
async fn next_frame(stream: &mut TcpStream, call: u32) -> (u8, u8, Vec<u8>) {
    loop {
        let mut header = [0; 12];
        let read = timeout(SOON, stream.read_exact(&mut header)).await;
        read.expect("a frame comes").unwrap();
        let length = u32::from_le_bytes(*header.first_chunk().unwrap());
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if header[4] == RESPONSE && u32::from_le_bytes(*header.last_chunk().unwrap()) == call {
            return (header[4], header[5], payload);
        }
    }
}

/// How a call ended: its head is empty or begins with the code.
fn code(payload: &[u8]) -> Code {
    if payload[0] == 0 { Code::Ok } else { Code::from_u32(payload[2].into()) }
}

async fn connect(address: std::net::SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[b"MPR2", first].concat()).await.unwrap();
    stream
}

async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // With an error, if what was sent was not read to its end.
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("it is closed");
}

#[tokio::test]
async fn a_damaged_request_fails_its_call_and_no_other() {
    let (counters, _guard) = Counters::listen();
    let server = server(true).await;
    let mut stream = connect(server.address, SETTINGS).await;
    for (call, (what, message, expected)) in (0..).zip(damaged()) {
        stream.write_all(&echo(call, END | COMPRESSED, &message)).await.unwrap();
        let (_, _, payload) = next_frame(&mut stream, call).await;
        assert_eq!(code(&payload), expected, "{what}");
    }
    let refused = damaged().len() as u64;
    assert_eq!(counters.take(["mprpc_requests_refused_total"]), [refused]);
    // `payload` = "to and fro" and so on, and the same comes back.
    let message = [b"\x0a\xe8\x07", &b"to and fro"[..].repeat(100)[..]].concat();
    let packed = body(1003, &deflate(&message, FlushCompress::Finish));
    stream.write_all(&echo(99, END | COMPRESSED, &packed)).await.unwrap();
    let (_, flags, payload) = next_frame(&mut stream, 99).await;
    assert_eq!(
        (flags, payload[0], &payload[1..5]),
        (END | COMPRESSED, 0, &1003_u32.to_le_bytes()[..])
    );
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_damaged_message_of_a_stream_fails_its_call_and_no_other() {
    let server = server(true).await;
    let mut stream = connect(server.address, SETTINGS).await;
    let damaged = damaged().into_iter().filter(|(.., code)| *code == Code::InvalidArgument);
    for (call, (what, message, _)) in (0..).zip(damaged) {
        stream.write_all(&method(call, 0, "Upload", b"")).await.unwrap();
        stream.write_all(&frame(DATA, COMPRESSED, call, &message)).await.unwrap();
        let (_, _, payload) = next_frame(&mut stream, call).await;
        assert!(matches!(code(&payload), Code::InvalidArgument | Code::Internal), "{what}");
    }
    stream.write_all(&echo(99, END, b"")).await.unwrap();
    assert_eq!(code(&next_frame(&mut stream, 99).await.2), Code::Ok);
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn what_breaks_the_rules_of_compression_ends_the_connection_and_no_other() {
    let server = server(true).await;
    let too_long = body(FRAME_BYTES_MAX + 1, b"data");
    for broken in BROKEN {
        is_closed(connect(server.address, &echo(0, END | COMPRESSED, broken)).await).await;
    }
    for broken in [&BROKEN[..], &[&too_long]].concat() {
        let opened = method(0, 0, "Upload", b"");
        let frames = [&opened[..], &frame(DATA, COMPRESSED, 0, broken)].concat();
        is_closed(connect(server.address, &frames).await).await;
    }
    super::call_each_kind(&super::client(&server, true)).await;
    server.stop().await;
}

#[tokio::test]
async fn compressed_data_cost_what_they_inflate_to() {
    let server = server(true).await;
    let mut frames = method(0, 0, "Upload", b"");
    let message = body(60_000, &deflate(&[0; 60_000], FlushCompress::Finish));
    // Of 64 KiB of credit two take more than there is; all of them are less than 1 KiB of bytes.
    frames.extend(frame(DATA, COMPRESSED, 0, &message).repeat(4));
    assert!(frames.len() < 1024, "{} bytes", frames.len());
    is_closed(connect(server.address, &frames).await).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_was_not_told_to_takes_no_compressed_message() {
    let server = server(false).await;
    let message = body(1000, &deflate(&[0; 1000], FlushCompress::Finish));
    is_closed(connect(server.address, &echo(0, END | COMPRESSED, &message)).await).await;
    server.stop().await;
}

/// What a client that compresses, or does not, makes of this answer of a server, which answers the
/// call after it well, on the same connection.
async fn answered(compresses: bool, payload: Vec<u8>) -> (Status, echo_service::Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = mprpc::Channel::builder(format!("static://{}", listener.local_addr().unwrap()));
    let builder = if compresses { builder.compress_above(ABOVE) } else { builder };
    let client = echo_service::Client::new(&builder.build().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(SETTINGS).await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        let mut answers = [(END | COMPRESSED, &payload[..]), (END, b"\0\x0a\x02on")].into_iter();
        let mut header = [0; 12];
        while stream.read_exact(&mut header).await.is_ok() {
            let length = u32::from_le_bytes(*header.first_chunk().unwrap());
            stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
            if header[4] == REQUEST {
                let (flags, payload) = answers.next().unwrap();
                let call = u32::from_le_bytes(*header.last_chunk().unwrap());
                stream.write_all(&frame(RESPONSE, flags, call, payload)).await.unwrap();
            }
        }
    });
    let status = client.echo(&soon(), echo_req("?")).await.unwrap_err();
    (status, client)
}

#[tokio::test]
async fn a_damaged_answer_fails_its_call_and_no_other() {
    for (what, message, expected) in damaged() {
        let payload = [b"\0", &message[..]].concat();
        let (status, client) = answered(true, payload).await;
        let expected = if expected == Code::InvalidArgument { Code::Internal } else { expected };
        assert_eq!(status.code(), expected, "{what}: {status}");
        assert_eq!(status.executed(), Executed::Maybe, "{what}: {status}");
        let next = client.echo(&soon(), echo_req("?")).await.unwrap();
        assert_eq!(next.payload, "on", "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_of_compression_ends_the_connection() {
    let good = body(1000, &deflate(&[0; 1000], FlushCompress::Finish));
    let broken = BROKEN.map(|broken| (true, broken));
    for (compresses, message) in [&broken[..], &[(false, &good)]].concat() {
        let (status, _) = answered(compresses, [b"\0", message].concat()).await;
        assert!(status.message().contains("broke the protocol"), "{status}");
        assert_eq!(status.executed(), Executed::Maybe, "{status}");
    }
}
