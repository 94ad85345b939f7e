//! Which programs a stack consists of, and what each is told.

use std::net::SocketAddr;
use std::path::Path;

use super::{Layout, Service, StackBuilder};
use crate::binaries::repository;
use crate::{Process, free_address};

/// Where everything listens.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    rpc: [SocketAddr; 5],
    text: SocketAddr,
}

impl Addresses {
    pub(super) fn free() -> Self {
        Self { rpc: Service::ALL.map(|_| free_address()), text: free_address() }
    }

    pub(super) fn rpc(&self, service: Service) -> SocketAddr {
        let place = Service::ALL.iter().position(|other| *other == service);
        self.rpc[place.expect("ALL has every service")]
    }

    pub(super) fn text(&self) -> SocketAddr {
        self.text
    }
}

/// The processes of a stack, each configured through its environment over the shipped file.
pub(super) fn processes(
    builder: &StackBuilder,
    addresses: &Addresses,
    directory: &Path,
) -> Vec<Process> {
    let conf = repository().join("conf");
    match builder.layout {
        Layout::Embedded => {
            let mut mpim = Process::new("mpim", directory)
                .argument("-i")
                .argument(conf.join("embedded/mpim.toml"))
                .argument("--data-dir")
                .argument(directory.join("data"));
            for service in Service::ALL {
                mpim = mpim.variable(
                    variable(Some(service), "rpc.listen"),
                    addresses.rpc(service).to_string(),
                );
            }
            let text = variable(Some(Service::Gateway), "text.listen");
            let mpim = mpim.variable(text, addresses.text().to_string());
            vec![configured(mpim, &settings(builder, None), true)]
        }
        Layout::Five => {
            let process = |service: Service| {
                let file = format!("static/{}.toml", service.program());
                let mut process = Process::new(service.program(), directory)
                    .argument("-i")
                    .argument(conf.join(file))
                    .variable("MPIM_RPC__LISTEN", addresses.rpc(service).to_string());
                for callee in callees(service) {
                    process = process.variable(
                        variable(None, &format!("targets.{}", callee.section())),
                        format!("static://{}", addresses.rpc(*callee)),
                    );
                }
                if service == Service::Gateway {
                    process = process.variable("MPIM_TEXT__LISTEN", addresses.text().to_string());
                }
                if matches!(service, Service::User | Service::Message | Service::Group) {
                    let data = directory.join("data").join(service.section());
                    process = process.argument("--data-dir").argument(data);
                }
                configured(process, &settings(builder, Some(service)), false)
            };
            Service::ALL.map(process).into()
        }
    }
}

/// Those that a service calls where they were configured to be.
fn callees(service: Service) -> &'static [Service] {
    use Service::{Group, Message, Presence, User};
    match service {
        User | Presence => &[],
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

    #[test]
    fn a_key_is_set_in_the_process_that_has_it() {
        assert_eq!(variable(None, "log.filter"), "MPIM_LOG__FILTER");
        assert_eq!(variable(Some(Service::Gateway), "text.listen"), "MPIM_GATEWAY__TEXT__LISTEN");
        let builder = StackBuilder { layout: Layout::Five, settings: Vec::new() }.set(
            Service::Message,
            "text.bytes_max",
            9,
        );
        assert_eq!(settings(&builder, Some(Service::Message)).len(), 2);
        assert_eq!(settings(&builder, Some(Service::Group)).len(), 1);
        assert_eq!(settings(&builder, None).len(), 4);
    }
}
