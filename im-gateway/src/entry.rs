//! How a client comes in, before anything of its protocol: whom its proxy says that it is, and TLS.

mod certificate;
mod forwarded;
mod proxy;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mprpc::{ListenerTls, TlsError};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

pub(crate) use forwarded::{CameFrom, Proxies};
pub(crate) use stream::ClientStream;

use crate::config::{Config, TlsConfig, ms};
use crate::metrics::METRICS;

/// How TLS begins: a record of a handshake. No protocol of ours begins so.
const HANDSHAKE: u8 = 0x16;

/// What the listeners of a gateway have in common.
pub(crate) struct Entries {
    proxies: Arc<Proxies>,
    tls: TlsConfig,
    header_timeout: Duration,
}

/// The way in to one listener. Clones share it.
#[derive(Clone)]
pub(crate) struct Entry {
    proxies: Arc<Proxies>,
    tls: Option<ListenerTls>,
    /// Whether each connection begins with the header of a proxy.
    is_behind_proxy: bool,
    header_timeout: Duration,
    handshake_timeout: Duration,
}

/// A client that does not get in.
#[derive(Debug)]
pub(crate) enum Denied {
    /// It speaks no TLS where only that is spoken: perhaps it wants to know.
    Plain(TcpStream),
    /// Nobody is there who could be told.
    Gone(io::Error),
}

impl Entries {
    pub(crate) fn new(config: &Config) -> Self {
        let proxies = Arc::new(Proxies::new(config.proxy.networks()));
        let header_timeout = ms(config.proxy.header_timeout_ms);
        Self { proxies, tls: config.tls.clone(), header_timeout }
    }

    /// The way in to a listener. Its certificate is read again when its files change.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub(crate) fn entry(
        &self,
        tls: bool,
        is_behind_proxy: bool,
        protocol: Option<&'static [u8]>,
    ) -> Result<Entry, TlsError> {
        Ok(Entry {
            proxies: Arc::clone(&self.proxies),
            tls: if tls { Some(certificate::open(&self.tls, protocol)?) } else { None },
            is_behind_proxy,
            header_timeout: self.header_timeout,
            handshake_timeout: ms(self.tls.handshake_timeout_ms),
        })
    }
}

impl Entry {
    /// Whether a connection has nothing to wait for here.
    pub(crate) fn is_open(&self) -> bool {
        self.tls.is_none() && !self.is_behind_proxy
    }

    /// Whom to believe of where requests come from.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Lets a connection in; from where it comes, as far as is known.
    ///
    /// # Errors
    /// It does not get in. That is counted.
    pub(crate) async fn enter(
        &self,
        mut stream: TcpStream,
        mut from: SocketAddr,
    ) -> Result<(ClientStream, SocketAddr), Denied> {
        if self.is_behind_proxy {
            from = self.introduced(&mut stream, from).await.map_err(|error| {
                METRICS.proxy_refused.increment(1);
                tracing::debug!(%from, %error, "a connection does not come through a proxy");
                Denied::Gone(error)
            })?;
        }
        let Some(tls) = &self.tls else { return Ok((ClientStream::Plain(stream), from)) };
        let secured = tokio::time::timeout(self.handshake_timeout, secure(tls, stream)).await;
        let secured = secured.unwrap_or_else(|_| Err(Denied::Gone(io::ErrorKind::TimedOut.into())));
        let secured = secured.inspect_err(|denied| {
            METRICS.tls_handshake_failures.increment(1);
            match denied {
                Denied::Plain(_) => tracing::debug!(%from, "a client does not speak TLS"),
                Denied::Gone(error) => tracing::debug!(%from, %error, "a handshake failed"),
            }
        })?;
        METRICS.tls_handshakes.increment(1);
        Ok((secured, from))
    }

    /// From where a connection comes that a proxy brings.
    async fn introduced(&self, stream: &mut TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
        if !self.proxies.has(peer.ip()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let header = tokio::time::timeout(self.header_timeout, proxy::read(stream)).await;
        Ok(header.map_err(|_| io::ErrorKind::TimedOut)??.unwrap_or(peer))
    }
}

async fn secure(tls: &ListenerTls, stream: TcpStream) -> Result<ClientStream, Denied> {
    let mut first = [0];
    let bytes = stream.peek(&mut first).await.map_err(Denied::Gone)?;
    if bytes > 0 && first[0] != HANDSHAKE {
        return Err(Denied::Plain(stream));
    }
    let accept = TlsAcceptor::from(tls.config().await).accept(stream);
    let stream = accept.await.map_err(Denied::Gone)?;
    Ok(ClientStream::Tls(Box::new(stream)))
}
