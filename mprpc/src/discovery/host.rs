//! What can be said of an address without asking anybody.

use std::net::{IpAddr, SocketAddr};

/// Checks that it is `host:port`.
///
/// # Errors
/// What is wrong, for people.
pub(crate) fn check(host: &str) -> Result<(), String> {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(())
        }
        _ => Err(format!("`{host}` is not host:port")),
    }
}

/// Whether nobody, wherever it is, can connect to this.
pub(super) fn nobody_connects(address: SocketAddr) -> bool {
    let ip = address.ip();
    let everybody = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast()) || ip.is_multicast();
    address.port() == 0 || ip.is_unspecified() || everybody
}
