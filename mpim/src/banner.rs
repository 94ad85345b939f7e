//! What a person who starts MPIM reads first: where to connect, what to type, where the data is.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use im_common::Running;

/// An address, who listens there and what is spoken.
struct Listener {
    service: &'static str,
    speaks: &'static str,
    addr: SocketAddr,
}

/// The banner for these services, the port for those who watch them, and their data.
pub(crate) fn of(services: &[Running], admin: Option<SocketAddr>, data_dir: &Path) -> String {
    let mut listeners: Vec<_> = services.iter().flat_map(listeners).collect();
    listeners.sort_by_key(|listener| listener.addr);
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    banner(&listeners, admin, &data_dir)
}

fn listeners(service: &Running) -> impl Iterator<Item = Listener> + '_ {
    // What people connect to comes before what services call each other on.
    let others = service.others.iter().copied();
    others.chain([("mprpc", service.addr)]).map(|(speaks, addr)| Listener {
        service: service.name,
        speaks,
        addr,
    })
}

fn banner(listeners: &[Listener], admin: Option<SocketAddr>, data_dir: &Path) -> String {
    let mut text =
        format!("MPIM {} is running: five services, one process.\n\n", env!("CARGO_PKG_VERSION"));
    let (people, services): (Vec<_>, Vec<_>) =
        listeners.iter().partition(|listener| listener.speaks != "mprpc");
    for Listener { service, speaks, addr } in people.iter().chain(&services) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {speaks:<12}{addr:<22}{service}");
    }
    if let Some(addr) = admin {
        let _ = writeln!(text, "  {:<12}{addr:<22}/healthz /readyz /metrics", "admin");
    }
    let _ = writeln!(text, "  {:<12}{}", "data", data_dir.display());
    if let Some(text_lines) = people.iter().find(|listener| listener.speaks == "text lines") {
        text.push_str(&try_it(text_lines.addr));
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}

fn try_it(addr: SocketAddr) -> String {
    let (host, port) = (reachable(addr), addr.port());
    format!(
        "
Try it, in two terminals:

  nc {host} {port}                      nc {host} {port}
  REGISTER alice alice-secret            REGISTER bob bob-secret-2
  ADDFRIEND 2                            (uids are in the +OK lines)
  SEND 2 hello bob                       SEND 1 hello alice

Next time it is LOGIN instead of REGISTER; HELP lists the commands.
"
    )
}

/// An address that a client on this machine can connect to.
fn reachable(addr: SocketAddr) -> String {
    match addr {
        addr if !addr.ip().is_unspecified() => addr.ip().to_string(),
        SocketAddr::V4(_) => "127.0.0.1".to_owned(),
        SocketAddr::V6(_) => "::1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_to_connect_what_to_type_and_where_the_data_is() {
        let listeners = [
            Listener { service: "im-user", speaks: "mprpc", addr: ([127, 0, 0, 1], 8010).into() },
            Listener {
                service: "im-gateway",
                speaks: "text lines",
                addr: ([0, 0, 0, 0], 6000).into(),
            },
        ];
        let admin = Some(([127, 0, 0, 1], 9010).into());
        let text = banner(&listeners, admin, Path::new("/srv/data"));
        let (before, after) = text.split_once("  mprpc       127.0.0.1:8010").unwrap();
        assert!(before.contains("  text lines  0.0.0.0:6000"), "{text}");
        assert!(after.contains("  admin       127.0.0.1:9010 "), "{text}");
        assert!(after.contains("  data        /srv/data\n"), "{text}");
        assert!(after.contains("nc 127.0.0.1 6000"), "{text}");
    }
}
