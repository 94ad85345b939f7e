//! A client of server-sent events.
//!
//! It shares no code with the server: what it understands, any program written from the standard of HTML
//! and `docs/CLIENTS.md` would.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::DEADLINE;

/// One stream.
#[derive(Debug)]
pub struct EventsClient {
    stream: BufReader<TcpStream>,
    /// Of the body, what no event was made of yet.
    unread: Vec<u8>,
    last_id: Option<String>,
}

impl EventsClient {
    /// Opens a stream for whoever has this token. It goes on after the event of that id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect(address: SocketAddr, token: &str, last_id: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).await.expect("the port takes connections");
        Self::open(stream, token, last_id).await
    }

    /// The same with a receive buffer of about `bytes`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect_with_buffer(address: SocketAddr, token: &str, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a descriptor is free");
        socket.set_recv_buffer_size(bytes).expect("a buffer can be small");
        let stream = socket.connect(address).await.expect("the port takes connections");
        Self::open(stream, token, None).await
    }

    /// Waits until the session has begun, which a comment tells.
    async fn open(stream: TcpStream, token: &str, last_id: Option<&str>) -> Self {
        match Self::ask(stream, token, last_id).await {
            Ok(mut client) => {
                let begun = timeout(DEADLINE, client.block()).await.expect("a sign in time");
                assert_eq!(begun.as_deref(), Some(":"), "the session begins");
                client
            }
            Err(refused) => panic!("no stream: {refused:?}"),
        }
    }

    /// Asks for a stream.
    ///
    /// # Errors
    /// Status and body of the refusal.
    ///
    /// # Panics
    /// When nothing is answered in time.
    pub async fn try_connect(
        address: SocketAddr,
        token: &str,
        last_id: Option<&str>,
    ) -> Result<Self, (u16, Value)> {
        let stream = TcpStream::connect(address).await.expect("the port takes connections");
        Self::ask(stream, token, last_id).await
    }

    async fn ask(
        stream: TcpStream,
        token: &str,
        last_id: Option<&str>,
    ) -> Result<Self, (u16, Value)> {
        let mut stream = BufReader::new(stream);
        let last = last_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{last}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let line = timeout(DEADLINE, stream.read_line(&mut head)).await;
            assert!(line.expect("an answer in time").expect("an answer") > 0, "{head}");
        }
        let header = |line: &str| head.lines().any(|it| it.eq_ignore_ascii_case(line));
        if head.starts_with("HTTP/1.1 200 ") {
            assert!(header("content-type: text/event-stream"), "{head}");
            assert!(header("transfer-encoding: chunked"), "{head}");
            return Ok(Self { stream, unread: Vec::new(), last_id: last_id.map(str::to_owned) });
        }
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        stream.read_exact(&mut body).await.expect("a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Err((status.expect("a status"), serde_json::from_slice(&body).expect("JSON")))
    }

    /// The id of the last event that had one, also of a former stream.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next event, its type and its data; `None` at the end of the stream.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn event(&mut self) -> Option<(u16, Value)> {
        loop {
            let block = timeout(DEADLINE, self.block()).await.expect("an event in time")?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let Some(id) = field("id: ") {
                self.last_id = Some(id.to_owned());
            }
            let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else {
                assert!(block.lines().all(|line| line.starts_with(':')), "{block:?}");
                continue;
            };
            let kind = kind.parse().expect("a number");
            return Some((kind, serde_json::from_str(data).expect("JSON")));
        }
    }

    /// The next message, whatever else comes before it.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn message(&mut self) -> (u16, Value) {
        loop {
            match self.event().await.expect("a message") {
                push @ (2001 | 2002, _) => return push,
                (9001, closing) => panic!("the stream is over: {closing}"),
                _ => {}
            }
        }
    }

    /// The lines up to the next empty one, which may be a comment; `None` at the end.
    ///
    /// # Panics
    /// When what comes is no stream.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\n\n") {
                let block = self.unread.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(block).expect("UTF-8"));
            }
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                // Half an event is none.
                return None;
            }
            self.unread.extend(chunk);
        }
    }

    /// The next chunk of the body; an empty one, the last, also when the connection broke.
    async fn chunk(&mut self) -> Vec<u8> {
        let mut length = String::new();
        if !matches!(self.stream.read_line(&mut length).await, Ok(1..)) {
            return Vec::new();
        }
        let length = usize::from_str_radix(length.trim_end(), 16).expect("a length");
        let mut chunk = vec![0; length + 2];
        match self.stream.read_exact(&mut chunk).await {
            Ok(_) => chunk.truncate(length),
            Err(_) => chunk.clear(),
        }
        chunk
    }
}
