//! Targets: URLs that say where services are found.

use std::net::{SocketAddr, ToSocketAddrs};

use super::ChannelError;
use crate::discovery::{Endpoint, Methods, Wires};

/// A target, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `static://host:port,host:port`
    Static(Vec<Endpoint>),
    /// `memory://`
    Memory,
    /// `zk://host:port,host:port/chroot`, and `zk://` for a session that is there already.
    ZooKeeper(String),
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
                let (wires, methods) = options(query).map_err(bad)?;
                let endpoint = |address| {
                    let address = resolve(address)?;
                    let methods = methods.clone();
                    Ok(Endpoint { wires, methods, ..Endpoint::new(address) })
                };
                let endpoints: Result<Vec<_>, _> = authority.split(',').map(endpoint).collect();
                endpoints.map(Self::Static).map_err(bad)
            }
            "memory" if authority.is_empty() && query.is_empty() => Ok(Self::Memory),
            "memory" => Err(bad("memory:// takes nothing behind it".to_owned())),
            "zk" if query.is_empty() => Ok(Self::ZooKeeper(authority.to_owned())),
            "zk" => Err(bad("zk:// takes no options".to_owned())),
            other => Err(bad(format!("unknown scheme `{other}`; known are static, memory and zk"))),
        }
    }
}

/// What stands behind the `?` of a static target.
fn options(query: &str) -> Result<(Wires, Methods), String> {
    let (mut wires, mut methods) = (Wires::V2, Methods::All);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("wire", "v2")) => wires = Wires::V2,
            Some(("wire", "classic")) => wires = Wires::Classic,
            Some(("methods", names)) if !names.is_empty() => {
                methods = Methods::only(names.split(','));
            }
            _ => {
                return Err(format!(
                    "`{option}` is none of wire=v2, wire=classic and methods=Name,Name"
                ));
            }
        }
    }
    Ok((wires, methods))
}

/// Names are looked up once, here: `static` means that nothing changes.
fn resolve(address: &str) -> Result<SocketAddr, String> {
    let resolved: Option<SocketAddr> = match address.parse() {
        Ok(address) => Some(address),
        Err(_) => address
            .to_socket_addrs()
            .map_err(|error| format!("`{address}` is not host:port of a known host: {error}"))?
            // The original's services listen on IPv4.
            .min_by_key(|address| !address.is_ipv4()),
    };
    resolved.ok_or_else(|| format!("`{address}` has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_target_is_a_list_of_instances() {
        let endpoint = |port: u16| Endpoint::new(([127, 0, 0, 1], port));
        let parsed = Target::parse("static://127.0.0.1:1,127.0.0.1:2").unwrap();
        assert_eq!(parsed, Target::Static(vec![endpoint(1), endpoint(2)]));
        let parsed = Target::parse("static://127.0.0.1:1?wire=classic").unwrap();
        let classic = Endpoint { wires: Wires::Classic, ..endpoint(1) };
        assert_eq!(parsed, Target::Static(vec![classic.clone()]));
        let parsed = Target::parse("static://127.0.0.1:1?wire=classic&methods=Send,Ack").unwrap();
        let methods = Methods::only(["Send", "Ack"]);
        assert_eq!(parsed, Target::Static(vec![Endpoint { methods, ..classic }]));
        assert_eq!(Target::parse("memory://").unwrap(), Target::Memory);
        let zookeeper = |hosts: &str| Target::ZooKeeper(hosts.to_owned());
        assert_eq!(Target::parse("zk://a:1,b:2/root").unwrap(), zookeeper("a:1,b:2/root"));
        assert_eq!(Target::parse("zk://").unwrap(), zookeeper(""));
    }

    #[test]
    fn what_is_wrong_with_a_target_is_said() {
        for (target, reason) in [
            ("127.0.0.1:1", "no scheme"),
            ("http://a:1", "unknown scheme `http`"),
            ("static://127.0.0.1", "not host:port"),
            ("static://", "not host:port"),
            ("static://127.0.0.1:1?wire=v3", "none of"),
            ("static://127.0.0.1:1?methods=", "none of"),
            ("zk://a:1?b", "no options"),
            ("memory://a", "takes nothing"),
        ] {
            let error = Target::parse(target).unwrap_err().to_string();
            assert!(error.contains(target) && error.contains(reason), "{error}");
        }
    }
}
