//! The wires on sockets: who reads, who writes, who wakes whom.
//!
//! * `stream`, `listener`, `unix`, `secured`: TCP, in TLS or not, Unix sockets and pipes in memory, which
//!   the rest does not tell apart;
//! * `peer`: whom a client's connections lead to, and what is said of it;
//! * `v2_client`: a connection that many calls share; `v2_client_driver`: the one task that drives it;
//! * `v2_server`: its other end; one task reads, runs handlers and writes; `v2_leaving`: how it ends;
//! * `v2_asking`: a caller that has still to show who it is;
//! * `v2_client_streams`, `v2_server_streams`: the calls of these that stream;
//! * `classic_client`: a bounded pool of connections with one call each;
//! * `classic_server`: its other end; answers in the order of requests.

pub(crate) mod classic_client;
pub(crate) mod classic_server;
mod counted;
mod counted_stream;
mod listener;
mod peer;
#[cfg(feature = "tls")]
mod secured;
mod stream;
mod unix;
mod v2_asking;
pub(crate) mod v2_client;
mod v2_client_driver;
mod v2_client_probe;
pub(crate) mod v2_client_streams;
mod v2_leaving;
pub(crate) mod v2_server;
mod v2_server_streams;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

pub(crate) use counted_stream::CountedStream;
pub(crate) use listener::{Listener, shards};
pub(crate) use peer::Peer;
#[cfg(feature = "tls")]
pub(crate) use secured::Secured;
pub(crate) use stream::Stream;

#[cfg(feature = "tls")]
use crate::ClientTls;
use crate::local::Network;
use crate::{Address, Stage, Status, Token};

/// How much is read at once, in bytes.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Gives an empty buffer's memory back: most connections are idle most of the time.
fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
}

/// What a server makes of a client that goes away in the middle of a request.
pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the client went away in the middle of a frame")
}

/// How long a peer that is to go has to read what it was told last.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

/// Ends a connection so that what was said last arrives: closing a socket that holds unread bytes
/// throws away what it was still to send.
pub(crate) async fn say_goodbye(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let goodbye = async {
        io.shutdown().await?;
        let mut unread = [0; 512];
        while io.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // One that does not go has had its time, and one that is gone needs none.
    let _ = tokio::time::timeout(GOODBYE_MAX, goodbye).await;
}

/// What a call ends with when its connection does.
fn broken(error: &io::Error) -> crate::Status {
    crate::Status::unavailable(format!("the connection broke: {error}"))
}

/// How to reach an address.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) address: Address,
    /// Where `local:` names are looked up.
    pub(crate) network: Network,
    /// The time for connecting.
    pub(crate) timeout: Duration,
    pub(crate) credentials: Credentials,
}

/// What a client shows of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) token: Option<Token>,
    /// Whether others on the way may read it.
    pub(crate) in_clear: bool,
    /// Whether it was said that somebody is not shown it: of each channel once, who is not shown it
    /// closes the connection, and the next attempt is some seconds away.
    pub(crate) withheld: Arc<AtomicBool>,
    /// What there is over TCP, if so.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<ClientTls>,
}

impl Credentials {
    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

impl Dialer {
    /// The token to show there, if one is to be.
    pub(crate) async fn token(&self) -> Option<Bytes> {
        let token = self.credentials.token.as_ref()?;
        let stays_here = match &self.address {
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) | Address::Local(_) => true,
        };
        if !stays_here && !self.credentials.has_tls() && !self.credentials.in_clear {
            if !self.credentials.withheld.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    address = %self.address,
                    "the token is not shown there: others on the way could read it"
                );
            }
            return None;
        }
        Some(token.secrets().await.shown())
    }

    /// Connects within the time for it.
    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        let connect = async {
            let stream = match &self.address {
                Address::Tcp(address) => Stream::Tcp(TcpStream::connect(address).await?),
                Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
                Address::Local(name) => Stream::Local(self.network.connect(name).await?),
            };
            prepare(&stream)?;
            Ok(stream)
        };
        let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(self.timeout, connect).await.map_err(timed_out)?
    }

    /// Connects for the v2 wire, within the time for it: over TCP in TLS, if the channel has any.
    pub(crate) async fn connect_v2(&self) -> io::Result<Stream> {
        #[cfg(feature = "tls")]
        let until = tokio::time::Instant::now() + self.timeout;
        let stream = self.connect().await?;
        #[cfg(feature = "tls")]
        let stream = match (stream, &self.credentials.tls) {
            (Stream::Tcp(socket), Some(tls)) => {
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS: no answer in time");
                let secured = tokio::time::timeout_at(until, tls.connect(socket)).await;
                Stream::Tls(Box::new(secured.map_err(late)??))
            }
            (stream, _) => stream,
        };
        Ok(stream)
    }

    /// Connects for the classic wire, which has no TLS: it is not spoken where that is asked for.
    pub(crate) async fn connect_classic(&self) -> io::Result<Stream> {
        if self.credentials.has_tls() && self.address.tcp().is_some() {
            let text = "the channel is to use TLS, and the instance speaks only the classic wire";
            return Err(io::Error::other(text));
        }
        self.connect().await
    }
}

/// A call whose deadline has passed before anything of it was sent.
fn too_late() -> Status {
    Status::deadline_exceeded("the time for the call was over before it could be sent")
        .not_executed()
        .at(Stage::Write)
}

/// What is set on every TCP socket, at either end. Other kinds need nothing of it: their peers
/// cannot vanish without the kernel's knowing.
pub(crate) fn prepare(stream: &Stream) -> io::Result<()> {
    let Stream::Tcp(stream) = stream else { return Ok(()) };
    // Frames are gathered before they are written; the kernel need not wait for more.
    stream.set_nodelay(true)?;
    // The classic wire has no ping, and its idle connections are kept: without this, those of a
    // machine that vanished would be kept for ever.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    // Keepalive says nothing while bytes wait to be taken. A peer that takes none for so long is
    // cut off: what waits for it takes memory.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNTAKEN_MAX))?;
    Ok(())
}

/// How long bytes may wait for a peer that takes none.
const UNTAKEN_MAX: Duration = Duration::from_secs(30);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_does_not_wait_for_ever_for_a_peer_that_takes_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let timeout = Duration::from_secs(20);
        let dialer = Dialer {
            address: address.into(),
            network: Network::new(),
            timeout,
            credentials: Credentials::default(),
        };
        let Stream::Tcp(stream) = dialer.connect().await.unwrap() else { panic!("it is TCP") };
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNTAKEN_MAX));
        assert!(socket.keepalive().unwrap());
    }
}
