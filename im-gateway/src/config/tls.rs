//! Sections `[tls]` and `[proxy]`: what listeners share that begin with either.

use std::path::{Path, PathBuf};

use im_common::{Rules, networks};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Config;

/// The certificate of those listeners that speak TLS.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TlsConfig {
    /// The certificate and its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// How often these files are looked at.
    pub reload_ms: u32,
    /// How long a handshake may take.
    pub handshake_timeout_ms: u32,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            reload_ms: 5_000,
            handshake_timeout_ms: 5_000,
        }
    }
}

impl TlsConfig {
    /// Whether `used` listeners have what they need.
    pub(super) fn validate(&self, used: bool, rules: &mut Rules) {
        let none = Path::new("");
        for (key, file) in [("tls.cert_file", &self.cert_file), ("tls.key_file", &self.key_file)] {
            if used && file == none {
                rules.broken(key, "must name a file: a listener has `tls = true`");
            }
        }
        rules.within("tls.reload_ms", self.reload_ms, 10..=86_400_000);
        rules.within("tls.handshake_timeout_ms", self.handshake_timeout_ms, 10..=60_000);
    }
}

/// The proxies before this gateway.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProxyConfig {
    /// Addresses and networks of those that are believed.
    pub trusted: Vec<String>,
    /// How long the header of the PROXY protocol may take.
    pub header_timeout_ms: u32,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self { trusted: Vec::new(), header_timeout_ms: 1_000 }
    }
}

impl ProxyConfig {
    pub(crate) fn networks(&self) -> Vec<IpNet> {
        networks(&self.trusted).unwrap_or_default()
    }

    /// Whether `used` listeners have whom to believe.
    pub(super) fn validate(&self, used: bool, rules: &mut Rules) {
        if networks(&self.trusted).is_none_or(|trusted| used && trusted.is_empty()) {
            let what = "must be a list of addresses and networks, such as [\"10.0.0.5\"], and not \
                empty where a listener has `proxy = true`";
            rules.broken("proxy.trusted", what);
        }
        rules.within("proxy.header_timeout_ms", self.header_timeout_ms, 10..=60_000);
    }
}

impl Config {
    pub(super) fn validate_entries(&self, rules: &mut Rules) {
        let Self { text, frames, http, .. } = self;
        self.tls.validate(text.tls || frames.tls || http.tls, rules);
        self.proxy.validate(text.proxy || frames.proxy || http.proxy, rules);
    }
}
