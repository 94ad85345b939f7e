//! One logged-in connection that speaks text lines.

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
/// A busy gateway hashes passwords one after the other; registering may have to wait.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(60);
const PASSWORD: &[u8] = b"load-password-1";

/// A connection and what was read from it.
pub(super) struct Connection {
    stream: TcpStream,
    lines: LineDecoder,
    buffer: BytesMut,
}

impl Connection {
    /// Connects, registers a user of a random name, and returns the user's id too.
    pub(super) async fn register(addr: SocketAddr) -> anyhow::Result<(Self, i64)> {
        timeout(REGISTER_TIMEOUT, Self::register_patiently(addr))
            .await
            .with_context(|| format!("{addr} did not register a user in {REGISTER_TIMEOUT:?}"))?
    }

    async fn register_patiently(addr: SocketAddr) -> anyhow::Result<(Self, i64)> {
        let stream =
            TcpStream::connect(addr).await.with_context(|| format!("connecting to {addr}"))?;
        stream.set_nodelay(true)?;
        let lines = LineDecoder::new(LINE_BYTES_MAX);
        let mut connection = Self { stream, lines, buffer: BytesMut::new() };
        connection.expect_ok().await.context("the welcome line")?;
        let username = Bytes::from(format!("load{:016x}", fastrand::u64(..)));
        let mut line = BytesMut::new();
        Command::Register { username, password: Secret::new(PASSWORD) }.encode(&mut line)?;
        connection.write(&line).await?;
        let reply = connection.expect_ok().await.context("registering")?;
        let uid = reply.strip_prefix("uid=").and_then(|uid| uid.parse().ok());
        // What a connection needs while it waits is one socket; the buffer comes back with data.
        connection.buffer = BytesMut::new();
        Ok((connection, uid.with_context(|| format!("a reply without a uid: {reply}"))?))
    }

    /// Waits for a line and returns its text if it is a success.
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
