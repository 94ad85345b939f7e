//! Something to accept connections from, of whatever kind.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Stream, unix};
use crate::Address;
use crate::local::{self, Network};

/// How many connections the kernel holds that were not accepted yet: what tokio asks it for.
const BACKLOG: usize = 1024;

/// Takes in the connections to one address.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Its file goes before it is closed.
    Unix(unix::SocketFile, UnixListener),
    Local(local::Listener),
}

impl Listener {
    /// Listens on `address`, and says which it is: port 0 takes a free one.
    pub(crate) async fn bind(address: &Address, network: &Network) -> io::Result<(Self, Address)> {
        match address {
            Address::Tcp(at) => Self::tcp(*at).await,
            Address::Unix(path) => {
                let (listener, file) = unix::listen(path).await?;
                Ok((Self::Unix(file, listener), address.clone()))
            }
            Address::Local(name) => Ok((Self::Local(network.listen(name)?), address.clone())),
        }
    }

    /// One that was made by [`shards`]; accepts on the runtime that this is called in.
    pub(crate) fn of_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(listener)?))
    }

    async fn tcp(at: SocketAddr) -> io::Result<(Self, Address)> {
        let listener = TcpListener::bind(at).await?;
        let at = listener.local_addr()?;
        Ok((Self::Tcp(listener), at.into()))
    }

    /// The next connection, and who made it. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<(Stream, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), peer.into()))
            }
            Self::Unix(_, listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), nobody()))
            }
            Self::Local(listener) => {
                let (pipe, peer) = listener.accept().await;
                Ok((Stream::Local(pipe), peer))
            }
        }
    }

    /// The connections that have been made already and are not accepted yet, and no more. Closing
    /// the listener would reset them, and there may be calls on them.
    pub(crate) fn accept_last(self) -> Vec<(Stream, Address)> {
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                let accept = || listener.accept().ok();
                let accepted = std::iter::from_fn(accept).take(BACKLOG);
                accepted
                    .filter_map(|(stream, peer)| {
                        stream.set_nonblocking(true).ok()?;
                        Some((Stream::Tcp(TcpStream::from_std(stream).ok()?), peer.into()))
                    })
                    .collect()
            }
            Self::Unix(file, listener) => {
                let Ok(listener) = listener.into_std() else { return Vec::new() };
                drop(file);
                let accept = || listener.accept().ok();
                let accepted = std::iter::from_fn(accept).take(BACKLOG);
                accepted
                    .filter_map(|(stream, _)| {
                        stream.set_nonblocking(true).ok()?;
                        Some((Stream::Unix(UnixStream::from_std(stream).ok()?), nobody()))
                    })
                    .collect()
            }
            Self::Local(mut listener) => std::iter::from_fn(|| listener.accept_last())
                .map(|(pipe, peer)| (Stream::Local(pipe), peer))
                .collect(),
        }
    }
}

/// Several listeners on one address, among which the kernel deals out connections.
///
/// # Errors
/// Somebody listens there, also if they would share: whoever is to share is among these.
pub(crate) fn shards(at: SocketAddr, shards: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let socket = || {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_cloexec(true)?;
        socket.set_reuse_address(true)?;
        Ok::<_, io::Error>(socket)
    };
    let listen = |socket: &Socket| socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX));
    let first = socket()?;
    first.bind(&at.into())?;
    first.set_reuse_port(true)?;
    listen(&first)?;
    let first = std::net::TcpListener::from(first);
    let at = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        let socket = socket()?;
        socket.set_reuse_port(true)?;
        socket.bind(&at.into())?;
        listen(&socket)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

/// The caller's end of a Unix socket has no name.
fn nobody() -> Address {
    Address::Unix(Arc::from(Path::new("")))
}
