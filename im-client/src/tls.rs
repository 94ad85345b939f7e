//! TLS: finding out that a server is who it says.

use crate::server::Trust;
use std::{fmt, io, path::Path, sync::Arc};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// Speaks TLS with whoever is at the other end, if they prove to be `host`.
///
/// # Errors
///
/// They do not, or do not speak TLS, or nobody is known who could vouch for them.
pub(crate) async fn secure(
    stream: TcpStream,
    host: &str,
    trust: Trust,
) -> io::Result<TlsStream<TcpStream>> {
    let roots = spawn_blocking(move || match trust {
        Trust::System => of_system(),
        Trust::File(path) => of_file(&path),
    });
    let roots = roots.await.map_err(io::Error::other)??;
    // Named, since a program may have others, and then there is none that is taken by itself.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn of_file(path: &Path) -> io::Result<RootCertStore> {
    let unusable = |why: &dyn fmt::Display| {
        io::Error::other(format!("cannot use the certificates in {}: {why}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    match roots.is_empty() {
        true => Err(unusable(&"there are none")),
        false => Ok(roots),
    }
}

fn of_system() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read vouches for nobody; the others still do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(io::Error::other("this system trusts nobody")),
        false => Ok(roots),
    }
}
