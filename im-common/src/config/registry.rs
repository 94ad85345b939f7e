//! What the registry needs from the rest of a file: rules across sections, whichever service they
//! belong to.

use std::net::SocketAddr;

use toml::Value;

use super::key;
use super::load::Effective;
use super::target::ZOOKEEPER;

/// Notes what cannot work together.
pub(super) fn check(effective: &mut Effective) {
    let text = |key: &str| key::get(&effective.values, key).and_then(Value::as_str);
    let registry = text("zookeeper.hosts").is_some_and(|hosts| !hosts.is_empty());
    let mut wrong = Vec::new();
    for key in key::all(&effective.values) {
        if registry && let Some(advertise) = advertise_of(&key) {
            let listens_anywhere = text(&key)
                .and_then(|listen| listen.parse::<SocketAddr>().ok())
                .is_some_and(|listen| listen.ip().is_unspecified());
            if listens_anywhere && text(&advertise) == Some("") {
                wrong.push((advertise, key.clone(), ADVERTISE));
            }
        }
        if !registry && text(&key) == Some(ZOOKEEPER) {
            wrong.push((key.clone(), key, HOSTS));
        }
    }
    for (key, cause, what) in wrong {
        effective.wrong(&key, &cause, what.to_owned());
    }
}

const ADVERTISE: &str = "must be the address under which others reach this service, such as \
    \"10.0.0.5:8010\": it registers in ZooKeeper and listens on every address, which is none that \
    others can call";
const HOSTS: &str = "is `zk://`, but no ZooKeeper is configured: `zookeeper.hosts` must be like \
    \"10.0.0.5:2181\"";

/// The key of what a server tells the registry, for the key of where it listens.
fn advertise_of(key: &str) -> Option<String> {
    let section = key.strip_suffix(".listen")?;
    let is_rpc = section == "rpc" || section.ends_with(".rpc");
    is_rpc.then(|| format!("{section}.advertise"))
}
