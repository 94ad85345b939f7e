//! Where a server is, and which protocol is spoken there.

use crate::{
    error::{BadRequest, ConnectError, ConnectionError},
    pipe::Pipe,
    protocol::{FramesDialogue, TextDialogue},
    stream::{self, Stream},
    transport::{Connection, Incoming, Transport},
    web_socket::WebSocket,
};
use im_wire::Command;
use std::{fmt, io, path::PathBuf, str::FromStr};
use tokio::net::TcpStream;

/// The ports of servers that are set up as usual.
const TEXT_PORT: u16 = 6000;
const FRAMES_PORT: u16 = 6001;
const HTTP_PORT: u16 = 8080;
const HTTPS_PORT: u16 = 443;

/// A server: the protocol to speak, and where. A name is looked up at every attempt to connect.
///
/// | written | speaks |
/// |---|---|
/// | `text://host:6000`, `host:6000` | text lines |
/// | `frames://host:6001` | binary frames |
/// | `ws://host:8080` | WebSocket, at `/ws` unless a path is given |
/// | `text+tls://`, `frames+tls://`, `wss://host:443` | the same behind TLS, where the feature `tls` is |
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
    /// Where TLS is spoken: with whom.
    tls: Option<Trust>,
    /// All of it, for people.
    url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Text,
    Frames,
    WebSocket,
}

/// Who may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whom the system trusts.
    System,
    /// The certificates in this file.
    File(PathBuf),
}

#[cfg(feature = "tls")]
const SCHEMES: &str = "text, frames, ws, text+tls, frames+tls and wss";
#[cfg(not(feature = "tls"))]
const SCHEMES: &str = "text, frames and ws";

/// This is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// There is no such protocol, or none that this program was built with.
    #[error("{0}:// is no protocol that is spoken here; there are {SCHEMES}")]
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
        let (protocol, default_port, is_tls) = match scheme {
            "text" => (Protocol::Text, TEXT_PORT, false),
            "frames" => (Protocol::Frames, FRAMES_PORT, false),
            "ws" => (Protocol::WebSocket, HTTP_PORT, false),
            "text+tls" => (Protocol::Text, TEXT_PORT, true),
            "frames+tls" => (Protocol::Frames, FRAMES_PORT, true),
            "wss" => (Protocol::WebSocket, HTTPS_PORT, true),
            _ => return Err(BadServer::Protocol(scheme.to_owned())),
        };
        if is_tls && cfg!(not(feature = "tls")) {
            return Err(BadServer::Protocol(scheme.to_owned()));
        }
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
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port,
            tls: is_tls.then_some(Trust::System),
            url,
        })
    }

    /// Trusts whom the certificates in this file (PEM) vouch for, and not whom the system trusts. The file
    /// is read at every attempt to connect. Where no TLS is spoken it means nothing.
    #[must_use]
    pub fn trusting(mut self, certificates: impl Into<PathBuf>) -> Self {
        self.tls = self.tls.map(|_| Trust::File(certificates.into()));
        self
    }

    async fn secure(&self, stream: TcpStream) -> io::Result<Stream> {
        #[cfg(feature = "tls")]
        if let Some(trust) = &self.tls {
            let secured = crate::tls::secure(stream, &self.host, trust.clone()).await?;
            return Ok(Stream::Tls(Box::new(secured)));
        }
        Ok(Stream::Plain(stream))
    }

    async fn greet(&self, stream: Stream) -> Result<Link, ConnectionError> {
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
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => {
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
        }
    };
    if host.is_empty() || !(authority.starts_with('[') || host.bytes().all(is_name)) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(digits) => Some((host, Some(digits.parse().ok().filter(|port| *port > 0)?))),
    }
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
        let stream = stream::connect(&self.host, self.port)
            .await
            .map_err(|source| ConnectError::Unreachable { address: address(), source })?;
        let stream = self
            .secure(stream)
            .await
            .map_err(|source| ConnectError::Tls { address: address(), source })?;
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
    fn tls_is_spoken_by_those_who_were_built_with_it() {
        let parsed = Server::parse("wss://im.example.org").map(|server| server.to_string());
        match cfg!(feature = "tls") {
            true => assert_eq!(parsed.as_deref(), Ok("wss://im.example.org:443/ws")),
            false => assert_eq!(parsed, Err(BadServer::Protocol("wss".to_owned()))),
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
            assert!(Server::parse(written).is_err(), "{written:?}");
        }
    }
}
