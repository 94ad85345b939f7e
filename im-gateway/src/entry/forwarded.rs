//! What proxies that are trusted say of a request: `X-Forwarded-For`, `X-Forwarded-Proto`.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// From where a request comes, and whether it came over TLS on its way to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CameFrom {
    pub(crate) ip: IpAddr,
    pub(crate) secure: bool,
}

/// Whom to believe.
#[derive(Clone, Debug)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// From where a request comes on a connection from `peer`, `secure` if that is TLS. A proxy adds the
    /// address that it saw at the end; what stands before the first that is no proxy's anybody may have
    /// written.
    pub(crate) fn origin(&self, peer: SocketAddr, secure: bool, headers: &HeaderMap) -> CameFrom {
        let peer = peer.ip().to_canonical();
        if !self.has(peer) {
            return CameFrom { ip: peer, secure };
        }
        let mut ip = peer;
        for hop in words(headers, "x-forwarded-for").into_iter().rev() {
            let Some(address) = address(hop) else { break };
            ip = address;
            if !self.has(ip) {
                break;
            }
        }
        let scheme = words(headers, "x-forwarded-proto").pop();
        let secure = scheme.map_or(secure, |scheme| scheme.eq_ignore_ascii_case("https"));
        CameFrom { ip, secure }
    }
}

/// The words of a list, over however many headers. One that is no text ends it: what stood there may
/// have been anything.
fn words<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    values.flat_map(|value| value.split(',')).map(str::trim).collect()
}

/// An address, perhaps with a port.
fn address(word: &str) -> Option<IpAddr> {
    let with_port = || word.parse::<SocketAddr>().ok().map(|address| address.ip());
    let ip = word.parse().ok().or_else(with_port);
    ip.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn origin(peer: &str, lines: &[(&'static str, &'static str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let proxies = Proxies::new(trusted.into());
        let CameFrom { ip, secure } = proxies.origin(peer.parse().unwrap(), false, &headers);
        (ip.to_string(), secure)
    }

    #[test]
    fn the_last_address_that_is_no_proxy_s_is_the_client_s() {
        const FOR: &str = "x-forwarded-for";
        for (peer, lines, ip) in [
            ("10.0.0.1:1", &[][..], "10.0.0.1"),
            ("10.0.0.1:1", &[(FOR, "192.0.2.7")], "192.0.2.7"),
            ("[::ffff:10.0.0.1]:1", &[(FOR, "192.0.2.7")], "192.0.2.7"),
            ("[::1]:1", &[(FOR, "2001:db8::7")], "2001:db8::7"),
            // What a client wrote itself stands before what the proxy adds.
            ("10.0.0.1:1", &[(FOR, "127.0.0.1, 192.0.2.7")], "192.0.2.7"),
            ("10.0.0.1:1", &[(FOR, "127.0.0.1"), (FOR, "192.0.2.7,10.0.0.2")], "192.0.2.7"),
            ("10.0.0.1:1", &[(FOR, "192.0.2.7:4711")], "192.0.2.7"),
            ("10.0.0.1:1", &[(FOR, "192.0.2.7, nonsense, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1:1", &[(FOR, "")], "10.0.0.1"),
            ("10.0.0.1:1", &[(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            // Nobody's proxy: whatever it says.
            ("192.0.2.1:1", &[(FOR, "127.0.0.1")], "192.0.2.1"),
        ] {
            assert_eq!(origin(peer, lines), (ip.to_owned(), false), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_says_whether_its_client_came_over_tls() {
        const PROTO: &str = "x-forwarded-proto";
        assert!(origin("10.0.0.1:1", &[(PROTO, "https")]).1);
        assert!(!origin("10.0.0.1:1", &[(PROTO, "https, http")]).1);
        assert!(!origin("192.0.2.1:1", &[(PROTO, "https")]).1);
    }
}
