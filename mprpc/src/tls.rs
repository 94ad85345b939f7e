//! TLS: what servers and channels are told of it.

mod material;

use std::fmt;
use std::io::{
    self,
    ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof},
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;

use crate::reread::{FRESH, Reread};
use crate::transport::Secured;
use material::Loaded;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, holds something else than it should, or does not fit to the others.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A server cannot have such a name.
    #[error("`{0}` is no DNS name and no IP address")]
    Name(String),
}

/// TLS at a listener that speaks another protocol than this library's, in a program that speaks both.
///
/// The files are PEM, and are read again, at most once in a while, when a connection is made: new
/// certificates need no restart, and connections that are there stay. What cannot be used leaves
/// what was read before in use, and is counted (`mprpc_reread_failures_total`) and logged.
#[derive(Clone)]
pub struct ListenerTls(Arc<Reread<Loaded<ServerConfig>>>);

impl ListenerTls {
    /// A server that proves itself with the chain of certificates in one file, its own first, and
    /// with the private key in the other, which must not be readable by everybody. They are not
    /// looked at again before `fresh` is over, and what is made of them is `finish`ed each time: it
    /// resumes no sessions, and knows no protocols by name.
    ///
    /// # Errors
    /// Something in the files cannot be used.
    pub fn load(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        fresh: Duration,
        finish: impl Fn(&mut ServerConfig) + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let (certificates, key) = (certificates.into(), key.into());
        let read = move || material::server(&certificates, &key, None, &finish);
        Ok(Self(material::reread(fresh, read)?))
    }

    /// What the handshake of a connection is made with that has just come.
    pub async fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.get().await.config)
    }
}

/// TLS at a server: [`ServerBuilder::tls`](crate::ServerBuilder::tls). Its files are read again, at most
/// once a second, as those of a [`ListenerTls`] are.
#[derive(Clone)]
pub struct ServerTls {
    listener: ListenerTls,
    only: bool,
}

impl ServerTls {
    /// A server that proves itself with files as a [`ListenerTls`] does. With a file of root
    /// certificates in `clients`, it looks whether the certificates that clients show, if they do,
    /// are signed by one of these: [`Callers::certificates`](crate::Callers::certificates).
    ///
    /// # Errors
    /// Something in the files cannot be used.
    pub fn load(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        clients: Option<PathBuf>,
    ) -> Result<Self, TlsError> {
        let (certificates, key) = (certificates.into(), key.into());
        let read = move || material::server(&certificates, &key, clients.as_deref(), &|_| {});
        Ok(Self { listener: ListenerTls(material::reread(FRESH, read)?), only: false })
    }

    /// Takes v2 calls over TCP in TLS only (also without). The classic wire has none: who may call
    /// there is [`Callers`](crate::Callers)' business.
    #[must_use]
    pub fn only(mut self) -> Self {
        self.only = true;
        self
    }

    pub(crate) fn is_only(&self) -> bool {
        self.only
    }

    pub(crate) async fn config(&self) -> Arc<ServerConfig> {
        self.listener.config().await
    }
}

/// TLS at a channel: [`ChannelBuilder::tls`](crate::ChannelBuilder::tls). Its files are read again as
/// those of a [`ServerTls`] are.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<Reread<Loaded<ClientConfig>>>,
    name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// A channel that takes servers whose certificates are signed by one of those in `roots`, and
    /// shows them those of its `own`, a file of certificates and one of their key.
    ///
    /// # Errors
    /// Something in the files cannot be used.
    pub fn load(
        roots: impl Into<PathBuf>,
        own: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, TlsError> {
        let roots = roots.into();
        let read = move || material::client(&roots, own.as_ref());
        Ok(Self { config: material::reread(FRESH, read)?, name: None })
    }

    /// The name that servers' certificates must be for (the IP address that is connected to):
    /// addresses come from a registry, and only certificates say who is there.
    ///
    /// # Errors
    /// It is no DNS name and no IP address.
    pub fn name(mut self, name: &str) -> Result<Self, TlsError> {
        let parsed = ServerName::try_from(name.to_owned());
        self.name = Some(parsed.map_err(|_| TlsError::Name(name.to_owned()))?);
        Ok(self)
    }

    /// Makes the handshake with who is at the other end.
    ///
    /// # Errors
    /// It is not who it should be, does not take who this is, or speaks no TLS.
    pub(crate) async fn connect(&self, socket: TcpStream) -> io::Result<Secured> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => socket.peer_addr()?.ip().to_canonical().into(),
        };
        let config = Arc::clone(&self.config.get().await.config);
        Secured::connect(socket, config, name).await.map_err(|error| {
            let text = match error.kind() {
                UnexpectedEof | ConnectionReset | BrokenPipe => {
                    "TLS: the server went away in the handshake; perhaps it takes none".to_owned()
                }
                _ => format!("TLS: {error}"),
            };
            io::Error::new(error.kind(), text)
        })
    }
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerTls").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("only", &self.only).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.name).finish_non_exhaustive()
    }
}
