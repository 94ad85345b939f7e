//! Section `[public]`.

use std::net::SocketAddr;

use im_common::Rules;
use mpim_proto::GatewayOffer;
use serde::{Deserialize, Serialize};

/// What is said of this gateway to those who send clients somewhere.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublicConfig {
    /// `host:port` at which clients reach it; empty: where it listens for text lines.
    pub endpoint: String,
    /// Its part of the users among gateways; 0: nobody new while there is another gateway.
    pub weight: u32,
    /// Lower comes first.
    pub priority: u32,
}

impl Default for PublicConfig {
    fn default() -> Self {
        Self { endpoint: String::new(), weight: 100, priority: 0 }
    }
}

impl PublicConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        let port = self.endpoint.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !self.endpoint.is_empty() && !matches!(port, Some(Ok(1..))) {
            rules.broken("public.endpoint", "must be empty or host:port");
        }
        rules.within("public.weight", self.weight, 0..=1_000_000);
    }

    /// What renewals say, of a gateway that listens for clients at `text` and is reached by the other
    /// services at `rpc`.
    pub(crate) fn offer(&self, text: SocketAddr, rpc: SocketAddr) -> GatewayOffer {
        let endpoint = match self.endpoint.as_str() {
            // Every address of the machine is none that a client could use.
            "" if text.ip().is_unspecified() => SocketAddr::new(rpc.ip(), text.port()).to_string(),
            "" => text.to_string(),
            configured => configured.to_owned(),
        };
        GatewayOffer { endpoint, weight: self.weight, priority: self.priority }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_offered_what_is_configured_or_where_the_gateway_listens() {
        let rpc = "10.0.0.5:8014".parse().unwrap();
        let offered = |endpoint: &str, text: &str| {
            let config = PublicConfig { endpoint: endpoint.to_owned(), ..PublicConfig::default() };
            config.offer(text.parse().unwrap(), rpc).endpoint
        };
        assert_eq!(offered("", "127.0.0.1:6000"), "127.0.0.1:6000");
        assert_eq!(offered("", "0.0.0.0:6000"), "10.0.0.5:6000");
        assert_eq!(offered("im.example.org:443", "0.0.0.0:6000"), "im.example.org:443");
    }
}
