//! `[service]` and `[classic]`: who may call the services of a process, and as whom they call.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Rules, ServiceTlsConfig, Validate};

/// `[service]`: how the services of a fleet know each other. It belongs to the process, like
/// [`LogConfig`](super::LogConfig).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// The file with the token that they share, made by whoever needs it first; empty: none.
    pub token_file: PathBuf,
    /// Whether the calls of those who have shown neither it nor a certificate are refused.
    pub ask: bool,
    /// Whether it is shown to other machines over ways that others could read.
    pub token_in_clear: bool,
    /// Certificates, in the place of the token or beside it.
    pub tls: ServiceTlsConfig,
}

impl Default for ServiceConfig {
    /// As for the services of one machine that are started in one directory.
    fn default() -> Self {
        let (token_file, tls) = ("data/service.token".into(), ServiceTlsConfig::default());
        Self { token_file, ask: true, token_in_clear: false, tls }
    }
}

impl Validate for ServiceConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        self.tls.validate(&mut rules);
        rules.finish()
    }
}

/// `[classic]`: who may call on the classic wire, on which nobody can show a token. It belongs to the
/// process, like [`ServiceConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassicConfig {
    /// Addresses and networks, `10.0.0.5` or `10.0.0.0/24`; empty: nobody.
    pub allow: Vec<String>,
}

impl ClassicConfig {
    /// From where calls are taken.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        networks(&self.allow).unwrap_or_default()
    }
}

impl Validate for ClassicConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        if networks(&self.allow).is_none() {
            rules.broken(
                "classic.allow",
                "must be a list of addresses and networks, such as [\"10.0.0.5\", \"10.1.0.0/16\"]",
            );
        }
        rules.finish()
    }
}

/// The networks that a list names; an address alone is the network of that address. Nothing if one of
/// them is neither.
#[must_use]
pub fn networks(texts: &[String]) -> Option<Vec<IpNet>> {
    let network =
        |text: &String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    texts.iter().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classic_callers_are_named_by_address_or_network() {
        let allow = ["127.0.0.1", "10.1.0.0/16", "::1", "fd00::/8"].map(str::to_owned).to_vec();
        let classic = ClassicConfig { allow };
        assert_eq!(classic.validate(), Ok(()));
        let networks: Vec<_> = classic.networks().iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["127.0.0.1/32", "10.1.0.0/16", "::1/128", "fd00::/8"]);
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0.1:80"] {
            let classic = ClassicConfig { allow: vec![bad.to_owned()] };
            assert!(
                classic.validate().unwrap_err()[0].starts_with("classic.allow: must be"),
                "{bad}"
            );
        }
        assert!(ClassicConfig::default().networks().is_empty());
    }
}
