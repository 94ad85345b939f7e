//! The parts of im-presence that `conf/apart` gives a process of their own.

use std::path::Path;

use super::layout::Addresses;
use crate::Process;
use crate::binaries::repository;

/// Their names. What gateways and services ask stays in the process that is called im-presence.
pub(super) const PARTS: [&str; 3] = ["routing", "dispatch", "connections"];

/// What the process of a part is called.
pub(super) fn name(part: &str) -> String {
    format!("im-{part}")
}

/// The processes of the parts.
pub(super) fn processes(addresses: &Addresses, directory: &Path) -> [Process; 3] {
    let mut listen = addresses.parts().into_iter();
    PARTS.map(|part| {
        let file = repository().join(format!("conf/apart/{}.toml", name(part)));
        let process = Process::new("im-presence", directory).named(name(part));
        let process = process.argument("-i").argument(file);
        let listen = listen.next().expect("each has an address").to_string();
        with_targets(process.variable("MPIM_RPC__LISTEN", listen), addresses)
    })
}

/// Tells a part where the others are.
pub(super) fn with_targets(mut process: Process, addresses: &Addresses) -> Process {
    for (part, address) in PARTS.iter().zip(addresses.parts()) {
        let target = format!("MPIM_TARGETS__{}", part.to_uppercase());
        process = process.variable(target, format!("static://{address}"));
    }
    process
}
