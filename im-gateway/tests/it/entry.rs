//! How clients come in: over TLS, and through proxies.

mod certificate;
mod proxied;

use std::net::SocketAddr;
use std::time::Duration;

use im_gateway::Config;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use self::certificate::{Authority, Files};
use crate::client::SOON;
use crate::system::System;

/// A client over TLS.
type Secure = BufReader<TlsStream<TcpStream>>;

/// A gateway all of whose listeners speak TLS, and the files of its certificate.
async fn secured(change: impl FnOnce(&mut Config)) -> (System, Authority, Files) {
    let authority = Authority::new();
    let files = authority.files();
    let (cert_file, key_file) = (files.cert.clone(), files.key.clone());
    let system = System::with(move |config| {
        config.tls.cert_file = cert_file;
        config.tls.key_file = key_file;
        config.tls.reload_ms = 20;
        (config.text.tls, config.frames.tls, config.http.tls) = (true, true, true);
        change(config);
    })
    .await;
    (system, authority, files)
}

async fn line(client: &mut Secure) -> String {
    let mut line = String::new();
    let read = tokio::time::timeout(SOON, client.read_line(&mut line)).await;
    read.expect("a line in time").unwrap();
    line.trim_end_matches('\n').to_owned()
}

async fn ask(client: &mut Secure, command: &str) -> String {
    client.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    line(client).await
}

async fn text(system: &System, authority: &Authority) -> Secure {
    let mut client = BufReader::new(authority.connect(system.addr).await.unwrap());
    assert!(line(&mut client).await.starts_with("+OK welcome"));
    client
}

/// All that comes until the end.
async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
    // Reset, perhaps, or without the alert that TLS has for it.
    let _ = ended.expect("an end in time");
    String::from_utf8_lossy(&heard).into_owned()
}

async fn says(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn people_talk_over_tls_as_they_do_without() {
    let (system, authority, _files) = secured(|_| {}).await;
    let mut ada = text(&system, &authority).await;
    assert_eq!(ask(&mut ada, "REGISTER ada password").await, "+OK uid=1");
    let mut bob = text(&system, &authority).await;
    assert_eq!(ask(&mut bob, "REGISTER bob password").await, "+OK uid=2");
    // More than a record of TLS, and more than a read takes.
    let words = "w".repeat(4_000);
    for _ in 0..20 {
        ada.write_all(format!("SEND 2 {words}\n").as_bytes()).await.unwrap();
    }
    for _ in 0..20 {
        assert!(line(&mut ada).await.starts_with("+OK msg_id="));
    }
    let stopped = tokio::spawn(system.running.stop(SOON));
    assert!(line(&mut ada).await.starts_with("-ERR closing server shutting down"));
    assert_eq!(rest(ada).await, "");
    drop(bob);
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_that_a_client_over_tls_has_counts_as_delivered() {
    let (mut system, authority, _files) = secured(|_| {}).await;
    let mut ada = text(&system, &authority).await;
    assert_eq!(ask(&mut ada, "REGISTER ada password").await, "+OK uid=1");
    let entries = [system.store("c2c_1_2", 2, "first"), system.store("c2c_1_2", 2, "second")];
    system.push(&entries.iter().collect::<Vec<_>>(), &[1]).await;
    for word in ["first", "second"] {
        assert!(line(&mut ada).await.ends_with(word));
    }
    system.cursor(1, "c2c_1_2", 2).await;
}

#[tokio::test]
async fn frames_http_and_websocket_are_spoken_over_tls_too() {
    let (system, authority, _files) = secured(|_| {}).await;
    let mut frames = authority.connect(system.frames()).await.unwrap();
    // A heartbeat, and its echo.
    let heartbeat = [&10_u32.to_be_bytes()[..], &9002_u16.to_be_bytes(), &[1, 0], b"{}"].concat();
    frames.write_all(&heartbeat).await.unwrap();
    let mut echo = [0; 10];
    frames.read_exact(&mut echo).await.unwrap();
    assert_eq!(u16::from_be_bytes([echo[4], echo[5]]), 9003);

    let mut http = authority.connect(system.http).await.unwrap();
    http.write_all(b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(http).await.starts_with("HTTP/1.1 200 OK"));

    let mut http = authority.connect(system.http).await.unwrap();
    let body = r#"{"username":"ada","password":"password","cookie":true}"#;
    let head = "POST /api/register HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        content-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    http.write_all(request.as_bytes()).await.unwrap();
    let told = rest(http).await;
    assert!(told.contains("__Host-mpim_refresh=") && told.contains("; Secure;"), "{told}");

    let mut socket = authority.connect(system.http).await.unwrap();
    socket
        .write_all(
            b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .unwrap();
    let mut socket = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(socket.read_line(&mut head).await.unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    // A ping, masked with zeroes, and its pong.
    socket.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut pong = [0; 4];
    socket.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_those_who_come_and_nobody_is_disturbed() {
    let (system, authority, files) = secured(|_| {}).await;
    let mut ada = text(&system, &authority).await;
    assert_eq!(ask(&mut ada, "REGISTER ada password").await, "+OK uid=1");
    let before = authority.shown(system.addr).await;
    // One that does not belong to its key, as in the middle of a change: the old one stays.
    files.write_certificate_alone(&authority);
    assert_eq!(authority.shown(system.addr).await, before);
    files.write(&authority);
    let until = tokio::time::Instant::now() + SOON;
    while authority.shown(system.addr).await == before {
        assert!(tokio::time::Instant::now() < until, "the old certificate is still shown");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(ask(&mut ada, "WHOAMI").await.starts_with("+OK"), "who was there stays");
}

#[tokio::test]
async fn plain_words_where_tls_is_spoken_are_refused_in_the_same_language() {
    let (system, _authority, _files) = secured(|_| {}).await;
    let told = rest(says(system.addr, b"REGISTER ada password\n").await).await;
    assert_eq!(told, "-ERR closing TLS is spoken here\n");
    let told = rest(says(system.frames(), &[0, 0, 0, 10]).await).await;
    assert!(told.contains("closing TLS is spoken here"), "{told:?}");
    let told = rest(says(system.http, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{told}");
    assert!(body.contains("https"));
}

#[tokio::test]
async fn a_handshake_that_comes_to_no_end_has_a_place_only_for_a_while() {
    let (system, authority, _files) = secured(|config| {
        config.tls.handshake_timeout_ms = 200;
        config.text.connections_max = 1;
    })
    .await;
    // The beginning of a record, and nothing at all.
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b""] {
        let half = says(system.addr, bytes).await;
        assert_eq!(rest(half).await, "");
    }
    let until = tokio::time::Instant::now() + SOON;
    while authority.connect(system.addr).await.is_err() {
        assert!(tokio::time::Instant::now() < until, "the place is free again");
    }
}
