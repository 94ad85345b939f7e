//! Callers that have shown nothing, and what they may take of a server that asks who calls.

use mprpc::{Callers, Channel, Code, ServerBuilder, Token};
use mprpc_examples::echo_service;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::said::Said;
use crate::support::{Doing, Running, SOON, echo_req, soon};
use crate::told::Told;

const SECRET: &str = "0123456789abcdef";
/// The preface, and SETTINGS that say nothing.
const BEGINS: &[u8] = b"MPR2\0\0\0\0\x01\0\0\0\0\0\0\0";
/// The longest payload of a REQUEST, in bytes.
const REQUEST_BYTES_MAX: u32 = 4 * 1024 * 1024;

fn asking() -> ServerBuilder {
    let token = Token::new(SECRET).unwrap();
    Doing::new(|_, _| async { panic!("nobody calls it") })
        .builder()
        .callers(Callers::anybody().token(&token).advice("ask its operator"))
}

async fn says(server: &Running, bytes: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&bytes.concat()).await.unwrap();
    stream
}

/// Everything until the end. A reset is one, too.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
    let _ = ended.expect("it is closed");
    heard
}

fn frame(kind: u8, call: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..], &[kind, 1, 0, 0, call, 0, 0, 0], payload].concat()
}

fn holds(heard: &[u8], text: &str) -> bool {
    heard.windows(text.len()).any(|heard| heard == text.as_bytes())
}

#[tokio::test]
async fn a_stranger_s_message_is_refused_when_it_is_announced_and_not_when_it_is_there() {
    let server = Running::start(asking()).await;
    let announced = [&REQUEST_BYTES_MAX.to_le_bytes()[..], &[2, 1, 0, 0, 7, 0, 0, 0]].concat();
    let mut stream = says(&server, &[BEGINS, &announced]).await;
    let mut heard = Vec::new();
    // A RESPONSE to call 7, long before the message could be whole.
    let answer = [3, 1, 0, 0, 7, 0, 0, 0];
    while !heard.windows(answer.len()).any(|heard| heard == answer) {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut heard)).await;
        assert!(read.expect("it is answered").unwrap() > 0, "{heard:?}");
    }
    assert!(holds(&rest(&mut stream).await, "ask its operator"), "it is told what to do");
    server.stop().await;
}

#[tokio::test]
async fn strangers_have_few_places_and_take_none_from_the_others() {
    let (mut told, _guard) = Told::listen();
    let server = Running::start(asking().connections_max(128)).await;
    let mut strangers = Vec::new();
    for _ in 0..16 {
        let mut stream = says(&server, &[BEGINS]).await;
        // Its SETTINGS: it has got a place.
        stream.read_exact(&mut [0; 12]).await.unwrap();
        strangers.push(stream);
    }
    assert_eq!(rest(&mut says(&server, &[BEGINS]).await).await, b"");
    told.wait_for(&[("mprpc_connections_refused_total{}", 1.0)]).await;
    drop(strangers);
    // Each attempt is a connection of its own; the places are free once the ends were seen.
    let token = Token::new(SECRET).unwrap();
    let target = format!("static://{}", server.address);
    let until = tokio::time::Instant::now() + SOON;
    loop {
        let channel = Channel::builder(&target).token(&token).build().unwrap();
        let client = echo_service::Client::new(&channel);
        match client.echo(&soon(), echo_req("x")).await {
            Ok(_) => break,
            Err(status) => assert!(tokio::time::Instant::now() < until, "{status}"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_leaves_no_way_round_on_the_classic_wire() {
    let said = Said::listen();
    let server = Running::start(asking()).await;
    let status = server.classic_client().echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(said.how_often("classic callers are not taken from there") > 0, "{said:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_strangers() {
    let server = Running::start(asking()).await;
    let mut silent = says(&server, &[BEGINS]).await;
    let mut refused = says(&server, &[BEGINS, &frame(2, 7, b"")]).await;
    silent.read_exact(&mut [0; 12]).await.unwrap();
    refused.read_exact(&mut [0; 12]).await.unwrap();
    server.stop().await;
    rest(&mut silent).await;
    rest(&mut refused).await;
}

#[tokio::test]
async fn an_auth_that_breaks_the_protocol_is_in_no_log_line() {
    let said = Said::listen();
    let server = Running::start(asking()).await;
    let auth = frame(10, 0, &[b"\x0a\x10", SECRET.as_bytes()].concat());
    let damaged = frame(10, 0, &[b"\x0a\x7f", SECRET.as_bytes()].concat());
    let request = frame(2, 7, b"\0");
    let broken: [&[&[u8]]; 3] = [&[&damaged], &[&auth, &auth], &[&request, &auth]];
    for frames in broken {
        let mut stream = says(&server, &[&[BEGINS], frames].concat()).await;
        rest(&mut stream).await;
    }
    assert_eq!(said.how_often("connection closed"), 3, "{said:?}");
    assert!(!format!("{said:?}").contains(SECRET), "{said:?}");
    server.stop().await;
}
