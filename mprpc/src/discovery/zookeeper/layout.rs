//! The nodes: where they stand and what is in them. `PROTOCOL.md` specifies both layouts.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, SocketAddrV4};

use super::session::Node;
use crate::ServiceDescriptor;
use crate::discovery::host::nobody_connects;
use crate::discovery::instance;
use crate::discovery::{Endpoint, Methods, Wires};

/// The path of a child.
pub(super) fn below(path: &str, name: &str) -> String {
    format!("{path}/{name}")
}

/// Where the instances of a service stand.
pub(super) fn instances(service: &ServiceDescriptor) -> String {
    format!("/mprpc/{}", service.full_name)
}

/// Where the methods of a service stand for callers of the original framework.
pub(super) fn methods(service: &ServiceDescriptor) -> String {
    format!("/{}", service.short_name)
}

/// The address in a classic node.
pub(super) fn decode_classic(data: &[u8]) -> Result<SocketAddr, String> {
    let text = std::str::from_utf8(data).unwrap_or_default();
    // The original may write the end of the C string, too.
    let text = text.trim_end_matches('\0').trim();
    let address: SocketAddrV4 =
        text.parse().map_err(|_| "it is not an IPv4 address with a port".to_owned())?;
    if nobody_connects(address.into()) {
        return Err(format!("nobody can connect to {address}"));
    }
    Ok(address.into())
}

/// What a classic node of this address has in it; nothing for one that it cannot name.
pub(super) fn encode_classic(address: SocketAddr) -> Option<Vec<u8>> {
    address.is_ipv4().then(|| address.to_string().into_bytes())
}

/// What was read of a service: its instances, and the nodes that make no sense.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// By id.
    pub(super) endpoints: Vec<Endpoint>,
    /// Their paths, and what is wrong with each.
    pub(super) junk: Vec<(String, String)>,
}

/// The instances of a service, from both layouts. One that stands in both counts once.
pub(super) fn read(
    service: &'static ServiceDescriptor,
    instances: &HashMap<String, Node>,
    methods: &HashMap<String, Node>,
) -> Read {
    let mut read = Read::default();
    let mut by_address = by_address(service, instances, &mut read.junk);
    let mut classic: BTreeMap<SocketAddr, Vec<&str>> = BTreeMap::new();
    for method in service.methods {
        let Some(node) = methods.get(*method) else { continue };
        match decode_classic(&node.data) {
            Ok(address) => classic.entry(address).or_default().push(method),
            Err(what) => read.junk.push((below(&self::methods(service), method), what)),
        }
    }
    for (address, methods) in classic {
        by_address.entry(address).or_insert_with(|| Endpoint {
            wires: Wires::Classic,
            methods: Methods::only(methods),
            ..Endpoint::new(address)
        });
    }
    read.endpoints = by_address.into_values().collect();
    read.endpoints.sort_by(|a, b| a.id.cmp(&b.id));
    read
}

fn by_address(
    service: &'static ServiceDescriptor,
    instances: &HashMap<String, Node>,
    junk: &mut Vec<(String, String)>,
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut nodes: Vec<_> = instances.iter().collect();
    // Two ids may name one address: that of an instance which was restarted with another id. The
    // newer holds.
    nodes.sort_by_key(|(_, node)| node.stat.czxid);
    let nodes = nodes.into_iter().map(|(name, node)| (name.as_str(), node.data.as_slice()));
    instance::by_address(&self::instances(service), nodes, junk)
}

#[cfg(test)]
mod tests {
    use zookeeper_client::Stat;

    use super::*;
    use crate::discovery::instance::{DATA_BYTES_MAX, Instance};

    static ECHO: ServiceDescriptor = ServiceDescriptor {
        full_name: "echo.Echo",
        short_name: "Echo",
        methods: &["Echo", "Fail", "Describe"],
    };

