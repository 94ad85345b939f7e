//! A client that speaks lines.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long a test waits for something that must come.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects, and takes the first line, whatever it is.
    pub(crate) async fn connect(addr: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        let first = client.line().await;
        (client, first)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// The next line; `closed` at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(SOON, self.stream.read_line(&mut line));
        match read.await.expect("a line in time") {
            Ok(0) => "closed".to_owned(),
            Ok(_) => line.trim_end_matches('\n').to_owned(),
            Err(error) => format!("broken: {error}"),
        }
    }

    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.line().await);
        }
        lines
    }

    /// Sends a command and takes the next line.
    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\n").as_bytes()).await;
        self.line().await
    }

    /// Sends a command and takes all lines up to its reply.
    pub(crate) async fn ask_all(&mut self, command: &str) -> Vec<String> {
        self.send(format!("{command}\n").as_bytes()).await;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let end = line.starts_with("+OK") || line.starts_with("-ERR") || line == "closed";
            lines.push(line);
            if end {
                return lines;
            }
        }
    }

    /// Says that it has nothing more to say, and listens on.
    pub(crate) async fn half_close(&mut self) {
        self.stream.get_mut().shutdown().await.unwrap();
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// The texts of `MSG` lines.
pub(crate) fn texts(lines: &[String]) -> Vec<&str> {
    let text = |line: &String| -> Option<usize> { line.find(" text=").map(|at| at + 6) };
    lines
        .iter()
        .map(|line| match text(line) {
            Some(at) if line.starts_with("MSG ") => &line[at..],
            _ => panic!("not a message: {line}"),
        })
        .collect()
}
