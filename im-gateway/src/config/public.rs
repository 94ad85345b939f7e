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
    /// The same for those that speak binary frames; empty: where it listens for frames, if it does.
    pub frames_endpoint: String,
    /// Its part of the users among gateways; 0: nobody new while there is another gateway.
    pub weight: u32,
    /// Lower comes first.
    pub priority: u32,
}

impl Default for PublicConfig {
    fn default() -> Self {
        let (endpoint, frames_endpoint) = (String::new(), String::new());
        Self { endpoint, frames_endpoint, weight: 100, priority: 0 }
    }
}

impl PublicConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        let endpoints = [
            ("public.endpoint", &self.endpoint),
            ("public.frames_endpoint", &self.frames_endpoint),
        ];
        for (key, endpoint) in endpoints {
            let port = endpoint.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            if !endpoint.is_empty() && !matches!(port, Some(Ok(1..))) {
                rules.broken(key, "must be empty or host:port");
            }
        }
        rules.within("public.weight", self.weight, 0..=1_000_000);
    }

    /// What renewals say, of a gateway that listens for clients at `text` and perhaps at `frames`, and is
    /// reached by the other services at `rpc`.
    pub(crate) fn offer(
        &self,
        text: SocketAddr,
        frames: Option<SocketAddr>,
        rpc: SocketAddr,
    ) -> GatewayOffer {
        let offered = |configured: &str, listens: SocketAddr| match configured {
            // Every address of the machine is none that a client could use.
            "" if listens.ip().is_unspecified() => {
                SocketAddr::new(rpc.ip(), listens.port()).to_string()
            }
            "" => listens.to_string(),
            configured => configured.to_owned(),
        };
        let frames = frames.map(|frames| offered(&self.frames_endpoint, frames));
        GatewayOffer {
            endpoint: offered(&self.endpoint, text),
            weight: self.weight,
            priority: self.priority,
            frames_endpoint: frames.unwrap_or_default(),
        }
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
            config.offer(text.parse().unwrap(), None, rpc).endpoint
        };
        assert_eq!(offered("", "127.0.0.1:6000"), "127.0.0.1:6000");
        assert_eq!(offered("", "0.0.0.0:6000"), "10.0.0.5:6000");
        assert_eq!(offered("im.example.org:443", "0.0.0.0:6000"), "im.example.org:443");
        let frames = |endpoint: &str, frames: Option<&str>| {
            let frames_endpoint = endpoint.to_owned();
            let config = PublicConfig { frames_endpoint, ..PublicConfig::default() };
            let frames = frames.map(|frames| frames.parse().unwrap());
            config.offer("127.0.0.1:6000".parse().unwrap(), frames, rpc).frames_endpoint
        };
        assert_eq!(frames("", Some("0.0.0.0:6001")), "10.0.0.5:6001");
        assert_eq!(frames("im.example.org:444", Some("0.0.0.0:6001")), "im.example.org:444");
        assert_eq!(frames("im.example.org:444", None), "", "it listens for none");
    }
}
