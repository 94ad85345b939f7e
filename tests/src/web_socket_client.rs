//! A client of WebSocket.
//!
//! It shares no code with the server: what it understands, any program written from RFC 6455 and
//! `docs/CLIENTS.md` would.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;

/// One WebSocket.
#[derive(Debug)]
pub struct WebSocketClient {
    stream: TcpStream,
    pushes: VecDeque<(u16, Value)>,
    requests: u64,
}

impl WebSocketClient {
    /// Connects at the address for HTTP.
    ///
    /// # Panics
    /// When there is no WebSocket to be had.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("the port takes connections");
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Origin: http://{address}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer"));
            }
        };
        timeout(DEADLINE, read).await.expect("an answer in time");
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self { stream, pushes: VecDeque::new(), requests: 0 }
    }

    /// Sends a request and waits for its answer: type and body. What is pushed meanwhile is kept.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn ask(&mut self, kind: u16, body: Value) -> (u16, Value) {
        self.requests += 1;
        let id = json!(self.requests);
        let asked = json!({"type": kind, "id": id, "body": body});
        self.send(asked.to_string().as_bytes()).await;
        loop {
            let mut envelope = self.envelope().await;
            let (kind, body) = parts(&mut envelope);
            if envelope["id"] == id {
                return (kind, body);
            }
            assert!(body.get("code").is_none(), "an answer to something else: {kind} {body}");
            self.pushes.push_back((kind, body));
        }
    }

    /// The next push: type and body.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn push(&mut self) -> (u16, Value) {
        match self.pushes.pop_front() {
            Some(push) => push,
            None => parts(&mut self.envelope().await),
        }
    }

    /// The next message that is shown, whatever else comes before it: receipts and events come when they
    /// come.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn message(&mut self) -> (u16, Value) {
        loop {
            let push = self.push().await;
            if matches!(push.0, 2001 | 2002) {
                return push;
            }
        }
    }

    /// The code with which the server closes and its reason, whatever comes before that.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn closed(&mut self) -> (u16, String) {
        let read = async {
            loop {
                let (flags, payload) = self.frame().await;
                if let (0x88, [high, low, reason @ ..]) = (flags, &*payload) {
                    let reason = String::from_utf8(reason.to_vec()).expect("UTF-8");
                    return (u16::from_be_bytes([*high, *low]), reason);
                }
            }
        };
        timeout(DEADLINE, read).await.expect("an end in time")
    }

    async fn send(&mut self, payload: &[u8]) {
        let mask = [0x5a, 0x12, 0xc3, 0x77];
        let length = u16::try_from(payload.len()).expect("a short message");
        let mut frame = vec![0x81, 0x80 | 126];
        match u8::try_from(length) {
            Ok(short @ ..126) => frame[1] = 0x80 | short,
            _ => frame.extend(length.to_be_bytes()),
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).await.expect("the server reads");
    }

    /// The next text message.
    async fn envelope(&mut self) -> Value {
        let (flags, payload) = timeout(DEADLINE, self.frame()).await.expect("a message in time");
        assert_eq!(flags, 0x81, "no text: {}", String::from_utf8_lossy(&payload));
        serde_json::from_slice(&payload).expect("JSON")
    }

    /// The next frame, its first byte and its payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let flags = self.stream.read_u8().await.expect("a message");
        let bytes = match self.stream.read_u8().await.expect("a length") {
            126 => usize::from(self.stream.read_u16().await.expect("a length")),
            short @ ..126 => usize::from(short),
            _ => panic!("a message of more than 64 KiB, or a masked one"),
        };
        let mut payload = vec![0; bytes];
        self.stream.read_exact(&mut payload).await.expect("a whole message");
        (flags, payload)
    }
}

fn parts(envelope: &mut Value) -> (u16, Value) {
    let kind = envelope["type"].as_u64().and_then(|kind| kind.try_into().ok());
    (kind.expect("a type"), envelope["body"].take())
}
