//! What an instance says of itself in a registry. `PROTOCOL.md` specifies it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::host::nobody_connects;
use super::{Endpoint, Wires};

/// A node with more data is junk: an instance has a few hundred bytes to say.
pub(super) const DATA_BYTES_MAX: usize = 4096;

/// An id as the name of a node, which cannot have slashes or control characters in it.
pub(super) fn node_name(id: &str) -> String {
    let plain = |c: char| if c == '/' || c.is_control() { '_' } else { c };
    match id {
        "" | "." | ".." => "_".to_owned(),
        id => id.chars().map(plain).collect(),
    }
}

/// What an instance says of itself.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Instance {
    /// Where it listens.
    address: SocketAddr,
    /// The wires that it speaks.
    #[serde(default = "v2")]
    wires: Vec<String>,
    /// Its share of the calls, beside those of others.
    #[serde(default = "weight")]
    weight: u32,
    /// The part of the datacentre where it runs.
    #[serde(default)]
    zone: String,
    /// The version of what runs there.
    #[serde(default)]
    version: String,
    /// Whatever else is to be known.
    #[serde(default)]
    tags: Vec<String>,
    /// When it started, in milliseconds since 1970.
    #[serde(default)]
    started_ms: u64,
}

fn v2() -> Vec<String> {
    vec!["v2".to_owned()]
}

fn weight() -> u32 {
    Endpoint::WEIGHT
}

impl Instance {
    /// One of ours, which speaks both wires. Tags for which a node has no room are left out: the
    /// whole node would be junk to its readers.
    pub(super) fn ours(endpoint: &Endpoint, address: SocketAddr, started_ms: u64) -> Self {
        let mut ours = Self {
            address,
            wires: ["v2", "classic"].map(str::to_owned).to_vec(),
            weight: endpoint.weight,
            zone: endpoint.zone.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tags: endpoint.tags.to_vec(),
            started_ms,
        };
        if ours.encode().len() > DATA_BYTES_MAX {
            let id = &endpoint.id;
            tracing::warn!(id, DATA_BYTES_MAX, "a node has no room for these tags; without them");
            ours.tags.clear();
        }
        ours
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // It has no map whose keys are no strings, and nothing else can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn decode(data: &[u8]) -> Result<Self, String> {
        if data.len() > DATA_BYTES_MAX {
            return Err(format!("it has more than {DATA_BYTES_MAX} bytes"));
        }
        let instance: Self = serde_json::from_slice(data).map_err(|error| error.to_string())?;
        if nobody_connects(instance.address) {
            return Err(format!("nobody can connect to {}", instance.address));
        }
        Ok(instance)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is the one that listens there and started then.
    #[cfg(feature = "etcd")]
    pub(super) fn is_of(&self, address: SocketAddr, started_ms: u64) -> bool {
        self.address == address && self.started_ms == started_ms
    }

    /// As callers are told of it.
    pub(super) fn endpoint(self, id: &str) -> Endpoint {
        let v2 = self.wires.iter().any(|wire| wire == "v2");
        Endpoint {
            id: id.to_owned(),
            wires: if v2 { Wires::V2 } else { Wires::Classic },
            weight: self.weight,
            zone: self.zone.into(),
            tags: self.tags.into(),
            ..Endpoint::new(self.address)
        }
    }
}

/// The instances that stand below `parent`, of nodes with the oldest first, and those that make no
/// sense. Two ids may name one address: that of an instance which was restarted with another id.
/// The younger holds.
pub(super) fn by_address<'a>(
    parent: &str,
    nodes: impl Iterator<Item = (&'a str, &'a [u8])>,
    junk: &mut Vec<(String, String)>,
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut by_address = BTreeMap::new();
    for (name, data) in nodes {
        match Instance::decode(data) {
            Ok(instance) => {
                by_address.insert(instance.address, instance.endpoint(name));
            }
            Err(what) => junk.push((format!("{parent}/{name}"), what)),
        }
    }
    by_address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_becomes_the_name_of_a_node() {
        for (id, name) in [("10.0.0.1:1", "10.0.0.1:1"), ("a/b\n", "a_b_"), ("..", "_"), ("", "_")]
        {
            assert_eq!(node_name(id), name);
        }
    }
}