    fn nodes<'a>(nodes: impl IntoIterator<Item = (&'a str, &'a str)>) -> HashMap<String, Node> {
        let stat = |czxid| Stat {
            czxid,
            mzxid: czxid,
            pzxid: czxid,
            ctime: 0,
            mtime: 0,
            version: 0,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: 1,
            data_length: 0,
            num_children: 0,
        };
        let numbered = nodes.into_iter().zip(1..);
        numbered
            .map(|((name, data), czxid)| {
                (name.to_owned(), Node { data: data.into(), stat: stat(czxid) })
            })
            .collect()
    }

    fn instance(port: u16) -> String {
        format!("{{\"address\":\"10.0.0.1:{port}\"}}")
    }

    #[test]
    fn an_instance_in_both_layouts_counts_once_and_one_in_the_classic_one_serves_what_names_it() {
        let instances = nodes([("one", instance(1).as_str())]);
        let methods = nodes([
            ("Echo", "10.0.0.1:1"),
            ("Fail", "10.0.0.1:2\0"),
            ("Describe", " 10.0.0.1:2\n"),
            ("NoSuchMethod", "10.0.0.1:3"),
        ]);
        let read = read(&ECHO, &instances, &methods);
        let ours = Endpoint { id: "one".to_owned(), ..Endpoint::new(([10, 0, 0, 1], 1)) };
        let theirs = Endpoint {
            wires: Wires::Classic,
            methods: Methods::only(["Fail", "Describe"]),
            ..Endpoint::new(([10, 0, 0, 1], 2))
        };
        assert_eq!(read.endpoints, [theirs, ours]);
        assert_eq!(read.junk, []);
    }

    #[test]
    fn of_two_ids_at_one_address_the_younger_holds() {
        let (one, two) = (instance(1), instance(2));
        let instances = nodes([("z", one.as_str()), ("b", &two), ("a", &one)]);
        let read = read(&ECHO, &instances, &HashMap::new());
        let ids: Vec<_> = read.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn an_instance_that_lacks_v2_is_called_over_classic() {
        let data = "{\"address\":\"10.0.0.1:1\",\"wires\":[\"classic\"]}";
        let read = read(&ECHO, &nodes([("one", data)]), &HashMap::new());
        assert_eq!(read.endpoints[0].wires, Wires::Classic);
        assert_eq!(read.endpoints[0].methods, Methods::All);
    }

    #[test]
    fn what_an_instance_says_of_itself_reaches_its_callers() {
        let data =
            "{\"address\":\"10.0.0.1:1\",\"weight\":7,\"zone\":\"a\",\"tags\":[\"x\",\"y\"]}";
        let read = read(&ECHO, &nodes([("one", data)]), &HashMap::new());
        let expected = Endpoint {
            id: "one".to_owned(),
            weight: 7,
            zone: "a".into(),
            tags: ["x", "y"].map(str::to_owned).into(),
            ..Endpoint::new(([10, 0, 0, 1], 1))
        };
        assert_eq!(read.endpoints, [expected]);
    }

    #[test]
    fn junk_is_named_by_its_path_and_harms_nobody() {
        let huge = format!("{{\"address\":\"10.0.0.1:9\",\"zone\":\"{}\"}}", "x".repeat(5000));
        let good = instance(1);
        let instances = nodes([
            ("good", good.as_str()),
            ("huge", &huge),
            ("cut", "{\"address\":"),
            ("nowhere", "{\"address\":\"0.0.0.0:80\"}"),
            ("portless", "{\"address\":\"10.0.0.1:0\"}"),
            ("name", "{\"address\":\"localhost:80\"}"),
        ]);
        let methods = nodes([("Echo", "[::1]:80"), ("Fail", ""), ("Describe", "1.2.3.4")]);
        let read = read(&ECHO, &instances, &methods);
        assert_eq!(read.endpoints.len(), 1);
        let mut paths: Vec<_> = read.junk.iter().map(|(path, _)| path.as_str()).collect();
        paths.sort_unstable();
        let instances = ["cut", "huge", "name", "nowhere", "portless"];
        let expected = instances.map(|name| format!("/mprpc/echo.Echo/{name}"));
        assert_eq!(paths[..3], ["/Echo/Describe", "/Echo/Echo", "/Echo/Fail"]);
        assert_eq!(paths[3..], expected);
    }

    #[test]
    fn what_ours_say_of_themselves_is_read_back() {
        let address = ([10, 0, 0, 1], 8010).into();
        let mut ours = Endpoint {
            id: "one".to_owned(),
            weight: 7,
            zone: "a".into(),
            tags: ["x", "y"].map(str::to_owned).into(),
            ..Endpoint::new(address)
        };
        let said = Instance::ours(&ours, address, 7).encode();
        assert!(said.len() < DATA_BYTES_MAX / 4);
        assert_eq!(Instance::decode(&said).unwrap().endpoint("one"), ours);

        ours.tags = ["x".repeat(DATA_BYTES_MAX)].into();
        let said = Instance::ours(&ours, address, 7).encode();
        let without = Endpoint { tags: [].into(), ..ours };
        assert_eq!(Instance::decode(&said).unwrap().endpoint("one"), without);

        let classic = encode_classic(address).unwrap();
        assert_eq!(classic, b"10.0.0.1:8010");
        assert_eq!(decode_classic(&classic), Ok(address));
        assert_eq!(encode_classic("[::1]:1".parse().unwrap()), None);
    }
}
