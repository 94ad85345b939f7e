//! Targets: URLs that say where services are found.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::ChannelError;
use crate::Address;
use crate::discovery::{DnsOptions, Endpoint, Methods, WatchedFile, Wires, check_host};

/// A target, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `static://host:port,unix:/path,local:name`
    Static(Vec<Endpoint>),
    /// `memory://`
    Memory,
    /// `file:///path`, and how often it is looked at.
    File(PathBuf, Duration),
    /// `dns://name:port`
    Dns(String, DnsOptions),
    /// `etcd://host:port,host:port/root`
    #[cfg(feature = "etcd")]
    Etcd(String),
    /// `zk://host:port,host:port/chroot`, and `zk://` for a session that is there already.
    ZooKeeper(String),
}

impl Target {
    pub(super) fn parse(target: &str) -> Result<Self, ChannelError> {
        let bad = |reason: String| ChannelError::Target { target: target.to_owned(), reason };
        let (scheme, rest) = target
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme, such as static://".to_owned()))?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parsed = match scheme {
            "static" => fixed(authority, query),
            "memory" if authority.is_empty() && query.is_empty() => Ok(Self::Memory),
            "memory" => Err("memory:// takes nothing behind it".to_owned()),
            "file" => file(authority, query),
            "dns" => dns(authority, query),
            #[cfg(feature = "etcd")]
            "etcd" if query.is_empty() => Ok(Self::Etcd(authority.to_owned())),
            #[cfg(feature = "etcd")]
            "etcd" => Err("etcd:// takes no options".to_owned()),
            #[cfg(not(feature = "etcd"))]
            "etcd" => Err("etcd:// needs the feature `etcd` of mprpc".to_owned()),
            "zk" if query.is_empty() => Ok(Self::ZooKeeper(authority.to_owned())),
            "zk" => Err("zk:// takes no options".to_owned()),
            other => Err(format!(
                "unknown scheme `{other}`; known are static, memory, file, dns, zk and etcd"
            )),
        };
        parsed.map_err(bad)
    }
}

fn fixed(addresses: &str, query: &str) -> Result<Target, String> {
    let (mut wires, mut methods) = (Wires::V2, Methods::All);
    options(query, SPOKEN, |name, value| spoken(name, value, &mut wires, &mut methods))?;
    let endpoint = |address| {
        let methods = methods.clone();
        Ok(Endpoint { wires, methods, ..Endpoint::new(resolve(address)?) })
    };
    addresses.split(',').map(endpoint).collect::<Result<_, _>>().map(Target::Static)
}

fn file(path: &str, query: &str) -> Result<Target, String> {
    if !path.starts_with('/') {
        return Err("file:// takes an absolute path, as in file:///etc/instances.json".to_owned());
    }
    let mut poll = WatchedFile::POLL;
    options(query, "poll=1s", |name, value| match name {
        "poll" => duration(value).map(|every| poll = every),
        _ => None,
    })?;
    Ok(Target::File(path.into(), poll))
}

fn dns(name: &str, query: &str) -> Result<Target, String> {
    check_host(name)?;
    let mut dns = DnsOptions::default();
    let known = format!("refresh=5s, {SPOKEN}");
    options(query, &known, |name, value| match name {
        "refresh" => duration(value).map(|every| dns.refresh = every),
        _ => spoken(name, value, &mut dns.wires, &mut dns.methods),
    })?;
    Ok(Target::Dns(name.to_owned(), dns))
}

/// Hands each option behind the `?` to `take`, which knows it or not.
fn options(
    query: &str,
    known: &str,
    mut take: impl FnMut(&str, &str) -> Option<()>,
) -> Result<(), String> {
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let taken = option.split_once('=').and_then(|(name, value)| take(name, value));
        taken.ok_or_else(|| format!("`{option}` is none of {known}"))?;
    }
    Ok(())
}

/// The options that say what instances speak and serve, where nothing else does.
const SPOKEN: &str = "wire=v2, wire=classic and methods=Name,Name";

fn spoken(name: &str, value: &str, wires: &mut Wires, methods: &mut Methods) -> Option<()> {
    match (name, value) {
        ("wire", "v2") => *wires = Wires::V2,
        ("wire", "classic") => *wires = Wires::Classic,
        ("methods", names) if !names.is_empty() => *methods = Methods::only(names.split(',')),
        _ => return None,
    }
    Some(())
}

