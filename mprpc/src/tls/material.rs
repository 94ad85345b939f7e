//! Files to what TLS is made with.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::TlsError;
use crate::reread::Reread;

/// Enough for hundreds of certificates; whatever is longer is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What was made of files, which is the same as long as they are.
pub(super) struct Loaded<C> {
    pub(super) config: Arc<C>,
    /// What they held.
    bytes: Vec<Vec<u8>>,
}

impl<C> PartialEq for Loaded<C> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// What `read` reads, now and again.
pub(super) fn reread<C: Send + Sync + 'static>(
    fresh: Duration,
    read: impl Fn() -> Result<Loaded<C>, TlsError> + Send + Sync + 'static,
) -> Result<Arc<Reread<Loaded<C>>>, TlsError> {
    let loaded = read()?;
    let read = move || read().map_err(|error| error.to_string());
    Ok(Reread::new("certificate", loaded, fresh, read))
}

/// No session is resumed, here and below, unless `finish` sees to it: connections live long, and each is
/// to prove anew who is there.
pub(super) fn server(
    certificates: &Path,
    key: &Path,
    clients: Option<&Path>,
    finish: &impl Fn(&mut ServerConfig),
) -> Result<Loaded<ServerConfig>, TlsError> {
    let mut files = Files::default();
    let chain = files.certificates(certificates)?;
    let private = files.key(key)?;
    let unusable = |error: rustls::Error| broken(certificates, error);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(files.roots(path)?);
            // Who shows none is refused by the call, with a status that says why.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .allow_unauthenticated()
                .build();
            builder.with_client_cert_verifier(verifier.map_err(|error| broken(path, error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(unusable)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    finish(&mut config);
    Ok(files.made(config))
}

pub(super) fn client(
    roots: &Path,
    own: Option<&(PathBuf, PathBuf)>,
) -> Result<Loaded<ClientConfig>, TlsError> {
    let mut files = Files::default();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(roots, error))?
        .with_root_certificates(files.roots(roots)?);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let (chain, private) = (files.certificates(certificates)?, files.key(key)?);
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| broken(certificates, error))?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(files.made(config))
}

/// Said each time, rather than installed for the process: that is for the program to do.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn broken(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), reason: reason.to_string() }
}

/// The files that were read.
#[derive(Default)]
struct Files(Vec<Vec<u8>>);

impl Files {
    fn made<C>(self, config: C) -> Loaded<C> {
        Loaded { config: Arc::new(config), bytes: self.0 }
    }

    fn read(&mut self, path: &Path, secret: bool) -> Result<&[u8], TlsError> {
        let failed = |error: std::io::Error| broken(path, error);
        // A pipe would be waited for, perhaps for ever.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(broken(path, "it is no file"));
        }
        let file = File::open(path).map_err(failed)?;
        #[cfg(unix)]
        if secret {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o007 != 0 {
                let text = "can be read by everybody";
                return Err(broken(path, format!("{text} (mode {mode:o}): run `chmod 600` on it")));
            }
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(broken(path, "is too long"));
        }
        self.0.push(bytes);
        Ok(self.0.last().map(Vec::as_slice).unwrap_or_default())
    }

    fn certificates(&mut self, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let bytes = self.read(path, false)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(broken(path, "holds no certificate")),
            Err(error) => Err(broken(path, error)),
        }
    }

    fn key(&mut self, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
        let bytes = self.read(path, true)?;
        // What is wrong with it is not said: it may hold a key nevertheless.
        PrivateKeyDer::from_pem_slice(bytes).map_err(|_| broken(path, "holds no private key"))
    }

    fn roots(&mut self, path: &Path) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(path)? {
            roots.add(certificate).map_err(|error| broken(path, error))?;
        }
        Ok(roots)
    }
}
