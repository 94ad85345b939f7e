//! A client of binary frames.
//!
//! It shares no code with the server: what it understands, any program written from `docs/CLIENTS.md`
//! would.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;

/// One connection to the port for frames.
#[derive(Debug)]
pub struct FramesClient {
    stream: TcpStream,
    pushes: VecDeque<(u16, Value)>,
    requests: u64,
}

impl FramesClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody is there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the port takes connections");
        Self { stream, pushes: VecDeque::new(), requests: 0 }
    }

    /// Sends a request and waits for its answer: type and body. What is pushed meanwhile is kept.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn ask(&mut self, kind: u16, mut body: Value) -> (u16, Value) {
        self.requests += 1;
        let id = json!(self.requests);
        body["id"] = id.clone();
        self.send(kind, &body).await;
        loop {
            let (kind, body) = self.frame().await.expect("an answer");
            if body["id"] == id {
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
            None => self.frame().await.expect("a push"),
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

    async fn send(&mut self, kind: u16, body: &Value) {
        let body = body.to_string();
        let length = u32::try_from(8 + body.len()).expect("a frame is short");
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(kind.to_be_bytes());
        frame.extend([1, 0]);
        frame.extend(body.as_bytes());
        self.stream.write_all(&frame).await.expect("the server reads");
    }

    /// The next frame; `None` at the end of the connection.
    async fn frame(&mut self) -> Option<(u16, Value)> {
        let read = async {
            let mut header = [0; 8];
            if self.stream.read_exact(&mut header).await.is_err() {
                return None;
            }
            let [a, b, c, d, kind @ .., version, reserved] = header;
            assert_eq!((version, reserved), (1, 0));
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).expect("it fits");
            let mut body = vec![0; length - header.len()];
            self.stream.read_exact(&mut body).await.expect("a whole frame");
            let body = serde_json::from_slice(&body).expect("a JSON body");
            Some((u16::from_be_bytes(kind), body))
        };
        timeout(DEADLINE, read).await.expect("a frame in time")
    }
}
