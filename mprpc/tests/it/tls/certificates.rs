//! Certificates made for a test, and files with them.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mprpc::{ClientTls, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// For these names and addresses.
    pub(crate) fn sign(&self, names: &[&str]) -> Signed {
        self.sign_with(names, |_| {})
    }

    /// The same, whose time is over.
    pub(crate) fn sign_expired(&self, names: &[&str]) -> Signed {
        self.sign_with(names, |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
    }

    fn sign_with(&self, names: &[&str], with: impl FnOnce(&mut CertificateParams)) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        with(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A connection in TLS, on which anything may be said.
    pub(crate) async fn connect(&self, to: SocketAddr) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(to).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(ServerName::from(to.ip()), stream).await.unwrap()
    }
}

/// A directory with them.
pub(crate) struct Files {
    directory: tempfile::TempDir,
    next: AtomicUsize,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), next: AtomicUsize::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// As an operator would: no reader finds half of it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.path(name), self.path("new"));
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }

    pub(crate) fn roots(&self, authority: &Authority) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(&format!("roots-{number}.pem"), &authority.0.pem())
    }

    pub(crate) fn server(&self, signed: &Signed, clients: Option<&Authority>) -> ServerTls {
        let (certificate, key) = self.replace_server(signed);
        let clients = clients.map(|authority| self.roots(authority));
        ServerTls::load(certificate, key, clients).unwrap()
    }

    /// The files of the last server, anew.
    pub(crate) fn replace_server(&self, signed: &Signed) -> (PathBuf, PathBuf) {
        let key = self.write("server.key", &signed.key);
        (self.write("server.pem", &signed.certificate), key)
    }

    pub(crate) fn client(&self, roots: &Authority) -> ClientTls {
        ClientTls::load(self.roots(roots), None).unwrap()
    }

    pub(crate) fn client_as(&self, roots: &Authority, own: &Signed) -> ClientTls {
        ClientTls::load(self.roots(roots), Some(self.certificate(own))).unwrap()
    }

    /// Files of its own.
    pub(crate) fn certificate(&self, signed: &Signed) -> (PathBuf, PathBuf) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let certificate = self.write(&format!("own-{number}.pem"), &signed.certificate);
        (certificate, self.write(&format!("own-{number}.key"), &signed.key))
    }
}
