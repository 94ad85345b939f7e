//! A TCP connection in TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::say_goodbye;

/// One end, after its handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    tls: TlsStream<TcpStream>,
    /// Whether TLS may hold what the socket did not take at once. Who writes is told that it is
    /// written, since some of it may have arrived.
    unflushed: bool,
}

impl Secured {
    /// Makes the handshake with a client that has begun it with the bytes `said`.
    ///
    /// # Errors
    /// It failed, and the client was told why.
    pub(crate) async fn accept(
        socket: TcpStream,
        mut said: &[u8],
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        let accept = TlsAcceptor::from(config).accept_with(socket, |tls| {
            while !said.is_empty() && tls.read_tls(&mut said).is_ok() {}
            // What is wrong with it is found by the handshake again.
            let _ = tls.process_new_packets();
        });
        match accept.into_fallible().await {
            Ok(tls) => Ok(Self { tls: tls.into(), unflushed: false }),
            Err((error, mut socket)) => {
                say_goodbye(&mut socket).await;
                Err(error)
            }
        }
    }

    /// Makes the handshake with a server that must be `name`.
    ///
    /// # Errors
    /// It failed, and the server was told why.
    pub(crate) async fn connect(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let tls = TlsConnector::from(config).connect(name, socket).await?;
        Ok(Self { tls: tls.into(), unflushed: false })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.tls.get_ref().0
    }

    /// Whether the other side has shown a certificate, which was looked at in the handshake.
    pub(crate) fn has_certified_peer(&self) -> bool {
        self.tls.get_ref().1.peer_certificates().is_some()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Who writes nothing more still reads, and what it wrote last is to go out.
        if let Poll::Ready(Err(error)) = self.as_mut().poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        match ready!(Pin::new(&mut self.tls).poll_read(cx, buf)) {
            // An end without TLS's own farewell. v2 knows by itself whether something is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let written = ready!(Pin::new(&mut self.tls).poll_write(cx, bytes))?;
        self.unflushed = true;
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(written)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
