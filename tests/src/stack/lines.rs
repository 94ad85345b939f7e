//! The ways between those who take part, where a test wants to cut them.

use std::net::SocketAddr;

use super::layout::{Addresses, callees};
use super::{Instance, Layout, Servers, Service};
use crate::Proxy;

/// One end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum End {
    Clients,
    /// Whoever calls an instance of a cluster.
    Anybody,
    Instance(Instance),
    ZooKeeper,
    MariaDb,
    Redis,
}

/// A way from one to another.
#[derive(Debug)]
#[expect(missing_docs, reason = "said above")]
pub struct Line {
    pub from: End,
    pub to: End,
    pub proxy: Proxy,
}

/// All lines of a stack: from clients to each gateway; among the five, from each to those that it
/// calls; in a cluster to each instance, and from each to every server.
#[derive(Debug)]
pub struct Lines {
    lines: Vec<Line>,
    /// A server, and where it is without a line.
    servers: Vec<(End, String)>,
}

impl Lines {
    pub(super) async fn make(
        layout: Layout,
        addresses: &[Addresses],
        servers: Option<&Servers>,
    ) -> Self {
        let servers = servers.map_or_else(Vec::new, |servers| {
            let (zookeeper, mariadb, redis) = servers.addresses();
            vec![(End::ZooKeeper, zookeeper), (End::MariaDb, mariadb), (End::Redis, redis)]
        });
        let mut lines = Self { lines: Vec::new(), servers };
        for (number, addresses) in (1..).zip(addresses) {
            let gateway = Instance { service: Service::Gateway, number };
            lines.add(End::Clients, End::Instance(gateway), addresses.text()).await;
            match layout {
                Layout::Embedded => {}
                Layout::Five => lines.among_five(addresses).await,
                Layout::Cluster => lines.of_an_instance_each(number, addresses).await,
            }
        }
        lines
    }

    async fn among_five(&mut self, addresses: &Addresses) {
        let end = |service| End::Instance(Instance { service, number: 1 });
        for caller in Service::ALL {
            for callee in callees(caller) {
                self.add(end(caller), end(*callee), addresses.rpc(*callee)).await;
            }
        }
        let gateway = addresses.rpc(Service::Gateway);
        self.add(end(Service::Presence), end(Service::Gateway), gateway).await;
    }

    async fn of_an_instance_each(&mut self, number: usize, addresses: &Addresses) {
        for service in Service::ALL {
            let instance = End::Instance(Instance { service, number });
            self.add(End::Anybody, instance, addresses.rpc(service)).await;
            for (server, address) in self.servers.clone() {
                let address = address.parse().expect("a server has an address");
                self.add(instance, server, address).await;
            }
        }
    }

    async fn add(&mut self, from: End, to: End, address: SocketAddr) {
        self.lines.push(Line { from, to, proxy: Proxy::to(address).await });
    }

    /// All of them.
    pub fn all(&self) -> &[Line] {
        &self.lines
    }

    /// Where `from` finds `to`, if there is a line.
    pub fn address(&self, from: End, to: End) -> Option<SocketAddr> {
        let line = self.lines.iter().find(|line| line.from == from && line.to == to);
        line.map(|line| line.proxy.address())
    }

    /// A value of an instance's configuration with its lines in the place of the servers.
    pub(super) fn redirect(&self, instance: Instance, value: String) -> String {
        self.servers.iter().fold(value, |value, (server, address)| {
            match self.address(End::Instance(instance), *server) {
                Some(line) => value.replace(address, &line.to_string()),
                None => value,
            }
        })
    }
}
