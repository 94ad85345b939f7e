//! Connections to gateways, by the address that each gave when it bound a route.
//!
//! A gateway is reached at its address and never found through discovery: an entry is for the very
//! process that holds the session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use im_common::Trust;
use mpim_proto::gateway_service;
use mprpc::Channel;

use crate::routing::Gateway;

/// Dials gateways and remembers the channels. Cheap to clone.
///
/// At most `max` are remembered; for one more, the one that was used longest ago is forgotten, and
/// closed once no link uses it any more.
#[derive(Clone, Debug)]
pub(crate) struct Gateways {
    max: usize,
    trust: Trust,
    dialled: Arc<Mutex<Dialled>>,
}

#[derive(Debug, Default)]
struct Dialled {
    by_addr: HashMap<String, (gateway_service::Client, u64)>,
    uses: u64,
}

impl Gateways {
    pub(crate) fn new(max: usize, trust: Trust) -> Self {
        Self { max, trust, dialled: Arc::default() }
    }

    /// A client of that gateway; no connection is made yet. `None` if it has no address that could
    /// be dialled.
    pub(crate) fn client(&self, gateway: &Gateway) -> Option<gateway_service::Client> {
        if !is_address(&gateway.addr) {
            return None;
        }
        let mut dialled = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        dialled.uses += 1;
        let uses = dialled.uses;
        if let Some((client, last_use)) = dialled.by_addr.get_mut(&gateway.addr) {
            *last_use = uses;
            return Some(client.clone());
        }
        let channel = Channel::builder(format!("static://{}", gateway.addr));
        let channel = self.trust.show(channel).build();
        let channel = channel
            .inspect_err(|error| tracing::warn!(addr = gateway.addr, %error, "cannot be dialled"))
            .ok()?;
        if dialled.by_addr.len() >= self.max {
            let oldest = dialled.by_addr.iter().min_by_key(|(_, (_, last_use))| *last_use);
            if let Some(addr) = oldest.map(|(addr, _)| addr.clone()) {
                dialled.by_addr.remove(&addr);
            }
        }
        let client = gateway_service::Client::new(&channel);
        dialled.by_addr.insert(gateway.addr.clone(), (client.clone(), uses));
        Some(client)
    }
}

/// Whether `addr` is one `host:port` and nothing else: it becomes part of a target, where a comma
/// or a question mark would say more than an address may.
pub(crate) fn is_address(addr: &str) -> bool {
    let Some((host, port)) = addr.rsplit_once(':') else {
        return false;
    };
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !host.is_empty()
        && addr.len() <= ADDR_BYTES_MAX
        && host.bytes().all(host_byte)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A DNS name has at most 253 bytes; a colon and a port follow.
const ADDR_BYTES_MAX: usize = 253 + 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_host_and_port_is_an_address() {
        for good in ["127.0.0.1:8014", "gateway-1.example.org:8014", "[::1]:8014", "localhost:1"] {
            assert!(is_address(good), "{good}");
        }
        let long = format!("{}:80", "a".repeat(300));
        let bad =
            ["", ":80", "host", "host:0", "host:65536", "a:1,b:2", "a:1?wire=classic", "a/b:1"];
        for bad in bad.into_iter().chain([long.as_str()]) {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_gateway_used_longest_ago_is_forgotten_first() {
        let gateways = Gateways::new(2, Trust::default());
        let gateway = |port: u16| Gateway {
            id: String::new(),
            addr: format!("127.0.0.1:{port}"),
            boot_id: String::new(),
        };
        for port in [1, 2, 1, 3] {
            gateways.client(&gateway(port)).unwrap();
        }
        let dialled = gateways.dialled.lock().unwrap();
        let mut kept: Vec<&str> = dialled.by_addr.keys().map(String::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["127.0.0.1:1", "127.0.0.1:3"]);
    }
}
