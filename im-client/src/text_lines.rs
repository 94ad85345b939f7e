//! The text protocol over TCP.

use crate::{
    error::{ConnectError, ConnectionError},
    transport::{Answer, Connection, Incoming, Refusal, Transport},
};
use bytes::{Buf, BytesMut};
use im_wire::text::{Command, Conv, EncodeError, Hist, Line, LineDecoder, ServerLine};
use std::io;
use tokio::{
    io::Interest,
    net::{TcpStream, lookup_host},
};

/// The longest line that a server may send: a list of 100,000 ids fits.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The most messages that one `HISTORY` may bring.
const HISTORY_MAX: usize = 10_000;

/// How much is read at once.
const READ_BYTES: usize = 8 * 1024;

/// Reaches a gateway's text port.
#[derive(Debug, Clone)]
pub struct TextLines {
    address: String,
}

impl TextLines {
    /// `address` is `host:port`; a name is looked up at every attempt to connect.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }

    async fn open(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host(&self.address).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Transport for TextLines {
    type Connection = TextConnection;

    fn address(&self) -> &str {
        &self.address
    }

    async fn connect(&self) -> Result<TextConnection, ConnectError> {
        let address = || self.address.clone();
        let stream = self
            .open()
            .await
            .map_err(|source| ConnectError::Unreachable { address: address(), source })?;
        let mut connection = TextConnection::new(stream);
        let rejected = |source| ConnectError::Rejected { address: address(), source };
        // The first line is the welcome. It looks like an answer and answers nothing.
        match connection.next().await.map_err(rejected)? {
            Incoming::Answer(Ok(_)) => Ok(connection),
            Incoming::Answer(Err(Refusal(reason))) => {
                Err(rejected(ConnectionError::Closing(reason)))
            }
            Incoming::Message(_) => Err(rejected(ConnectionError::Protocol("no welcome"))),
        }
    }
}

/// A connection to a gateway's text port.
#[derive(Debug)]
pub struct TextConnection {
    stream: TcpStream,
    decoder: LineDecoder,
    output: BytesMut,
    /// The messages of an answer whose last line has not come yet.
    history: Vec<Hist<'static>>,
    /// Its conversations, likewise.
    conversations: Vec<Conv<'static>>,
}

impl TextConnection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            decoder: LineDecoder::new(LINE_BYTES_MAX),
            output: BytesMut::new(),
            history: Vec::new(),
            conversations: Vec::new(),
        }
    }

    /// Takes the next whole line, if there is one.
    fn take_line(&mut self) -> Result<Option<Incoming>, ConnectionError> {
        while let Some(line) = self.decoder.next_line() {
            let Line::Whole(line) = line else {
                return Err(ConnectionError::Protocol("a line of more than 1 MiB"));
            };
            let line = ServerLine::parse(line)
                .map_err(|_| ConnectionError::Protocol("neither a reply nor a message"))?;
            match line {
                ServerLine::Ok(text) => {
                    let history = std::mem::take(&mut self.history);
                    let conversations = std::mem::take(&mut self.conversations);
                    let answer = Answer { text, history, conversations };
                    return Ok(Some(Incoming::Answer(Ok(answer))));
                }
                ServerLine::Err(text) => {
                    self.history.clear();
                    self.conversations.clear();
                    return Ok(Some(Incoming::Answer(Err(Refusal(text)))));
                }
                ServerLine::Push(message) => return Ok(Some(Incoming::Message(message))),
                ServerLine::Hist(message) if self.history.len() < HISTORY_MAX => {
                    self.history.push(message);
                }
                ServerLine::Conv(conversation) if self.conversations.len() < HISTORY_MAX => {
                    self.conversations.push(conversation);
                }
                ServerLine::Hist(_) | ServerLine::Conv(_) => {
                    return Err(ConnectionError::Protocol("an answer without an end"));
                }
                // Nobody here says `EVENTS on`.
                ServerLine::Event(_) => {}
                ServerLine::Closing(reason) => return Err(ConnectionError::Closing(reason)),
            }
        }
        Ok(None)
    }

    /// Waits until the socket can do something, and does it. Cancel safe: it waits before it acts.
    async fn transfer(&mut self) -> Result<(), ConnectionError> {
        let interest = if self.output.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let ready = self.stream.ready(interest).await?;
        if ready.is_writable() && !self.output.is_empty() {
            match self.stream.try_write(&self.output) {
                Ok(written) => self.output.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        if ready.is_readable() {
            let mut bytes = [0; READ_BYTES];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Err(ConnectionError::Ended),
                Ok(read) => self.decoder.receive(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl Connection for TextConnection {
    fn start(&mut self, request: &Command) -> Result<(), EncodeError> {
        request.encode(&mut self.output)
    }

    async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        loop {
            if let Some(incoming) = self.take_line()? {
                return Ok(incoming);
            }
            self.transfer().await?;
        }
    }
}
