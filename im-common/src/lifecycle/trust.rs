//! Whom a process believes, and what it shows of itself.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use ipnet::IpNet;
use mprpc::{
    Callers, ChannelBuilder, ClientTls, ServerBuilder, ServerTls, TlsError, Token, TokenError,
};

use crate::config::{ClassicConfig, ServiceConfig, ServiceTlsConfig};
use crate::make_once;

/// What strangers are told besides that they are.
const ADVICE: &str = "all services of a fleet, and its tools, need the same `service.token_file` \
    (tools: `--token-file`), or certificates in `[service.tls]`; between machines a token also needs \
    these, or `service.token_in_clear`";

/// How the services of a process know those of others: by the token of their fleet and by its
/// certificates, whichever there are. The default knows nobody and asks nobody.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    token: Option<Token>,
    ask: bool,
    in_clear: bool,
    classic: Vec<IpNet>,
    tls: Tls,
}

/// What there is of TLS.
#[derive(Clone, Debug, Default)]
struct Tls {
    /// On the ports of this process.
    server: Option<ServerTls>,
    /// Where others are called.
    client: Option<ClientTls>,
}

/// A service token or a certificate that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There was none, and none could be made.
    #[error("service.token_file: cannot make {}", path.display())]
    Make {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The one that is there is of no use.
    #[error("service.token_file")]
    Token(#[from] TokenError),
    /// A file of a certificate, or the name that it is to be for.
    #[error("[service.tls]")]
    Tls(#[from] TlsError),
}

impl Trust {
    /// What the configuration of a process says. The token is made if there is none.
    ///
    /// # Errors
    /// Its file can be neither read nor made, or one of a certificate is of no use.
    pub fn open(service: &ServiceConfig, classic: &ClassicConfig) -> Result<Self, TrustError> {
        let path = service.token_file.as_path();
        let token = if path == Path::new("") { None } else { Some(token(path)?) };
        let (ask, in_clear) = (service.ask, service.token_in_clear);
        let tls = Tls::load(&service.tls)?;
        Ok(Self { token, ask, in_clear, classic: classic.networks(), tls })
    }

    /// The same with the token in the file at `path`, unless it has one.
    ///
    /// # Errors
    /// It can be neither read nor made.
    pub fn or_token(mut self, path: &Path) -> Result<Self, TrustError> {
        if self.token.is_none() {
            self.token = Some(token(path)?);
        }
        Ok(self)
    }

    /// Whether callers have to show who they are.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.ask && (self.token.is_some() || self.tls.knows_callers())
    }

    /// A channel that shows what there is to show: over TLS, once an authority is believed.
    pub fn show(&self, mut channel: ChannelBuilder) -> ChannelBuilder {
        if let Some(tls) = &self.tls.client {
            channel = channel.tls(tls);
        }
        match &self.token {
            Some(token) => channel.token(token).token_in_clear(self.in_clear),
            None => channel,
        }
    }

    /// A server that takes the calls of those that are known.
    pub(super) fn guard(&self, mut server: ServerBuilder) -> ServerBuilder {
        if let Some(tls) = &self.tls.server {
            server = server.tls(tls);
        }
        if !self.asks() {
            return server;
        }
        let mut callers = Callers::anybody().advice(ADVICE);
        if let Some(token) = &self.token {
            callers = callers.token(token);
        }
        if self.tls.knows_callers() {
            callers = callers.certificates();
        }
        server.callers(callers.classic_from(self.classic.iter().copied()))
    }
}

impl Tls {
    fn load(config: &ServiceTlsConfig) -> Result<Self, TlsError> {
        let (own, ca) = (config.own(), config.ca());
        let server = match own {
            Some((cert, key)) => Some(ServerTls::load(cert, key, ca.map(Path::to_owned))?),
            None => None,
        };
        let client = match ca {
            Some(ca) => {
                let own = own.map(|(cert, key)| (cert.to_owned(), key.to_owned()));
                let tls = ClientTls::load(ca, own)?;
                let name = config.server_name.as_str();
                Some(if name.is_empty() { tls } else { tls.name(name)? })
            }
            None => None,
        };
        let server = if config.required { server.map(ServerTls::only) } else { server };
        Ok(Self { server, client })
    }

    /// Whether certificates that callers show say who they are: there is TLS for them, and an
    /// authority that is believed.
    fn knows_callers(&self) -> bool {
        self.server.is_some() && self.client.is_some()
    }
}

/// The token in the file, which is made if there is none.
fn token(path: &Path) -> Result<Token, TrustError> {
    let failed = |source| TrustError::Make { path: path.into(), source };
    if !path.try_exists().map_err(failed)? {
        let mut bits = [0; 32];
        let failed_to_draw = |_| failed(std::io::Error::other("no random numbers"));
        SystemRandom::new().fill(&mut bits).map_err(failed_to_draw)?;
        let mut text = String::new();
        for byte in bits {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        make_once(path, text.as_bytes()).map_err(failed)?;
    }
    Ok(Token::file(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &Path) -> ServiceConfig {
        ServiceConfig { token_file: path.into(), ..ServiceConfig::default() }
    }

    #[test]
    fn the_token_is_made_by_the_first_and_found_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/service.token");
        assert!(Trust::open(&config(&path), &ClassicConfig::default()).unwrap().asks());
        let made = std::fs::read_to_string(&path).unwrap();
        assert_eq!(made.trim_end().len(), 64);
        Trust::open(&config(&path), &ClassicConfig::default()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
        // One that is of no use is not replaced: others may have the right one.
        std::fs::write(&path, "short").unwrap();
        let error = Trust::open(&config(&path), &ClassicConfig::default()).unwrap_err();
        assert!(error.to_string().starts_with("service.token_file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }

    #[test]
    fn without_a_token_nobody_is_asked() {
        let trust = Trust::open(&config(Path::new("")), &ClassicConfig::default()).unwrap();
        assert!(!trust.asks() && !Trust::default().asks());
        let directory = tempfile::tempdir().unwrap();
        let shown = ServiceConfig { ask: false, ..config(&directory.path().join("token")) };
        assert!(!Trust::open(&shown, &ClassicConfig::default()).unwrap().asks());
        assert!(trust.or_token(&directory.path().join("token")).unwrap().asks());
    }

    #[test]
    fn what_is_wrong_with_certificates_is_said_with_the_section_and_the_file() {
        let open = |tls: ServiceTlsConfig| {
            let service = ServiceConfig { tls, ..config(Path::new("")) };
            let error = Trust::open(&service, &ClassicConfig::default()).unwrap_err();
            crate::in_one_line(&error)
        };
        let (cert_file, key_file) = ("no.pem".into(), "no.key".into());
        let error = open(ServiceTlsConfig { cert_file, key_file, ..Default::default() });
        assert!(error.starts_with("[service.tls]: no.pem: "), "{error}");
        let error = open(ServiceTlsConfig { ca_file: "no-ca.pem".into(), ..Default::default() });
        assert!(error.starts_with("[service.tls]: no-ca.pem: "), "{error}");
    }
}
