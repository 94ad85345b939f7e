//! The certificate of the gateway's listeners, read again when its files change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use im_common::Shutdown;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::metrics::METRICS;

/// A chain and a key are a few KiB; whatever is longer is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Everybody on this machine could take the gateway's place.
    #[error("{} can be read by everybody (mode {mode:o}): run `chmod 600` on it", path.display())]
    Exposed {
        /// Which one.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{}", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The certificate is not that of the key, or makes no sense.
    #[error("the certificate and its key")]
    Certificate(#[from] rustls::Error),
}

/// A certificate, its chain and its key. Connections keep the one that they began with.
#[derive(Debug)]
pub(super) struct Certificates {
    cert_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    /// What was read first.
    first: Option<Stamp>,
    now: ArcSwap<CertifiedKey>,
}

/// What tells one version of the files from another.
type Stamp = [(u64, i64, i64, u64); 2];

impl Certificates {
    /// Reads them.
    ///
    /// # Errors
    /// A file that is missing, exposed or damaged, or two that do not belong together.
    pub(super) fn open(cert_file: &Path, key_file: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let first = stamp(cert_file, key_file);
        let now = ArcSwap::from_pointee(read(cert_file, key_file, &provider)?);
        let (cert_file, key_file) = (cert_file.to_owned(), key_file.to_owned());
        Ok(Arc::new(Self { cert_file, key_file, provider, first, now }))
    }

    /// What a listener needs whose clients speak `protocol`, if they name one (ALPN).
    ///
    /// Little is kept of a client: it takes home what resumes its session, sealed with a key of this
    /// process.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn config(
        self: &Arc<Self>,
        protocol: Option<&[u8]>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let mut config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        Ok(Arc::new(config))
    }

    /// Looks at the files again and again, until the shutdown. What cannot be used leaves the present
    /// certificate in use, and is said once.
    pub(super) async fn follow(self: Arc<Self>, every: Duration, shutdown: Shutdown) {
        let mut seen = self.first;
        while tokio::time::timeout(every, shutdown.triggered()).await.is_err() {
            let this = Arc::clone(&self);
            // A file may be somewhere that has gone away.
            let looked = tokio::task::spawn_blocking(move || this.look(seen)).await;
            seen = looked.unwrap_or(seen);
        }
    }

    /// Takes what the files hold if they are not those that were `seen`; what they are.
    fn look(&self, seen: Option<Stamp>) -> Option<Stamp> {
        // Before they are read: what changes meanwhile is another version.
        let stamp = stamp(&self.cert_file, &self.key_file);
        if stamp == seen {
            return seen;
        }
        match read(&self.cert_file, &self.key_file, &self.provider) {
            Ok(certificate) => {
                self.now.store(Arc::new(certificate));
                METRICS.tls_reloads.increment(1);
                tracing::info!(file = %self.cert_file.display(), "the certificate was read again");
            }
            Err(error) => {
                METRICS.tls_reload_failures.increment(1);
                let error = im_common::in_one_line(&error);
                tracing::warn!(error, "the certificate stays what it was");
            }
        }
        stamp
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

/// Nothing while a file is missing.
fn stamp(cert_file: &Path, key_file: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let of = fs::metadata(path).ok()?;
        Some((of.ino(), of.mtime(), of.mtime_nsec(), of.size()))
    };
    Some([of(cert_file)?, of(key_file)?])
}

fn read(
    cert_file: &Path,
    key_file: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let mode = fs::metadata(key_file).map_err(failed(key_file))?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TlsError::Exposed { path: key_file.into(), mode });
    }
    let damaged = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_slice_iter(&bytes_of(cert_file)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged(cert_file))?;
    let key = PrivateKeyDer::from_pem_slice(&bytes_of(key_file)?).map_err(damaged(key_file))?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    let size = fs::metadata(path).map_err(failed(path))?.size();
    if size > FILE_BYTES_MAX {
        return Err(failed(path)(io::Error::other("is too long")));
    }
    fs::read(path).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::File { path, source }
}
