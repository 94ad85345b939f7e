//! Targets: URLs that say where services are found.

use std::net::{SocketAddr, ToSocketAddrs};

use super::ChannelError;
use crate::discovery::{Endpoint, Wires};

/// A target, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `static://host:port,host:port`
    Static(Vec<Endpoint>),
    /// `memory://`
    Memory,
}

impl Target {
    pub(super) fn parse(target: &str) -> Result<Self, ChannelError> {
        let bad = |reason: String| ChannelError::Target { target: target.to_owned(), reason };
        let (scheme, rest) = target
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme, such as static://".to_owned()))?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        match scheme {
            "static" => {
                let wires = wires(query).map_err(bad)?;
                let endpoints: Result<Vec<_>, _> =
                    authority.split(',').map(|address| endpoint(address, wires)).collect();
                endpoints.map(Self::Static).map_err(bad)
            }
            "memory" if authority.is_empty() && query.is_empty() => Ok(Self::Memory),
            "memory" => Err(bad("memory:// takes nothing behind it".to_owned())),
            other => Err(bad(format!("unknown scheme `{other}`; known are static and memory"))),
        }
    }
}

fn wires(query: &str) -> Result<Wires, String> {
    match query {
        "" | "wire=v2" => Ok(Wires::V2),
        "wire=classic" => Ok(Wires::Classic),
        other => Err(format!("`{other}` is neither wire=v2 nor wire=classic")),
    }
}

/// Names are looked up once, here: `static` means that nothing changes.
fn endpoint(address: &str, wires: Wires) -> Result<Endpoint, String> {
    let resolved: Option<SocketAddr> = match address.parse() {
        Ok(address) => Some(address),
        Err(_) => address
            .to_socket_addrs()
            .map_err(|error| format!("`{address}` is not host:port of a known host: {error}"))?
            // The original's services listen on IPv4.
            .min_by_key(|address| !address.is_ipv4()),
    };
    let resolved = resolved.ok_or_else(|| format!("`{address}` has no address"))?;
    Ok(Endpoint { wires, ..Endpoint::new(resolved) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_target_is_a_list_of_instances() {
        let endpoint = |port: u16| Endpoint::new(([127, 0, 0, 1], port).into());
        let parsed = Target::parse("static://127.0.0.1:1,127.0.0.1:2").unwrap();
        assert_eq!(parsed, Target::Static(vec![endpoint(1), endpoint(2)]));
        let parsed = Target::parse("static://127.0.0.1:1?wire=classic").unwrap();
        let classic = Endpoint { wires: Wires::Classic, ..endpoint(1) };
        assert_eq!(parsed, Target::Static(vec![classic]));
        assert_eq!(Target::parse("memory://").unwrap(), Target::Memory);
    }

    #[test]
    fn what_is_wrong_with_a_target_is_said() {
        for (target, reason) in [
            ("127.0.0.1:1", "no scheme"),
            ("http://a:1", "unknown scheme `http`"),
            ("static://127.0.0.1", "not host:port"),
            ("static://", "not host:port"),
            ("static://127.0.0.1:1?wire=v3", "neither"),
            ("memory://a", "takes nothing"),
        ] {
            let error = Target::parse(target).unwrap_err().to_string();
            assert!(error.contains(target) && error.contains(reason), "{error}");
        }
    }
}
