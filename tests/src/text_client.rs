//! A client of text lines that can also misbehave.
//!
//! It shares no code with the server: what it understands, any program written from the protocol's
//! description would.

mod lines;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use rustix::io::ioctl_fionread;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::DEADLINE;
pub use lines::{History, Push};

/// What a client reads first.
pub const WELCOME: &str = "+OK welcome. Commands: REGISTER/LOGIN/SEND/PULL";

/// Lines that a failure shows.
const TRANSCRIPT_LINES: usize = 20;

/// One connection to the text port.
#[derive(Debug)]
pub struct TextClient {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// The line that is being read. It stays when a read is given up.
    partial: Vec<u8>,
    pushes: VecDeque<Push>,
    /// What went over the line last, for failures.
    transcript: VecDeque<String>,
}

impl TextClient {
    /// Connects and reads the welcome.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut client = Self::try_connect(address).await.expect("the text port takes connections");
        assert_eq!(client.line().await, WELCOME);
        client
    }

    /// Connects and reads nothing.
    ///
    /// # Errors
    /// Nobody is there.
    pub async fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(TcpStream::connect(address).await?))
    }

    /// Connects with a receive buffer of about `bytes`, and reads the welcome.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect_with_buffer(address: SocketAddr, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a descriptor is free");
        socket.set_recv_buffer_size(bytes).expect("a buffer can be small");
        let stream = socket.connect(address).await.expect("the text port takes connections");
        let mut client = Self::over(stream);
        assert_eq!(client.line().await, WELCOME);
        client
    }

    fn over(stream: TcpStream) -> Self {
        // Only a wish: without it the tests are slower.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
            partial: Vec::new(),
            pushes: VecDeque::new(),
            transcript: VecDeque::new(),
        }
    }

    /// Bytes that its system has for it, and that it has not read.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn unread_bytes(&self) -> u64 {
        let in_system =
            ioctl_fionread(self.reader.get_ref().as_ref()).expect("a socket can be asked");
        in_system + self.reader.buffer().len() as u64
    }

    /// Ends the connection as a program does that dies, or whose system does: by a reset, and what was
    /// not read is thrown away.
    ///
    /// # Panics
    /// Not in practice.
    pub fn reset(self) {
        let stream = self.reader.into_inner().reunite(self.writer).expect("its own halves");
        stream.set_zero_linger().expect("a socket can be told");
    }

    /// Sends a line.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, line: &str) {
        self.note(format!("> {line}"));
        self.send_bytes(format!("{line}\n").as_bytes()).await;
    }

    /// Sends bytes, which need not be a line.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_send_bytes(bytes).await {
            panic!("cannot send: {error}{}", self.seen());
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// The next line, without its end; `None` when the server has closed. Cancel safe.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn try_line(&mut self) -> io::Result<Option<String>> {
        if self.reader.read_until(b'\n', &mut self.partial).await? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned();
        // Half a line is what a connection ends with when its server was killed.
        let Some(line) = line.strip_suffix('\n') else {
            return Ok(None);
        };
        self.note(format!("< {line}"));
        Ok(Some(line.to_owned()))
    }

    /// The next line.
    ///
    /// # Panics
    /// When none comes within the deadline.
    pub async fn line(&mut self) -> String {
        match timeout(DEADLINE, self.try_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => panic!("the server closed{}", self.seen()),
            Ok(Err(error)) => panic!("the connection broke: {error}{}", self.seen()),
            Err(_) => panic!("no line within {DEADLINE:?}{}", self.seen()),
        }
    }

    /// The next line that is no push; pushes before it are kept.
    ///
    /// # Panics
    /// As [`line`](Self::line).
    pub async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await;
            match Push::parse(&line) {
                Some(push) => self.pushes.push_back(push),
                None => return line,
            }
        }
    }

    /// Sends a command and reads its reply.
    ///
    /// # Panics
    /// As [`line`](Self::line).
    pub async fn ask(&mut self, command: &str) -> String {
        self.send(command).await;
        self.reply().await
    }

    /// Sends a command whose reply is known.
    ///
    /// # Panics
    /// When it is another.
    pub async fn expect(&mut self, command: &str, reply: &str) {
        let answered = self.ask(command).await;
        assert_eq!(answered, reply, "the reply to {command:?}{}", self.seen());
    }

    /// Sends a command that is answered `+OK <name>=<number>`; the number.
    ///
    /// # Panics
    /// When it is answered otherwise.
    pub async fn number(&mut self, command: &str, name: &str) -> i64 {
        let reply = self.ask(command).await;
        let start = format!("+OK {name}=");
        let number = reply.strip_prefix(&start).and_then(|number| number.parse().ok());
        match number {
            Some(number) => number,
            None => panic!("{command:?} was answered {reply:?}{}", self.seen()),
        }
    }

    /// The next message, in the order in which they came.
    ///
    /// # Panics
    /// When none comes within the deadline, or something else does.
    pub async fn push(&mut self) -> Push {
        if let Some(push) = self.pushes.pop_front() {
            return push;
        }
        let line = self.line().await;
        match Push::parse(&line) {
            Some(push) => push,
            None => panic!("{line:?} is no message{}", self.seen()),
        }
    }

    /// The next `count` messages.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    pub async fn pushes(&mut self, count: usize) -> Vec<Push> {
        let mut pushes = Vec::with_capacity(count);
        for _ in 0..count {
            pushes.push(self.push().await);
        }
        pushes
    }

    /// `PULL`: the messages that were not taken yet and stand before its end.
    ///
    /// # Panics
    /// When it fails.
    pub async fn pull(&mut self) -> Vec<Push> {
        self.expect("PULL", "+OK pull_done").await;
        self.pushes.drain(..).collect()
    }

    /// `HISTORY` of a conversation (`7`, `g7`).
    ///
    /// # Panics
    /// When it fails.
    pub async fn history(&mut self, peer: &str, after_seq: i64, limit: u32) -> Vec<History> {
        self.send(&format!("HISTORY {peer} {after_seq} {limit}")).await;
        let mut found = Vec::new();
        loop {
            let line = self.reply().await;
            match History::parse(&line) {
                Some(message) => found.push(message),
                None => {
                    assert_eq!(line, "+OK history_done", "the end of a history{}", self.seen());
                    return found;
                }
            }
        }
    }

    /// Reads until the server closes; the lines that were left.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match timeout(DEADLINE, self.try_line()).await {
                Ok(Ok(Some(line))) => lines.push(line),
                Ok(Ok(None) | Err(_)) => return lines,
                Err(_) => panic!("not closed within {DEADLINE:?}{}", self.seen()),
            }
        }
    }

    fn note(&mut self, line: String) {
        if self.transcript.len() == TRANSCRIPT_LINES {
            self.transcript.pop_front();
        }
        self.transcript.push_back(line.chars().take(200).collect());
    }

    /// The last lines, for a failure.
    fn seen(&self) -> String {
        let lines: Vec<_> = self.transcript.iter().map(|line| format!("\n  {line}")).collect();
        format!("; the last lines:{}", lines.concat())
    }
}
