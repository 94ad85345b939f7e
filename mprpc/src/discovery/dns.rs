//! The addresses of a name: what `dns://name:port` means.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::believed::Believed;
use super::host::nobody_connects;
use super::junk::Junk;
use super::probe::Probes;
use super::snapshot::{Origin, Snapshot};
use super::{Discover, Endpoint, Listing, Methods, Wires};
use crate::ServiceDescriptor;

/// Addresses taken of one answer.
const ADDRESSES_MAX: usize = 4096;

/// The addresses of a name, asked for again and again: what `dns://name:port` means. Every service
/// has the same instances.
///
/// The system's resolver is asked, so `/etc/hosts` and search lists count, and there is one way on a
/// machine in which a name is resolved. It does not tell how long an answer holds, so that it is
/// asked at an interval; nor does it know ports (`SRV`).
///
/// While it fails, the last list stays in use. An answer that is suddenly much shorter is not
/// believed until connections confirm it.
#[derive(Clone, Debug)]
pub struct Dns {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    options: DnsOptions,
    probes: Probes,
    /// The services that are followed. The tasks end with the registry.
    listings: Mutex<HashMap<&'static str, Followed>>,
}

type Followed = (watch::Receiver<Listing>, AbortOnDropHandle<()>);

/// How a name is followed, and what is known of the instances behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsOptions {
    /// The pause between an answer and the next question (5 s), whatever time the answer itself holds;
    /// each is between three quarters of it and all.
    pub refresh: Duration,
    /// What the instances speak (v2).
    pub wires: Wires,
    /// What they serve (every method).
    pub methods: Methods,
    /// Where the newest listing of each service is kept in a file, for a start while no name can be
    /// resolved (nowhere). A directory is for one registry: a file that another left is ignored.
    pub snapshots: Option<PathBuf>,
}

impl Default for DnsOptions {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(5),
            wires: Wires::V2,
            methods: Methods::All,
            snapshots: None,
        }
    }
}

impl Dns {
    /// Follows the addresses of `name`, which is `name:port`.
    #[must_use]
    pub fn new(name: impl Into<String>, options: DnsOptions) -> Self {
        let (name, probes, listings) = (name.into(), Probes::default(), Mutex::default());
        Self { shared: Arc::new(Shared { name, options, probes, listings }) }
    }
}

impl Discover for Dns {
    /// Must be called within a tokio runtime.
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        let Shared { name, options, probes, listings } = &*self.shared;
        let mut listings = listings.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = || {
            let (sender, listing) = watch::channel(Listing::Unknown);
            let origin = Origin {
                registry: "dns".to_owned(),
                servers: vec![name.clone()],
                root: String::new(),
            };
            let directory = options.snapshots.as_deref();
            let snapshot = directory.map(|directory| Snapshot::new(directory, service, origin));
            let believed = Believed::new(service.full_name, probes.clone(), snapshot, sender);
            let asked = name.clone();
            let ask = move || {
                let name = asked.clone();
                async move { Ok(tokio::net::lookup_host(name).await?.collect()) }
            };
            let task = tokio::spawn(follow(name.clone(), options.clone(), believed, ask));
            (listing, AbortOnDropHandle::new(task))
        };
        listings.entry(service.full_name).or_insert_with(follow).0.clone()
    }
}

/// Asks for ever, one question at a time: the resolver bounds by itself how long one may take, and
/// could not be stopped before.
async fn follow<F>(name: String, options: DnsOptions, mut believed: Believed, ask: impl Fn() -> F)
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut junk = Junk::new("dns");
    let mut failing = false;
    loop {
        let answer = believed.meanwhile(ask()).await;
        match answer {
            Ok(addresses) => {
                if std::mem::replace(&mut failing, false) {
                    tracing::info!(name, "the name is resolved again");
                }
                let (addresses, nonsense) = sort_out(addresses);
                junk.is(nonsense.into_iter().map(|what| (name.clone(), what)));
                let endpoint = |address| Endpoint {
                    wires: options.wires,
                    methods: options.methods.clone(),
                    ..Endpoint::new(address)
                };
                believed.listed(addresses.into_iter().map(endpoint).collect(), true).await;
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(name, %error, "the name cannot be resolved; calls go on with the last list");
            }
            Err(_) => {}
        }
        // Between three quarters of it and all, so that many processes do not ask at once.
        let pause = options.refresh.mul_f64(0.75 + fastrand::f64() / 4.0);
        believed.meanwhile(sleep(pause)).await;
    }
}

/// The addresses to use, and what is wrong with the others.
fn sort_out(addresses: Vec<SocketAddr>) -> (BTreeSet<SocketAddr>, Vec<String>) {
    let (mut good, mut junk) = (BTreeSet::new(), Vec::new());
    for address in addresses {
        if nobody_connects(address) {
            junk.push(format!("nobody can connect to {address}"));
        } else if good.len() < ADDRESSES_MAX {
            good.insert(address);
        } else if !good.contains(&address) {
            junk.push(format!("it has more than {ADDRESSES_MAX} addresses"));
            break;
        }
    }
    (good, junk)
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