/// `500ms`, `5s` or `1m`; an interval, so not nothing.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number = u64::from(number.parse::<u32>().ok().filter(|number| *number > 0)?);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
}

/// Names are looked up once, here: `static` means that nothing changes.
fn resolve(address: &str) -> Result<Address, String> {
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let resolved: Option<SocketAddr> = address
        .to_socket_addrs()
        .map_err(|error| format!("`{address}` is not host:port of a known host: {error}"))?
        // The original's services listen on IPv4.
        .min_by_key(|address| !address.is_ipv4());
    resolved.map(Address::Tcp).ok_or_else(|| format!("`{address}` has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_target_is_a_list_of_instances() {
        let endpoint = |port: u16| Endpoint::new(([127, 0, 0, 1], port));
        let parsed = Target::parse("static://127.0.0.1:1,127.0.0.1:2").unwrap();
        assert_eq!(parsed, Target::Static(vec![endpoint(1), endpoint(2)]));
        let parsed = Target::parse("static://127.0.0.1:1?wire=classic").unwrap();
        let classic = Endpoint { wires: Wires::Classic, ..endpoint(1) };
        assert_eq!(parsed, Target::Static(vec![classic.clone()]));
        let parsed = Target::parse("static://127.0.0.1:1?wire=classic&methods=Send,Ack").unwrap();
        let methods = Methods::only(["Send", "Ack"]);
        assert_eq!(parsed, Target::Static(vec![Endpoint { methods, ..classic }]));
        assert_eq!(Target::parse("memory://").unwrap(), Target::Memory);
        let parsed = Target::parse("static://unix:/run/echo.sock,local:echo").unwrap();
        let named = ["unix:/run/echo.sock", "local:echo"].map(|address| address.parse().unwrap());
        let named: [Address; 2] = named;
        assert_eq!(parsed, Target::Static(named.map(Endpoint::new).into()));
        let zookeeper = |hosts: &str| Target::ZooKeeper(hosts.to_owned());
        assert_eq!(Target::parse("zk://a:1,b:2/root").unwrap(), zookeeper("a:1,b:2/root"));
        assert_eq!(Target::parse("zk://").unwrap(), zookeeper(""));
    }

    #[test]
    fn a_file_and_a_name_are_followed_as_their_options_say() {
        let file = |poll| Target::File("/etc/a.json".into(), poll);
        assert_eq!(Target::parse("file:///etc/a.json").unwrap(), file(Duration::from_secs(1)));
        let parsed = Target::parse("file:///etc/a.json?poll=250ms").unwrap();
        assert_eq!(parsed, file(Duration::from_millis(250)));
        let dns = |options| Target::Dns("echo.local:80".to_owned(), options);
        assert_eq!(Target::parse("dns://echo.local:80").unwrap(), dns(DnsOptions::default()));
        let parsed = Target::parse("dns://echo.local:80?refresh=2m&wire=classic&methods=Echo");
        let options = DnsOptions {
            refresh: Duration::from_secs(120),
            wires: Wires::Classic,
            methods: Methods::only(["Echo"]),
            ..DnsOptions::default()
        };
        assert_eq!(parsed.unwrap(), dns(options));
    }

    #[test]
    fn what_is_wrong_with_a_target_is_said() {
        for (target, reason) in [
            ("127.0.0.1:1", "no scheme"),
            ("http://a:1", "known are static, memory, file, dns, zk and etcd"),
            ("etcd://a:1?b", "no options"),
            ("static://unix:", "not host:port"),
            ("file://etc/a.json", "absolute path"),
            ("file:///a?poll=0s", "none of poll=1s"),
            ("file:///a?poll=5", "none of"),
            ("dns://a", "`a` is not host:port"),
            ("dns://:80", "not host:port"),
            ("dns://a:80?refresh=5h", "none of refresh=5s"),
            ("dns://a:80?x", "none of"),
            ("static://127.0.0.1", "not host:port"),
            ("static://", "not host:port"),
            ("static://127.0.0.1:1?wire=v3", "none of"),
            ("static://127.0.0.1:1?methods=", "none of"),
            ("zk://a:1?b", "no options"),
            ("memory://a", "takes nothing"),
        ] {
            let error = Target::parse(target).unwrap_err().to_string();
            assert!(error.contains(target) && error.contains(reason), "{error}");
        }
    }
}
