//! What goes wrong before anybody is believed: plain words, silence, garbage, and cables that are cut.

use std::net::SocketAddr;
use std::time::Duration;

use mprpc::{Callers, Channel, Code, Executed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::certificates::{Authority, Files};
use super::{client, not_reached, serve, shown, to, who};
use crate::said::Said;
use crate::support::{Running, SOON, echo_req, soon};
use crate::told::Told;

/// How a record of a client's first words begins, of 512 bytes.
const BEGINNING: [u8; 7] = [0x16, 3, 1, 2, 0, 1, 0];

async fn says(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All that comes until the end, which comes in time.
async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut heard)).await.expect("it is closed");
    heard
}

#[tokio::test]
async fn a_server_that_takes_tls_only_says_so_to_those_who_come_without() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None).only();
    let server = serve(&tls, Callers::anybody()).await;
    let text = not_reached(to(&server)).await;
    assert!(text.contains("the server takes calls in TLS only"), "{text}");
    assert!(shown(&client(to(&server).tls(&files.client(&authority)))).await.is_ok());
    server.stop().await;
}

/// The other way round: nobody there knows how to answer.
#[tokio::test]
async fn tls_at_a_server_without_it_fails_at_once_and_is_said_on_both_sides() {
    let said = Said::listen();
    let server = Running::echo().await;
    let text = not_reached(to(&server).tls(&Files::new().client(&Authority::new("ours")))).await;
    assert!(text.contains("perhaps it takes none"), "{text}");
    assert!(said.how_often("for which this server has no certificate") > 0, "{said:?}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_drawn_out_comes_to_its_end() {
    let (mut told, _guard) = Told::listen();
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    assert_eq!(rest(says(server.address, &BEGINNING).await).await, b"");
    told.wait_for(&[("mprpc_tls_handshake_failures_total{}", 1.0)]).await;
    server.stop().await;
}

#[tokio::test]
async fn garbage_and_an_end_in_the_middle_disturb_nobody() {
    let (mut told, _guard) = Told::listen();
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let garbage = [&BEGINNING[..5], &[0xa5; 600]].concat();
    rest(says(server.address, &garbage).await).await;
    drop(says(server.address, &BEGINNING).await);
    told.wait_for(&[("mprpc_tls_handshake_failures_total{}", 2.0)]).await;
    assert!(shown(&client(to(&server).tls(&files.client(&authority)))).await.is_ok());
    server.stop().await;
}

/// One in eight of the places, as others have who have still to show who they are.
#[tokio::test]
async fn those_who_draw_handshakes_out_take_some_of_the_places_and_no_more() {
    let (mut told, _guard) = Told::listen();
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = Running::start(who().builder().tls(&tls).connections_max(8 * 17)).await;
    let mut silent = Vec::new();
    for _ in 0..=17 {
        silent.push(says(server.address, &BEGINNING).await);
    }
    told.wait_for(&[("mprpc_connections_refused_total{}", 1.0)]).await;
    assert!(shown(&server.client()).await.is_ok(), "who makes no handshake has room");
    drop(silent);
    told.wait_for(&[("mprpc_tls_handshake_failures_total{}", 17.0)]).await;
    assert!(shown(&client(to(&server).tls(&files.client(&authority)))).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_never_answers_the_handshake_costs_no_more_than_connecting_may() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::builder(format!("static://{}", listener.local_addr().unwrap()));
    let tls = Files::new().client(&Authority::new("ours"));
    let text = not_reached(channel.tls(&tls).connect_timeout(Duration::from_millis(200))).await;
    assert!(text.contains("TLS: no answer in time"), "{text}");
}

#[tokio::test]
async fn only_v2_is_spoken_within_tls() {
    let said = Said::listen();
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let mut stream = authority.connect(server.address).await;
    stream.write_all(b"\x15\0\0\0\x0a\x0bEchoService\x12\x04Echo\x18\0").await.unwrap();
    assert_eq!(rest(stream).await, b"");
    assert_eq!(said.how_often("only v2 is spoken within TLS"), 1, "{said:?}");
    server.stop().await;
}

/// Passes one connection on, and cuts it once so many bytes have come back.
async fn cut_after(bytes: u64, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(server).await.unwrap();
        let (mut from_near, mut to_near) = near.split();
        let (from_far, mut to_far) = far.split();
        let mut from_far = from_far.take(bytes);
        tokio::select! {
            _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
            _ = tokio::io::copy(&mut from_far, &mut to_near) => {}
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_is_cut_anywhere_ends_its_call_and_gives_no_wrong_answer() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), None);
    let server = serve(&tls, Callers::anybody()).await;
    let payload = "x".repeat(20_000);
    let (mut before, mut within) = (0, 0);
    // The handshake takes about a kilobyte, the answer is two records.
    for bytes in (1..20_000).step_by(431) {
        let channel =
            Channel::builder(format!("static://{}", cut_after(bytes, server.address).await));
        let caller = client(channel.tls(&files.client(&authority)));
        let call = timeout(SOON, caller.echo(&soon(), echo_req(&payload))).await;
        let status = call.expect("it does not hang").unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{bytes}: {status}");
        match status.executed() {
            Executed::No => before += 1,
            _ => within += 1,
        }
    }
    assert!(before > 0 && within > 0, "{before} and {within}");
    assert!(shown(&client(to(&server).tls(&files.client(&authority)))).await.is_ok());
    server.stop().await;
}
