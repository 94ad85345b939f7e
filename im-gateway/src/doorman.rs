//! Who gets in at a listener: places for connections, in all and for each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// See the module.
#[derive(Debug)]
pub(crate) struct Doorman {
    places: Arc<Semaphore>,
    guests: Arc<Guests>,
    address_max: usize,
    limits: Arc<Limits>,
}

/// Connections by where they come from. Bounded by the places.
#[derive(Debug, Default)]
struct Guests {
    by_network: Mutex<HashMap<IpAddr, usize>>,
}

/// A place, which is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    _guest: Option<Guest>,
}

#[derive(Debug)]
struct Guest {
    guests: Arc<Guests>,
    network: IpAddr,
}

impl Doorman {
    /// Lets so many in, of whom so many may come from one address other than this machine's.
    pub(crate) fn new(places: usize, address_max: usize, limits: Arc<Limits>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            guests: Arc::default(),
            address_max,
            limits,
        }
    }

    /// A place for somebody who comes from there; `None`: there is none, in all or for this address.
    pub(crate) fn admit(&self, from: IpAddr) -> Option<Place> {
        self.known(self.admit_brought()?, from)
    }

    /// A place for somebody whom a proxy brings: from where, it says [later](Self::known).
    pub(crate) fn admit_brought(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _place: place, _guest: None })
    }

    /// The place of somebody who turned out to come from there; `None`: there is none for this address.
    pub(crate) fn known(&self, place: Place, from: IpAddr) -> Option<Place> {
        let from = from.to_canonical();
        if from.is_loopback() {
            return Some(place);
        }
        let network = network(from);
        self.limits.connects(network).ok()?;
        let guest = self.guests.enter(network, self.address_max)?;
        Some(Place { _guest: Some(guest), ..place })
    }
}

impl Guests {
    fn enter(self: &Arc<Self>, network: IpAddr, max: usize) -> Option<Guest> {
        let mut by_network = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let here = by_network.entry(network).or_default();
        if *here >= max {
            return None;
        }
        *here += 1;
        Some(Guest { guests: Arc::clone(self), network })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut by_network = self.guests.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = by_network.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                by_network.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: whoever has one of IPv6 has 2^64 of them.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{LimitsConfig, SessionConfig};

    fn doorman(places: usize, address_max: usize, per_s: u32) -> Doorman {
        let limits = LimitsConfig { address_connections_per_s: per_s, ..LimitsConfig::default() };
        let limits = Limits::new(&limits, &SessionConfig::default());
        Doorman::new(places, address_max, Arc::new(limits))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let doorman = doorman(10, 2, 100);
        let mut inside: Vec<_> = (0..2).map(|_| doorman.admit(ip("10.0.0.1")).unwrap()).collect();
        assert!(doorman.admit(ip("10.0.0.1")).is_none());
        assert!(doorman.admit(ip("::ffff:10.0.0.1")).is_none(), "the same in other words");
        inside.push(doorman.admit(ip("10.0.0.2")).unwrap());
        // This machine's own are not counted by address.
        inside.extend((0..7).map(|_| doorman.admit(ip("127.0.0.1")).unwrap()));
        assert!(doorman.admit(ip("10.0.0.3")).is_none(), "all places are taken");
        assert!(
            doorman.guests.by_network.lock().unwrap().len() == 2,
            "nobody counts who is not in"
        );
        inside.clear();
        assert!(doorman.guests.by_network.lock().unwrap().is_empty());
        assert!(doorman.admit(ip("10.0.0.1")).is_some());
    }

    #[test]
    fn whom_a_proxy_brings_counts_once_it_is_known_who_that_is() {
        let doorman = doorman(10, 1, 100);
        let inside = doorman.known(doorman.admit_brought().unwrap(), ip("10.0.0.1"));
        assert!(inside.is_some());
        let brought = doorman.admit_brought().unwrap();
        assert!(doorman.known(brought, ip("10.0.0.1")).is_none());
        assert_eq!(doorman.places.available_permits(), 9, "its place is given back");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_comes_only_so_often() {
        let doorman = doorman(10, 10, 2);
        assert_eq!((0..5).filter(|_| doorman.admit(ip("10.0.0.1")).is_some()).count(), 2);
        assert!(doorman.admit(ip("10.0.0.2")).is_some());
        assert!((0..5).all(|_| doorman.admit(ip("::1")).is_some()));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(doorman.admit(ip("10.0.0.1")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let same = |a: &str, b: &str| network(ip(a)) == network(ip(b));
        assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
