//! The parts of im-presence that `conf/apart` gives a process of their own.

use std::net::SocketAddr;
use std::path::Path;

use super::Stack;
use super::layout::Addresses;
use crate::Process;
use crate::binaries::repository;

/// Their names. What gateways and services ask stays in the process that is called im-presence.
pub(super) const PARTS: [&str; 3] = ["routing", "dispatch", "connections"];

/// What the process of an instance of a part is called: `im-routing`, `im-routing-2`.
pub(super) fn name(part: &str, number: usize) -> String {
    match number {
        1 => format!("im-{part}"),
        number => format!("im-{part}-{number}"),
    }
}

/// The processes of one instance of each part. They are not told where the others are.
pub(super) fn processes(addresses: &Addresses, number: usize, directory: &Path) -> [Process; 3] {
    let mut listen = addresses.parts().into_iter();
    PARTS.map(|part| {
        let file = repository().join(format!("conf/apart/im-{part}.toml"));
        let process = Process::new("im-presence", directory).named(name(part, number));
        let process = process.argument("-i").argument(file);
        let listen = listen.next().expect("each has an address").to_string();
        process.variable("MPIM_RPC__LISTEN", listen)
    })
}

/// Tells a part where the others are: at these addresses, or, without any, where ZooKeeper says.
pub(super) fn with_targets(mut process: Process, addresses: Option<&Addresses>) -> Process {
    let addresses = addresses.map(Addresses::parts);
    for (place, part) in PARTS.iter().enumerate() {
        let target = addresses.map(|addresses| format!("static://{}", addresses[place]));
        let target = target.unwrap_or_else(|| "zk://".to_owned());
        process = process.variable(format!("MPIM_TARGETS__{}", part.to_uppercase()), target);
    }
    process
}

impl Stack {
    /// Where the first instance of a part of im-presence takes calls that has a process of its own:
    /// `routing`.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn part_address(&self, part: &str) -> SocketAddr {
        self.part_address_of(part, 1)
    }

    /// The same of one of several instances, from 1.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn part_address_of(&self, part: &str, number: usize) -> SocketAddr {
        let addresses = self.addresses[number - 1].parts();
        let mut addresses = PARTS.into_iter().zip(addresses);
        addresses.find(|(other, _)| *other == part).expect("one of the parts").1
    }

    /// Every instance of a part of im-presence that may have a process of its own.
    pub(super) fn parts(&self) -> Vec<(&'static str, usize)> {
        let instances = 1..=self.addresses.len();
        PARTS.iter().flat_map(|part| instances.clone().map(|number| (*part, number))).collect()
    }
}
