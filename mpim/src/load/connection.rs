//! One user with a connection that speaks text lines.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use im_wire::text::{Command, Line, LineDecoder, Secret, ServerLine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The gateway's longest line is far below this.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// A gateway hashes passwords a few at a time; registering may have to wait.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(60);
const PASSWORD: &[u8] = b"load-password-1";

/// A connection and what was read from it.
pub(super) struct Connection {
    stream: TcpStream,
    lines: LineDecoder,
    buffer: BytesMut,
}

/// Somebody who was registered.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) uid: i64,
    name: Bytes,
}

impl Connection {
    /// Connects and registers a user of a random name, who is logged in then.
    pub(super) async fn register(addr: SocketAddr) -> anyhow::Result<(Self, User)> {
        timeout(REGISTER_TIMEOUT, Self::register_patiently(addr))
            .await
            .with_context(|| format!("{addr} did not register a user in {REGISTER_TIMEOUT:?}"))?
    }

    async fn register_patiently(addr: SocketAddr) -> anyhow::Result<(Self, User)> {
        let mut connection = Self::open(addr).await?;
        let name = Bytes::from(format!("load{:016x}", fastrand::u64(..)));
        let (username, password) = (name.clone(), Secret::new(PASSWORD));
        let reply = connection.ask(&Command::Register { username, password }).await;
        let uid = number(&reply.context("registering")?, "uid=")?;
        // What a connection needs while it waits is one socket; the buffer comes back with data.
        connection.buffer = BytesMut::new();
        Ok((connection, User { uid, name }))
    }

    /// Connects and logs somebody in.
    pub(super) async fn log_in(addr: SocketAddr, user: &User) -> anyhow::Result<Self> {
        let mut connection = Self::open(addr).await?;
        let (username, password) = (user.name.clone(), Secret::new(PASSWORD));
        let command = Command::Login { username, password };
        timeout(REGISTER_TIMEOUT, connection.ask(&command)).await.context("logging in")??;
        Ok(connection)
    }

    async fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(addr).await.with_context(|| format!("connecting to {addr}"))?;
        stream.set_nodelay(true)?;
        let lines = LineDecoder::new(LINE_BYTES_MAX);
        let mut connection = Self { stream, lines, buffer: BytesMut::new() };
        connection.expect_ok().await.context("the welcome line")?;
        Ok(connection)
    }

    /// What follows `+OK ` in the answer to a command.
    pub(super) async fn ask(&mut self, command: &Command) -> anyhow::Result<String> {
        let mut line = BytesMut::new();
        command.encode(&mut line)?;
        self.write(&line).await?;
        self.expect_ok().await
    }

    async fn expect_ok(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(line) = self.next_line()? {
                match line {
                    ServerLine::Ok(text) => return Ok(text),
                    other => bail!("expected +OK, got {other:?}"),
                }
            }
            self.read().await?;
        }
    }

    /// Writes whole lines.
    pub(super) async fn write(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(lines).await?)
    }

    /// Waits for bytes. Cancel safe: no byte is taken unless this returns.
    pub(super) async fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.reserve(8 * 1024);
        anyhow::ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "connection closed");
        self.lines.receive(&self.buffer);
        self.buffer.clear();
        Ok(())
    }

    /// The next line that was read, if a whole one is there.
    pub(super) fn next_line(&mut self) -> anyhow::Result<Option<ServerLine>> {
        match self.lines.next_line() {
            None => Ok(None),
            Some(Line::Whole(line)) => Ok(Some(ServerLine::parse(line)?)),
            Some(Line::TooLong) => bail!("a line of more than {LINE_BYTES_MAX} bytes"),
        }
    }
}

/// The number after `field` in a reply.
pub(super) fn number(reply: &str, field: &str) -> anyhow::Result<i64> {
    let number = reply.strip_prefix(field).and_then(|number| number.parse().ok());
    number.with_context(|| format!("a reply without {field}: {reply}"))
}
