//! Which programs a stack consists of, and what each is told.

use std::net::SocketAddr;
use std::path::Path;

use super::{End, Instance, Layout, Lines, Servers, Service, StackBuilder, apart};
use crate::binaries::repository;
use crate::{Process, free_address};

/// Where the system calls of a traced process are written down.
pub(super) const TRACE: &str = "trace";

/// Where one instance of each service listens.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    rpc: [SocketAddr; 5],
    admin: [SocketAddr; 5],
    text: SocketAddr,
    frames: SocketAddr,
    http: SocketAddr,
    parts: [SocketAddr; 3],
}

impl Addresses {
    pub(super) fn free() -> Self {
        let free = || Service::ALL.map(|_| free_address());
        let parts = apart::PARTS.map(|_| free_address());
        let (text, frames, http) = (free_address(), free_address(), free_address());
        Self { rpc: free(), admin: free(), text, frames, http, parts }
    }

    pub(super) fn rpc(&self, service: Service) -> SocketAddr {
        self.rpc[place(service)]
    }

    /// The admin port of a service that has a process of its own.
    pub(super) fn admin(&self, service: Service) -> SocketAddr {
        self.admin[place(service)]
    }

    pub(super) fn text(&self) -> SocketAddr {
        self.text
    }

    /// Where clients connect that speak frames.
    pub(super) fn frames(&self) -> SocketAddr {
        self.frames
    }

    /// Where clients connect that speak HTTP.
    pub(super) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Those of the parts of im-presence that have a process of their own, in the order of `PARTS`.
    pub(super) fn parts(&self) -> [SocketAddr; 3] {
        self.parts
    }
}

fn place(service: Service) -> usize {
    let place = Service::ALL.iter().position(|other| *other == service);
    place.expect("ALL has every service")
}

/// What the processes of a stack find around them.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) servers: Option<&'a Servers>,
    pub(super) lines: Option<&'a Lines>,
    pub(super) directory: &'a Path,
}

impl Surroundings<'_> {
    /// Where `from` finds `to`, which listens at `address`.
    fn way(&self, from: End, to: Instance, address: SocketAddr) -> SocketAddr {
        let line = self.lines.and_then(|lines| lines.address(from, End::Instance(to)));
        line.unwrap_or(address)
    }
}

/// The processes of a stack, each configured through its environment over the shipped file.
pub(super) fn processes(
    builder: &StackBuilder,
    addresses: &[Addresses],
    around: &Surroundings<'_>,
) -> Vec<Process> {
    match builder.layout {
        Layout::Embedded => vec![embedded(builder, &addresses[0], around.directory)],
        Layout::Five => {
            let five = Service::ALL
                .map(|service| one_of_five(builder, &addresses[0], service, around))
                .into_iter();
            let parts = builder.apart.then(|| {
                let settings = settings(builder, Some(Service::Presence));
                let of_parts = &addresses[0];
                let parts = apart::processes(of_parts, 1, around.directory).into_iter();
                parts.map(move |part| {
                    configured(apart::with_targets(part, Some(of_parts)), &settings, false)
                })
            });
            five.chain(parts.into_iter().flatten()).collect()
        }
        Layout::Cluster => {
            let instances = |service| {
                let instance = move |(number, addresses): (usize, _)| {
                    let instance = Instance { service, number: number + 1 };
                    one_of_a_cluster(builder, addresses, instance, around)
                };
                addresses.iter().enumerate().map(instance)
            };
            let parts = (1..).zip(addresses).filter(|_| builder.apart);
            let parts = parts.flat_map(|(number, addresses)| {
                let parts = apart::processes(addresses, number, around.directory).into_iter();
                parts.map(|part| part_of_a_cluster(builder, part, around))
            });
            Service::ALL.into_iter().flat_map(instances).chain(parts).collect()
        }
    }
}

fn embedded(builder: &StackBuilder, addresses: &Addresses, directory: &Path) -> Process {
    let mut mpim = Process::new("mpim", directory)
        .argument("-i")
        .argument(repository().join("conf/embedded/mpim.toml"))
        .argument("--data-dir")
        .argument(directory.join("data"));
    for service in Service::ALL {
        let listen = variable(Some(service), "rpc.listen");
        mpim = mpim.variable(listen, addresses.rpc(service).to_string());
    }
    let mpim = mpim.variable("MPIM_ADMIN__LISTEN", addresses.admin(Service::User).to_string());
    let text = variable(Some(Service::Gateway), "text.listen");
    let frames = variable(Some(Service::Gateway), "frames.listen");
    let http = variable(Some(Service::Gateway), "http.listen");
    let mut mpim = mpim
        .variable(text, addresses.text().to_string())
        .variable(frames, addresses.frames().to_string())
        .variable(http, addresses.http().to_string());
    if builder.traced {
        mpim = mpim.traced(directory.join(TRACE));
    }
    configured(mpim, &settings(builder, None), true)
}

fn one_of_five(
    builder: &StackBuilder,
    addresses: &Addresses,
    service: Service,
    around: &Surroundings<'_>,
) -> Process {
    let directory = around.directory;
    let is_apart = builder.apart && service == Service::Presence;
    let mut process = with_file(service, if is_apart { "apart" } else { "static" }, directory);
    if is_apart {
        process = apart::with_targets(process, Some(addresses));
    }
    process = listening(process, service, addresses);
    let one = |service| Instance { service, number: 1 };
    for callee in callees(service) {
        let way = End::Instance(one(service));
        let address = around.way(way, one(*callee), addresses.rpc(*callee));
        let target = variable(None, &format!("targets.{}", callee.section()));
        process = process.variable(target, format!("static://{address}"));
    }
    if service == Service::Gateway && around.lines.is_some() {
        let pushes = End::Instance(one(Service::Presence));
        let advertised = around.way(pushes, one(service), addresses.rpc(service));
        process = process.variable("MPIM_RPC__ADVERTISE", advertised.to_string());
    }
    if service == Service::User {
        let presence = format!("static://{}", addresses.rpc(Service::Presence));
        process = process.variable(variable(None, "original.presence"), presence);
    }
    if matches!(service, Service::User | Service::Message | Service::Group) {
        let data = directory.join("data").join(service.section());
        process = process.argument("--data-dir").argument(data);
    }
    configured(process, &settings(builder, Some(service)), false)
}

