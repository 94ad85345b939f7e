//! How a client comes in, before anything of its protocol: whom its proxy says that it is, and TLS.

mod certificates;
mod forwarded;
mod proxy;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use im_common::{Deps, Tasks};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use certificates::Certificates;
pub use certificates::TlsError;
pub(crate) use forwarded::{CameFrom, Proxies};
pub(crate) use stream::ClientStream;

use crate::config::{Config, ms};
use crate::metrics::METRICS;

/// How TLS begins: a record of a handshake. No protocol of ours begins so.
const HANDSHAKE: u8 = 0x16;

/// What the listeners of a gateway have in common.
pub(crate) struct Entries {
    proxies: Arc<Proxies>,
    certificates: Option<Arc<Certificates>>,
    header_timeout: Duration,
    handshake_timeout: Duration,
}

/// The way in to one listener. Clones share it.
#[derive(Clone)]
pub(crate) struct Entry {
    proxies: Arc<Proxies>,
    tls: Option<TlsAcceptor>,
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
    /// Reads the certificate, if a listener needs it, and follows its files.
    ///
    /// # Errors
    /// The certificate cannot be used.
    pub(crate) fn open(config: &Config, deps: &Deps, tasks: &Tasks) -> Result<Self, TlsError> {
        let needs_tls = config.text.tls || config.frames.tls || config.http.tls;
        let tls = &config.tls;
        let certificates = match needs_tls {
            true => Some(Certificates::open(&tls.cert_file, &tls.key_file)?),
            false => None,
        };
        if let Some(certificates) = certificates.clone() {
            let following = certificates.follow(ms(tls.reload_ms), deps.shutdown.clone());
            tasks.spawn_essential("certificate", following);
        }
        let proxies = Arc::new(Proxies::new(config.proxy.networks()));
        let header_timeout = ms(config.proxy.header_timeout_ms);
        let handshake_timeout = ms(tls.handshake_timeout_ms);
        Ok(Self { proxies, certificates, header_timeout, handshake_timeout })
    }

    /// The way in to a listener.
    ///
    /// # Errors
    /// See [`Certificates::config`].
    pub(crate) fn entry(
        &self,
        tls: bool,
        is_behind_proxy: bool,
        protocol: Option<&[u8]>,
    ) -> Result<Entry, TlsError> {
        let certificates = self.certificates.as_ref().filter(|_| tls);
        let config = certificates.map(|certificates| certificates.config(protocol)).transpose()?;
        Ok(Entry {
            proxies: Arc::clone(&self.proxies),
            tls: config.map(TlsAcceptor::from),
            is_behind_proxy,
            header_timeout: self.header_timeout,
            handshake_timeout: self.handshake_timeout,
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

async fn secure(tls: &TlsAcceptor, stream: TcpStream) -> Result<ClientStream, Denied> {
    let mut first = [0];
    let bytes = stream.peek(&mut first).await.map_err(Denied::Gone)?;
    if bytes > 0 && first[0] != HANDSHAKE {
        return Err(Denied::Plain(stream));
    }
    let stream = tls.accept(stream).await.map_err(Denied::Gone)?;
    Ok(ClientStream::Tls(Box::new(stream)))
}
