//! Where a guess comes from, and at which account it is made.

use std::net::IpAddr;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// In lower case: names are compared as they are in accounts.
    name: Vec<u8>,
    /// What stands for the address, if one is known that counts.
    address: Option<Vec<u8>>,
}

impl Source {
    /// `address` is the client's, as its gateway says it; one that is none is not known. This machine's own
    /// counts only if it is told to: whatever comes through a proxy has it.
    pub(crate) fn new(name: &[u8], address: &str, loopback: bool) -> Self {
        let known = address.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let known = known.filter(|address| loopback || !address.is_loopback());
        let address = known.map(|address| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            // Whoever has one address has the rest of its network, too.
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        });
        Self { name: name.to_ascii_lowercase(), address }
    }

    pub(super) fn account(&self) -> Vec<u8> {
        key(b'a', &[&self.name])
    }

    pub(super) fn address(&self) -> Option<Vec<u8>> {
        self.address.as_ref().map(|address| key(b'i', &[address]))
    }

    /// The address, where it makes accounts.
    pub(super) fn registering(&self) -> Option<Vec<u8>> {
        self.address.as_ref().map(|address| key(b'r', &[address]))
    }

    /// This account at this address.
    pub(super) fn pair(&self) -> Option<Vec<u8>> {
        self.address.as_ref().map(|address| key(b'p', &[address, b"/", &self.name]))
    }
}

/// No two kinds of them are alike.
fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    std::iter::once(kind).chain(parts.concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_and_those_of_this_machine_none() {
        let of = |address| Source::new(b"Ada", address, false);
        assert_eq!(of("192.0.2.1").address(), of("::ffff:192.0.2.1").address());
        assert_ne!(of("192.0.2.1").address(), of("192.0.2.2").address());
        assert_eq!(of("2001:db8:1:2::1").address(), of("2001:db8:1:2:ffff::9").address());
        assert_ne!(of("2001:db8:1:2::1").address(), of("2001:db8:1:3::1").address());
        for none in ["", "127.0.0.1", "::1", "::ffff:127.0.0.2", "localhost", "192.0.2.1:80"] {
            assert_eq!((of(none).address(), of(none).pair()), (None, None), "{none}");
        }
        assert!(Source::new(b"Ada", "127.0.0.1", true).address().is_some());
    }

    #[test]
    fn an_account_an_address_and_both_are_told_apart_and_case_is_not() {
        let ada = Source::new(b"Ada", "192.0.2.1", false);
        let keys = [Some(ada.account()), ada.address(), ada.pair()].map(Option::unwrap);
        assert!(!keys.contains(&ada.registering().unwrap()));
        let other = Source::new(b"aDA", "192.0.2.1", false);
        assert_eq!(
            [Some(other.account()), other.address(), other.pair()].map(Option::unwrap),
            keys
        );
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }
}
