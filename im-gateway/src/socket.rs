//! What a connection's bytes go through.

mod marks;
mod tls;

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use tls::Tls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

use crate::entry::ClientStream;
use crate::kernel;
use crate::pipe::Pipe;

/// Bytes at once of what is read and not looked at any more.
const IGNORED_BYTES: usize = 512;

/// A connection's socket. Nothing here waits but [`ready`](Self::ready) and [`linger`](Self::linger).
#[derive(Debug)]
pub(crate) enum Socket {
    /// The body of a response: only out.
    Body(Pipe),
    /// TCP as it is.
    Plain {
        stream: TcpStream,
        /// Bytes that the kernel took.
        written: u64,
    },
    /// TLS. Boxed: most that is encrypted is so by a proxy, and should not pay for it here.
    Tls(Box<Tls>),
}

impl From<ClientStream> for Socket {
    fn from(stream: ClientStream) -> Self {
        match stream {
            ClientStream::Plain(stream) => Self::plain(stream),
            ClientStream::Tls(stream) => {
                let (stream, session) = stream.into_inner();
                Self::Tls(Box::new(Tls::new(stream, session)))
            }
        }
    }
}

impl Socket {
    /// A connection that was accepted.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::Plain { stream, written: 0 }
    }

    /// Reads what is there; 0 at the end. [`io::ErrorKind::WouldBlock`] when nothing is.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Body(pipe) => pipe.try_read(),
            Self::Plain { stream, .. } => stream.try_read(buffer),
            Self::Tls(tls) => tls.try_read(buffer),
        }
    }

    /// Writes as much as there is room for. [`io::ErrorKind::WouldBlock`] when there is none.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Body(pipe) => pipe.try_write(bytes),
            Self::Plain { stream, written } => {
                let taken = stream.try_write(bytes)?;
                *written += taken as u64;
                Ok(taken)
            }
            Self::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Whether something that was written is not with the kernel yet, and waits for room there.
    pub(crate) fn is_flushing(&self) -> bool {
        match self {
            Self::Body(_) | Self::Plain { .. } => false,
            Self::Tls(tls) => tls.is_flushing(),
        }
    }

    /// Hands that to the kernel, as much as there is room for.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Body(_) | Self::Plain { .. } => Ok(()),
            Self::Tls(tls) => tls.flush().map(drop),
        }
    }

    /// Waits until it is worth trying again. Errors show when the socket is read or written. Cancel safe.
    pub(crate) async fn ready(&self, interest: Interest) {
        match self {
            Self::Body(pipe) => pipe.ready(interest).await,
            Self::Plain { stream, .. } => {
                let _ = stream.ready(interest).await;
            }
            Self::Tls(tls) if interest.is_readable() && tls.has_text() => {}
            Self::Tls(tls) => {
                let _ = tls.stream.ready(interest).await;
            }
        }
    }

    /// So many of the bytes that were written are with the peer's kernel; `None` if ours does not say.
    /// Of a response: with HTTP, and whatever has arrived its client says.
    pub(crate) fn peer_has(&mut self) -> Option<u64> {
        match self {
            Self::Body(pipe) => Some(pipe.taken()),
            Self::Plain { stream, written } => {
                let on_their_way = kernel::unacknowledged_bytes(stream.as_fd()).ok()?;
                Some(written.saturating_sub(on_their_way))
            }
            Self::Tls(tls) => tls.peer_has(),
        }
    }

    /// Bytes that have arrived and were not read. If the kernel does not say, none.
    pub(crate) fn unread(&mut self) -> usize {
        match self {
            Self::Body(_) => 0,
            Self::Plain { stream, .. } => {
                let bytes = rustix::io::ioctl_fionread(stream).unwrap_or(0);
                usize::try_from(bytes).unwrap_or(usize::MAX)
            }
            Self::Tls(tls) => tls.unread(),
        }
    }

    /// Whether the peer has reset the connection, which no read has met yet.
    pub(crate) fn is_reset(&self) -> bool {
        match self {
            Self::Body(pipe) => pipe.is_gone(),
            Self::Plain { stream, .. } => !matches!(stream.take_error(), Ok(None)),
            Self::Tls(tls) => !matches!(tls.stream.take_error(), Ok(None)),
        }
    }

    /// Gives the client the time to read `rest` and what was written before: a socket that is closed
    /// with unread input resets the connection, and then the last word may never be seen.
    pub(crate) async fn linger(self, rest: &[u8], at_most: Duration) {
        let last = async {
            let mut stream = match self {
                Self::Body(pipe) => return pipe.finish(rest).await,
                Self::Plain { mut stream, .. } => {
                    stream.write_all(rest).await?;
                    stream
                }
                Self::Tls(mut tls) => {
                    tls.finish(rest).await?;
                    tls.stream
                }
            };
            stream.shutdown().await?;
            let mut ignored = [0; IGNORED_BYTES];
            while stream.read(&mut ignored).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // Whatever goes wrong now, there is nobody left to tell.
        let _ = tokio::time::timeout(at_most, last).await;
    }
}
