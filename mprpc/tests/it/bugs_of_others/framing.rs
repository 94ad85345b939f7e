//! Frames that are lost, or never left behind.

use mprpc::Code;
use mprpc_examples::{ListReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};

/// iroh 2572: a read that `select!` cancelled took bytes with it, and the frames after it made no
/// sense. Here each read of a stream is cancelled many times before it succeeds.
#[tokio::test]
async fn a_read_that_is_cancelled_loses_nothing() {
    let server = Running::echo().await;
    let client = server.client();
    let request = ListReq { count: 500, size: 100 };
    let mut answers = client.list(&soon(), request).await.unwrap();
    let (mut read, mut cancelled) = (0, 0);
    loop {
        tokio::select! {
            biased;
            answer = answers.next() => match answer.unwrap() {
                Some(answer) => {
                    assert_eq!(answer.payload.len(), 100);
                    read += 1;
                }
                None => break,
            },
            () = tokio::task::yield_now() => cancelled += 1,
        }
    }
    assert_eq!(read, 500);
    assert!(cancelled > 0);
}

/// iroh 2572, at the server: requests come byte by byte while calls end, are given up and the server
/// begins to stop, each of which interrupts its reading.
#[tokio::test]
async fn requests_in_pieces_are_read_whole_whatever_else_happens() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let other = server.client();
    let mut classic = TcpStream::connect(server.address).await.unwrap();
    for (n, byte) in crate::classic::REQUEST.repeat(5).iter().enumerate() {
        classic.write_all(&[*byte]).await.unwrap();
        let waiting = tokio::spawn({
            let client = other.clone();
            async move { client.echo_slowly(&soon(), slow_req("x")).await }
        });
        other.echo(&soon(), echo_req("x")).await.unwrap();
        waiting.abort();
        if n == crate::classic::REQUEST.len() * 4 {
            server.begin_to_stop();
            break;
        }
    }
    // The last request had begun; without the rest of it nothing more comes.
    classic.write_all(&crate::classic::REQUEST[1..]).await.unwrap();
    let mut answers = vec![0; crate::classic::RESPONSE.len() * 5];
    timeout(SOON, classic.read_exact(&mut answers)).await.expect("all are answered").unwrap();
    assert_eq!(answers, crate::classic::RESPONSE.repeat(5));
    server.stop().await;
}

/// tokio 3976: a codec gave the same error for ever, and whoever drove it went round and round.
#[tokio::test]
async fn bytes_that_make_no_sense_end_a_connection_once_at_either_end() {
    // At the server: a frame that only servers send, a length that is too long, a bad header.
    let server = Running::echo().await;
    let nonsense: [&[u8]; 3] = [
        b"MPR2\0\0\0\0\x03\x01\0\0\0\0\0\0",
        b"MPR2\xff\xff\xff\xff\x01\0\0\0\0\0\0\0",
        b"\xff\xff\xff\xff\0\0\0\0",
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let _ = timeout(SOON, stream.read_to_end(&mut Vec::new())).await.expect("it is closed");
    }
    server.client().echo(&soon(), echo_req("x")).await.unwrap();

    // At the client: SETTINGS, then a frame that only clients send.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("static://{}", listener.local_addr().unwrap());
    let client = echo_service::Client::new(&channel(&target));
    let call = tokio::spawn(async move { client.echo(&soon(), echo_req("x")).await });
    let (mut stream, _) = timeout(SOON, listener.accept()).await.expect("it calls").unwrap();
    stream.write_all(b"\0\0\0\0\x01\0\0\0\0\0\0\0").await.unwrap();
    // Until the request has come.
    let mut input = vec![0; 40];
    stream.read_exact(&mut input).await.unwrap();
    stream.write_all(b"\0\0\0\0\x04\0\0\0\0\0\0\0").await.unwrap();
    let status = timeout(SOON, call).await.expect("the call ends").unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let _ = timeout(SOON, stream.read_to_end(&mut input)).await.expect("it is closed");
}
