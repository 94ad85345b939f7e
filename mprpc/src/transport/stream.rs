//! A connection of whatever kind.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

#[cfg(feature = "tls")]
use super::Secured;
use crate::local::Pipe;

/// One end of a connection. What kind it is makes no difference to the wires.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<Secured>),
    Unix(UnixStream),
    Local(Pipe),
}

impl Stream {
    /// Whether nothing has come that was not read, and the other end has not closed it.
    ///
    /// The socket itself is asked: what the runtime last heard of it may be older.
    pub(crate) fn is_quiet(&self) -> io::Result<bool> {
        let peeked = match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]),
            // What has come may be nothing that v2 would see; it is not quiet nevertheless.
            #[cfg(feature = "tls")]
            Self::Tls(stream) => SockRef::from(stream.socket()).peek(&mut [MaybeUninit::uninit()]),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]),
            Self::Local(pipe) => return Ok(pipe.is_quiet()),
        };
        match peeked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        }
    }
}

impl Stream {
    /// How much may have come that was not read, in bytes.
    pub(crate) fn unread_max(&self) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).recv_buffer_size(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => SockRef::from(stream.socket()).recv_buffer_size(),
            Self::Unix(stream) => SockRef::from(stream).recv_buffer_size(),
            Self::Local(_) => Ok(Pipe::UNREAD_BYTES_MAX),
        }
    }
}

/// Runs an expression on the stream within.
macro_rules! on {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            Stream::Tcp(tcp) => {
                let $stream = Pin::new(tcp);
                $do
            }
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => {
                let $stream = Pin::new(tls);
                $do
            }
            Stream::Unix(unix) => {
                let $stream = Pin::new(unix);
                $do
            }
            Stream::Local(pipe) => {
                let $stream = Pin::new(pipe);
                $do
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self, stream => stream.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, stream => stream.poll_shutdown(cx))
    }
}
