//! WebSocket at the gateway: the handshake, how long a connection lasts and how it ends, and that its
//! clients meet those of text lines.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::client::SOON;
use crate::fakes::{Asked, Fault, State};
use crate::system::System;

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

pub(crate) struct WebSocket {
    stream: TcpStream,
}

/// The answer to a handshake with these lines and what comes right behind it, up to its head's end.
async fn shake(addr: SocketAddr, path: &str, lines: &str, behind: &[u8]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    stream.write_all(&[request.as_bytes(), behind].concat()).await.unwrap();
    let mut head = Vec::new();
    let read = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(SOON, read).await.expect("an answer in time");
    (stream, String::from_utf8(head).unwrap())
}

impl WebSocket {
    pub(crate) async fn connect(system: &System) -> Self {
        Self::connect_with(system, "").await
    }

    /// With these lines in the head of its request.
    pub(crate) async fn connect_with(system: &System, lines: &str) -> Self {
        let (stream, head) = shake(system.http, "/ws", lines, b"").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self { stream }
    }

    /// Registers, logged in as `web`.
    pub(crate) async fn register(system: &System, name: &str) -> Self {
        let mut client = Self::connect(system).await;
        let body = json!({"username": name, "password": "password"});
        let answer = client.ask(1005, &body).await;
        assert_eq!((&answer["type"], &answer["body"]["code"]), (&json!(1006), &json!(0)));
        client
    }