/// What instances share beside their servers, they share in `directory`, which they are started in.
fn one_of_a_cluster(
    builder: &StackBuilder,
    addresses: &Addresses,
    instance: Instance,
    around: &Surroundings<'_>,
) -> Process {
    let service = instance.service;
    let is_apart = builder.apart && service == Service::Presence;
    let folder = if is_apart { "apart" } else { "cluster" };
    let mut process = with_file(service, folder, around.directory).named(instance.name());
    process = listening(process, service, addresses);
    if is_apart {
        return part_of_a_cluster(builder, process, around);
    }
    let servers = around.servers.expect("a cluster has servers");
    for (key, mut value) in servers.settings(service, builder.streams) {
        if let Some(lines) = around.lines {
            value = lines.redirect(instance, value);
        }
        process = process.variable(variable(None, key), value);
    }
    if around.lines.is_some() {
        let advertised = around.way(End::Anybody, instance, addresses.rpc(service));
        process = process.variable("MPIM_RPC__ADVERTISE", advertised.to_string());
    }
    configured(process, &settings(builder, Some(service)), false)
}

/// A part of im-presence with a process of its own, as one of several that ZooKeeper lists.
fn part_of_a_cluster(
    builder: &StackBuilder,
    process: Process,
    around: &Surroundings<'_>,
) -> Process {
    let mut process = apart::with_targets(process.variable("MPIM_TARGETS__USER", "zk://"), None);
    let servers = around.servers.expect("a cluster has servers");
    for (key, value) in servers.settings(Service::Presence, builder.streams) {
        process = process.variable(variable(None, key), value);
    }
    configured(process, &settings(builder, Some(Service::Presence)), false)
}

fn with_file(service: Service, folder: &str, directory: &Path) -> Process {
    let file = format!("conf/{folder}/{}.toml", service.program());
    Process::new(service.program(), directory).argument("-i").argument(repository().join(file))
}

fn listening(process: Process, service: Service, addresses: &Addresses) -> Process {
    let process = process
        .variable("MPIM_RPC__LISTEN", addresses.rpc(service).to_string())
        .variable("MPIM_ADMIN__LISTEN", addresses.admin(service).to_string());
    if service == Service::Gateway {
        process
            .variable("MPIM_TEXT__LISTEN", addresses.text().to_string())
            .variable("MPIM_FRAMES__LISTEN", addresses.frames().to_string())
            .variable("MPIM_HTTP__LISTEN", addresses.http().to_string())
    } else {
        process
    }
}

/// Those that a service calls where they were configured to be.
pub(super) fn callees(service: Service) -> &'static [Service] {
    use Service::{Group, Message, Presence, User};
    match service {
        User => &[Message, Presence],
        Presence => &[User],
        Message => &[User, Presence],
        Group => &[Message],
        Service::Gateway => &[User, Message, Presence, Group],
    }
}

type Setting = (Option<Service>, String, String);

/// What the processes of one service (`None`: of all) are told beyond addresses.
fn settings(builder: &StackBuilder, service: Option<Service>) -> Vec<Setting> {
    let of_tests = [
        (None, "log.format", "json"),
        // The real parameters cost 50 ms a password, and most tests are not about passwords.
        (Some(Service::User), "password.memory_kib", "64"),
        (Some(Service::User), "password.passes", "1"),
    ];
    let of_tests =
        of_tests.map(|(service, key, value)| (service, key.to_owned(), value.to_owned()));
    let of_test = builder.settings.iter().cloned();
    let of_test = of_test.map(|(service, key, value)| (service, key.to_owned(), value));
    let concerns =
        |setting: &Setting| service.is_none() || setting.0.is_none() || setting.0 == service;
    of_tests.into_iter().chain(of_test).filter(concerns).collect()
}

fn configured(mut process: Process, settings: &[Setting], with_sections: bool) -> Process {
    for (service, key, value) in settings {
        let section = service.filter(|_| with_sections);
        process = process.variable(variable(section, key), value);
    }
    process
}

/// The environment variable of a key: `MPIM_GATEWAY__TEXT__LISTEN`, or `MPIM_TEXT__LISTEN` where a
/// process has one service.
fn variable(section: Option<Service>, key: &str) -> String {
    let key = key.to_uppercase().replace('.', "__");
    match section {
        Some(service) => format!("MPIM_{}__{key}", service.section().to_uppercase()),
        None => format!("MPIM_{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stack;

    #[test]
    fn a_key_is_set_in_the_process_that_has_it() {
        assert_eq!(variable(None, "log.filter"), "MPIM_LOG__FILTER");
        assert_eq!(variable(Some(Service::Gateway), "text.listen"), "MPIM_GATEWAY__TEXT__LISTEN");
        let builder = Stack::builder(Layout::Five).set(Service::Message, "text.bytes_max", 9);
        assert_eq!(settings(&builder, Some(Service::Message)).len(), 2);
        assert_eq!(settings(&builder, Some(Service::Group)).len(), 1);
        assert_eq!(settings(&builder, None).len(), 4);
    }
}
