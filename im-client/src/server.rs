//! Where a server is, and which protocol is spoken there.

use crate::{
    error::{BadRequest, ConnectError, ConnectionError},
    pipe::Pipe,
    protocol::{FramesDialogue, TextDialogue},
    transport::{Connection, Incoming, Transport},
    web_socket::WebSocket,
};
use im_wire::Command;
use std::{fmt, io, str::FromStr};
use tokio::net::{TcpStream, lookup_host};

/// The ports of servers that are set up as usual.
const TEXT_PORT: u16 = 6000;
const FRAMES_PORT: u16 = 6001;
const HTTP_PORT: u16 = 8080;

/// A server: the protocol to speak, and where. A name is looked up at every attempt to connect.
///
/// | written | speaks |
/// |---|---|
/// | `text://host:6000`, `host:6000` | text lines |
/// | `frames://host:6001` | binary frames |
/// | `ws://host:8080` | WebSocket, at `/ws` unless a path is given |
///
/// ```
/// let server: im_client::Server = "ws://[::1]:8080".parse()?;
/// assert_eq!(server.to_string(), "ws://[::1]:8080/ws");
/// # Ok::<(), im_client::BadServer>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    protocol: Protocol,
    host: String,
    port: u16,
    /// Empty but for WebSocket.
    path: String,
    /// All of it, for people.
    url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Text,
    Frames,
    WebSocket,
}

/// This is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// There is no such protocol, or none that this program was built with.
    #[error("{0}:// is no protocol that is spoken here; there are text, frames and ws")]
    Protocol(String),
    /// It is no `host:port`.
    #[error("{0:?} is no address of a server")]
    Address(String),
}

impl Server {
    /// Reads an address, as the table above writes them.
    ///
    /// # Errors
    ///
    /// [`BadServer`].
    pub fn parse(address: &str) -> Result<Self, BadServer> {
        let (scheme, rest) = address.split_once("://").unwrap_or(("text", address));
        let (protocol, default_port) = match scheme {
            "text" => (Protocol::Text, TEXT_PORT),
            "frames" => (Protocol::Frames, FRAMES_PORT),
            "ws" => (Protocol::WebSocket, HTTP_PORT),
            _ => return Err(BadServer::Protocol(scheme.to_owned())),
        };
        let bad = || BadServer::Address(address.to_owned());
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority).ok_or_else(bad)?;
        let port = port.unwrap_or(default_port);
        let path = match (protocol, path) {
            (Protocol::WebSocket, "") => "/ws".to_owned(),
            (Protocol::WebSocket, path) => format!("/{path}"),
            (_, "") => String::new(),
            _ => return Err(bad()),
        };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("{scheme}://{shown}:{port}{path}");
        Ok(Self { protocol, host: host.to_owned(), port, path, url })
    }

    async fn open(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn greet(&self, stream: TcpStream) -> Result<Link, ConnectionError> {
        Ok(Link(match self.protocol {
            Protocol::Text => {
                let mut pipe = Pipe::new(stream, TextDialogue::new());
                while !pipe.dialogue().is_welcomed()? {
                    pipe.transfer().await?;
                }
                Speaks::Text(pipe)
            }
            Protocol::Frames => Speaks::Frames(Pipe::new(stream, FramesDialogue::new())),
            Protocol::WebSocket => {
                Speaks::WebSocket(Box::new(WebSocket::open(stream, &self.url).await?))
            }
        }))
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                port.strip_prefix(':').or(Some(port).filter(|port| port.is_empty()).map(|_| ""))?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_host = !host.is_empty() && (authority.starts_with('[') || host.bytes().all(is_name));
    let port = match port {
        "" => None,
        digits => Some(digits.parse().ok().filter(|port| *port > 0)?),
    };
    is_host.then_some((host, port))
}

impl FromStr for Server {
    type Err = BadServer;

    fn from_str(address: &str) -> Result<Self, BadServer> {
        Self::parse(address)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Transport for Server {
    type Connection = Link;

    fn address(&self) -> &str {
        &self.url
    }

    async fn connect(&self) -> Result<Link, ConnectError> {
        let address = || self.url.clone();
        let stream = self
            .open()
            .await
            .map_err(|source| ConnectError::Unreachable { address: address(), source })?;
        let rejected = |source| ConnectError::Rejected { address: address(), source };
        self.greet(stream).await.map_err(rejected)
    }
}

/// A connection to a [`Server`].
#[derive(Debug)]
pub struct Link(Speaks);

#[derive(Debug)]
enum Speaks {
    Text(Pipe<TextDialogue>),
    Frames(Pipe<FramesDialogue>),
    WebSocket(Box<WebSocket>),
}

impl Connection for Link {
    fn start(&mut self, request: &Command) -> Result<(), BadRequest> {
        match &mut self.0 {
            Speaks::Text(pipe) => pipe.start(request),
            Speaks::Frames(pipe) => pipe.start(request),
            Speaks::WebSocket(socket) => socket.start(request),
        }
    }

    async fn next(&mut self) -> Result<Incoming, ConnectionError> {
        match &mut self.0 {
            Speaks::Text(pipe) => pipe.next().await,
            Speaks::Frames(pipe) => pipe.next().await,
            Speaks::WebSocket(socket) => socket.next().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_protocol_is_spoken_where() {
        for (written, url) in [
            ("127.0.0.1:6000", "text://127.0.0.1:6000"),
            ("text://im.example.org", "text://im.example.org:6000"),
            ("frames://im.example.org", "frames://im.example.org:6001"),
            ("frames://[::1]:7001", "frames://[::1]:7001"),
            ("ws://im.example.org", "ws://im.example.org:8080/ws"),
            ("ws://im.example.org:80/chat/ws", "ws://im.example.org:80/chat/ws"),
        ] {
            assert_eq!(Server::parse(written).expect(written).to_string(), url);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for written in [
            "",
            ":6000",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "[::1",
            "[x]:1",
            "[::1]6000",
            "text://",
            "text://host/path",
            "ho st",
            "a:b:c",
            "smtp://host",
            "ws:///ws",
        ] {
            // A port that is left out is the usual one, said or not.
            assert!(written == "host:" || Server::parse(written).is_err(), "{written:?}");
        }
    }
}