    async fn send(&mut self, flags: u8, payload: &[u8]) {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![flags, 0x80 | 126];
        match u16::try_from(payload.len()).unwrap() {
            short @ ..126 => frame[1] = 0x80 | u8::try_from(short).unwrap(),
            longer => frame.extend(longer.to_be_bytes()),
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame: flags and payload; `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let flags = self.stream.read_u8().await.ok()?;
            let bytes = match self.stream.read_u8().await.unwrap() {
                126 => usize::from(self.stream.read_u16().await.unwrap()),
                short => usize::from(short),
            };
            let mut payload = vec![0; bytes];
            self.stream.read_exact(&mut payload).await.unwrap();
            Some((flags, payload))
        };
        tokio::time::timeout(SOON, read).await.expect("a frame in time")
    }

    /// The next message. It may have been asked meanwhile whether it is there.
    async fn envelope(&mut self) -> Value {
        loop {
            let (flags, payload) = self.next().await.expect("a message");
            if flags == PING {
                continue;
            }
            assert_eq!(flags, TEXT, "{}", String::from_utf8_lossy(&payload));
            return serde_json::from_slice(&payload).unwrap();
        }
    }

    pub(crate) async fn ask(&mut self, kind: u16, body: &Value) -> Value {
        let asked = json!({"type": kind, "id": "i", "body": body});
        self.send(TEXT, asked.to_string().as_bytes()).await;
        loop {
            let answer = self.envelope().await;
            // Pushes come between answers.
            if !answer["body"]["code"].is_null() {
                assert_eq!(answer["id"], "i", "{answer}");
                return answer;
            }
        }
    }

    /// The code and the reason of the last frame; nothing comes after it.
    pub(crate) async fn closing(&mut self) -> (u16, String) {
        let (flags, payload) = self.next().await.expect("the last frame");
        assert_eq!(flags, CLOSE, "{}", String::from_utf8_lossy(&payload));
        assert_eq!(self.next().await, None);
        let code = u16::from_be_bytes(payload[..2].try_into().unwrap());
        (code, String::from_utf8(payload[2..].to_vec()).unwrap())
    }
}

#[tokio::test]
async fn clients_of_web_socket_and_of_text_lines_talk() {
    let mut system = System::start().await;
    let mut ada = system.register("ada").await;
    let mut bob = WebSocket::register(&system, "bob").await;
    assert_eq!(ada.ask("SEND 2 hello").await, "+OK msg_id=1");
    let entry = system.fakes.state().timelines["c2c_1_2"][0].clone();
    system.push(&[&entry], &[1, 2]).await;
    let shown = bob.envelope().await;
    assert_eq!((&shown["type"], &shown["body"]["content"]), (&json!(2001), &json!("hello")));
    assert!(shown["id"].is_null() && shown["body"]["code"].is_null());
    let sent = bob.ask(2001, &json!({"to_user_id": 1, "content": "hi ada"})).await;
    assert_eq!((&sent["type"], &sent["body"]["seq"]), (&json!(2003), &json!(2)));
    let entry = system.fakes.state().timelines["c2c_1_2"][1].clone();
    system.push(&[&entry], &[1]).await;
    assert!(ada.line().await.ends_with("text=hi ada"));
    assert_eq!(bob.ask(4001, &json!({"op": "whoami"})).await["body"]["data"]["device"], "web");
    assert_eq!(bob.ask(1003, &json!({})).await["type"], 1004);
    assert_eq!(bob.closing().await, (1000, "logged out".to_owned()));
}

/// What is shown to nobody any more counts as delivered to nobody.
#[tokio::test]
async fn whoever_closes_in_the_middle_of_a_backlog_gets_the_rest_next_time() {
    const MESSAGES: i64 = 8_000;
    let system = System::start().await;
    let mut bob = WebSocket::register(&system, "bob").await;
    assert_eq!(bob.ask(1003, &json!({})).await["type"], 1004);
    bob.closing().await;
    for number in 1..=MESSAGES {
        system.store("c2c_1_2", 2, &format!("{number} {}", "x".repeat(2_000)));
    }
    let mut seen = 0;
    for closes_early in [true, false] {
        let mut bob = WebSocket::connect(&system).await;
        bob.ask(1001, &json!({"username": "bob", "password": "password"})).await;
        let mut again = !closes_early;
        loop {
            match bob.next().await {
                Some((TEXT, payload)) => {
                    let shown: Value = serde_json::from_slice(&payload).unwrap();
                    let seq = shown["body"]["seq"].as_i64().unwrap();
                    // What it got and did not confirm may come again.
                    let next = if again { 1..=seen + 1 } else { seen + 1..=seen + 1 };
                    assert!(next.contains(&seq), "{seq} after {seen}");
                    (seen, again) = (seq, false);
                }
                Some((CLOSE, _)) => {}
                Some(other) => panic!("{other:?}"),
                None => break,
            }
            if closes_early && seen == 1 {
                bob.send(CLOSE, &1000_u16.to_be_bytes()).await;
            }
            if seen == MESSAGES {
                break;
            }
        }
        assert_eq!(closes_early, seen < MESSAGES, "{seen}");
        if closes_early {
            let cursor = |state: &State| state.cursors.get(&(1, "web c2c_1_2".to_owned())).copied();
            system.until("it is over", |state| state.routes.is_empty()).await;
            assert!(cursor(&system.fakes.state()).unwrap_or(0) <= seen);
        }
    }
}

/// They do not wait for its answer, but they have asked.
#[tokio::test]
async fn what_was_asked_before_the_close_is_done() {
    let system = System::start().await;
    let mut bob = WebSocket::register(&system, "bob").await;
    let gate = Arc::new(Semaphore::new(0));
    system.fakes.fault("send_batch", Fault::Waits(Arc::clone(&gate)));
    let text = json!({"type": 2001, "body": {"to_user_id": 1, "content": "x"}});
    bob.send(TEXT, text.to_string().as_bytes()).await;
    bob.send(TEXT, json!({"type": 1003}).to_string().as_bytes()).await;
    bob.send(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(bob.next().await, Some((CLOSE, 1000_u16.to_be_bytes().to_vec())));
    gate.add_permits(1);
    system.until("stored", |state| state.timelines.contains_key("c2c_1_1")).await;
    let revoked = Asked::Revoke("token-bob".to_owned());
    system.until("logged out", |state| state.asked.contains(&revoked)).await;
    assert_eq!(bob.next().await, None);
}

#[tokio::test]
async fn a_handshake_with_a_token_or_from_a_foreign_page_is_refused() {
    let welcome = "https://chat.example.org";
    let system = System::with(|config| config.web_socket.origins = vec![welcome.to_owned()]).await;
    for (path, lines, status) in [
        ("/ws", "origin: https://evil.example.org\r\n", "403"),
        ("/ws?token=secret", "", "400"),
        ("/ws", "origin: https://chat.example.org\r\nsec-websocket-protocol: mpim.v1\r\n", "101"),
        ("/ws", "origin: http://x\r\n", "101"),
    ] {
        let (_, head) = shake(system.http, path, lines, b"").await;
        assert_eq!(head.split(' ').nth(1), Some(status), "{path} {lines} {head}");
        assert_eq!(head.contains("sec-websocket-protocol: mpim.v1"), lines.contains("mpim.v1"));
    }
}

/// A client need not wait for the answer to its handshake.
#[tokio::test]
async fn what_comes_right_behind_the_handshake_is_read() {
    let system = System::start().await;
    // A ping, masked with zeroes.
    let (mut stream, head) =
        shake(system.http, "/ws", "", &[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut pong = [0; 4];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut pong)).await;
    read.expect("a pong in time").unwrap();
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
}

#[tokio::test]
async fn at_the_shutdown_a_client_is_told_to_come_back() {
    let deps = im_common::Deps::default();
    let shutdown = deps.shutdown.clone();
    let system = System::with_services(|_, _| {}, deps).await;
    let mut bob = WebSocket::register(&system, "bob").await;
    shutdown.trigger();
    assert_eq!(bob.closing().await, (1001, "server shutting down".to_owned()));
}

#[tokio::test]
async fn each_connection_ends_with_its_code() {
    // One reason at a time: on a busy machine several come due at once.
    let system = System::with(|config| config.web_socket.ping_ms = 100).await;
    let mut nobody = WebSocket::connect(&system).await;
    assert_eq!(nobody.next().await, Some((PING, Vec::new())), "it was silent");
    let system = System::with(|config| config.web_socket.login_timeout_ms = 100).await;
    let mut nobody = WebSocket::connect(&system).await;
    assert_eq!(nobody.closing().await, (1008, "login timeout".to_owned()));
    let system = System::with(|config| config.web_socket.idle_ms = 2_000).await;
    let mut bob = WebSocket::register(&system, "bob").await;
    assert_eq!(bob.closing().await, (4000, "idle".to_owned()));
}

#[tokio::test]
async fn one_connection_more_than_the_bound_and_a_session_that_ends_are_told_so() {
    let system = System::with(|config| config.web_socket.connections_max = 1).await;
    let mut bob = WebSocket::register(&system, "bob").await;
    let mut second = WebSocket::connect(&system).await;
    assert_eq!(second.closing().await, (1013, "server full".to_owned()));
    let route = system.fakes.state().routes[&(1, "web".to_owned())].clone();
    let (boot_id, session_id) = (route.boot_id, route.session_id);
    let reason = "logged in elsewhere".to_owned();
    system
        .close_all(mpim_proto::CloseSessionReq {
            boot_id,
            session_id,
            reason,
            ..Default::default()
        })
        .await;
    assert_eq!(bob.closing().await, (4001, "logged in elsewhere".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_what_breaks_the_protocol_closes() {
    let system = System::start().await;
    let mut bob = WebSocket::connect(&system).await;
    let refused = bob.ask(2001, &json!({"to_user_id": 1, "content": "x"})).await;
    assert_eq!((&refused["type"], &refused["body"]["code"]), (&json!(9001), &json!(3001)));
    bob.send(TEXT, b"nonsense").await;
    assert_eq!(bob.envelope().await["body"]["code"], 4001);
    bob.send(PING, b"hey").await;
    assert_eq!(bob.next().await, Some((0x8a, b"hey".to_vec())));
    bob.send(TEXT, b"\xff").await;
    assert_eq!(bob.closing().await.0, 1007);
    let mut carol = WebSocket::connect(&system).await;
    carol.send(CLOSE, &1000_u16.to_be_bytes()).await;
    assert_eq!(carol.closing().await, (1000, String::new()));
}
