//! `[service.tls]`: TLS between the services of a fleet.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Rules;

/// How the services of a fleet know each other by certificates, in the place of their token or beside
/// it. An empty path is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTlsConfig {
    /// The certificate and its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// The authorities whose certificates are believed, in PEM.
    pub ca_file: PathBuf,
    /// The name that the certificates of those who are called must be for; empty: their address.
    pub server_name: String,
    /// Whether v2 calls are taken in TLS only.
    pub required: bool,
}

impl ServiceTlsConfig {
    /// The certificate and the key, if there are any.
    #[must_use]
    pub fn own(&self) -> Option<(&Path, &Path)> {
        Some((given(&self.cert_file)?, given(&self.key_file)?))
    }

    /// The authorities, if any are believed.
    #[must_use]
    pub fn ca(&self) -> Option<&Path> {
        given(&self.ca_file)
    }

    pub(super) fn validate(&self, rules: &mut Rules) {
        let is_own = self.own().is_some();
        let is_half = given(&self.cert_file).is_some() != given(&self.key_file).is_some();
        if is_half {
            rules.broken("service.tls.cert_file", "and service.tls.key_file need each other");
        } else if self.required && !is_own {
            rules.broken("service.tls.required", "needs service.tls.cert_file");
        }
        if !self.server_name.is_empty() && self.ca().is_none() {
            rules.broken("service.tls.server_name", "needs service.tls.ca_file");
        }
    }
}

fn given(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_something_else_says_so() {
        let with = |cert: &str, key: &str, ca: &str, server_name: &str, required| {
            let (cert_file, key_file, ca_file) = (cert.into(), key.into(), ca.into());
            let server_name = server_name.to_owned();
            let tls = ServiceTlsConfig { cert_file, key_file, ca_file, server_name, required };
            let mut rules = Rules::new();
            tls.validate(&mut rules);
            rules.finish().err().unwrap_or_default().join("; ")
        };
        for good in [
            with("", "", "", "", false),
            with("c", "k", "", "", true),
            with("c", "k", "a", "n", true),
            with("", "", "a", "n", false),
        ] {
            assert_eq!(good, "");
        }
        assert!(with("c", "", "a", "", true).starts_with("service.tls.cert_file: and"));
        assert!(with("", "k", "", "", false).starts_with("service.tls.cert_file: and"));
        assert!(with("", "", "a", "", true).starts_with("service.tls.required: needs"));
        assert!(with("c", "k", "", "n", false).starts_with("service.tls.server_name: needs"));
    }
}
