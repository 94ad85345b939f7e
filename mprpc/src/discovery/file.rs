//! Instances in a file that is looked at again and again: what `file:///path` means.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::host::nobody_connects;
use super::junk::Junk;
use super::{Discover, Endpoint, Listing, Methods, Wires};
use crate::{Address, ServiceDescriptor};

/// A file with more bytes is junk: this is enough for ten thousand instances.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Instances in a JSON file: what `file:///path` means. Clones share one look at it.
///
/// ```text
/// {
///   "echo.EchoService": [
///     {"address": "10.0.0.5:8010"},
///     {"address": "10.0.0.6:8010", "id": "six", "weight": 50, "zone": "b", "tags": ["canary"]},
///     {"address": "10.0.0.7:8010", "wires": ["classic"], "methods": ["Echo"]}
///   ]
/// }
/// ```
///
/// The keys are the full names of services. An instance needs nothing but its address, `ip:port`,
/// `unix:/path` or `local:name`; without the others it is named by that, speaks v2, serves every
/// method, and has the usual weight, no zone and no tags.
///
/// The file is read as a whole at an interval, by its name: so it may be written in place, renamed
/// over, or be a link that is pointed elsewhere. A service that it does not name has no instances.
/// While it is missing, is longer than 4 MiB or makes no sense, what it said last stays in use, and
/// before it has said anything, calls wait.
#[derive(Clone)]
pub struct WatchedFile {
    shared: Arc<Shared>,
    /// Ends with the last clone.
    _task: Arc<AbortOnDropHandle<()>>,
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the file said last; nothing before it made sense once.
    services: Option<HashMap<String, Arc<[Endpoint]>>>,
    /// The services that are followed.
    listings: HashMap<&'static str, watch::Sender<Listing>>,
}

/// An instance, as it stands in the file. Written by people: a key that we do not know is a slip.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    address: Address,
    id: Option<String>,
    wires: Option<Vec<Wire>>,
    methods: Option<Vec<String>>,
    weight: Option<u32>,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Wire {
    V2,
    Classic,
}

impl WatchedFile {
    /// How often the file is looked at unless something else is said.
    pub const POLL: Duration = Duration::from_secs(1);

    /// Follows the file at `path`, which need not exist yet, looking at it every `poll`. Must be
    /// called within a tokio runtime.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, poll: Duration) -> Self {
        let shared = Arc::new(Shared { path: path.into(), state: Mutex::default() });
        let task = tokio::spawn(follow(Arc::clone(&shared), poll));
        Self { shared, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }
}

impl Discover for WatchedFile {
    fn watch(&self, service: &'static ServiceDescriptor) -> watch::Receiver<Listing> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = state.listing(service.full_name);
        let sender = || watch::Sender::new(listing);
        state.listings.entry(service.full_name).or_insert_with(sender).subscribe()
    }
}

impl State {
    fn listing(&self, service: &str) -> Listing {
        let Some(services) = &self.services else { return Listing::Unknown };
        Listing::Known(services.get(service).cloned().unwrap_or_default())
    }

    fn replace(&mut self, services: HashMap<String, Arc<[Endpoint]>>) {
        self.services = Some(services);
        for (service, sender) in &self.listings {
            let listing = self.listing(service);
            sender.send_if_modified(|known| {
                let changed = *known != listing;
                *known = listing;
                changed
            });
        }
    }
}

async fn follow(shared: Arc<Shared>, poll: Duration) {
    let mut junk = Junk::new("file");
    let mut before = None;
    loop {
        let path = shared.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        let place = || shared.path.display().to_string();
        match read {
            Err(error) => junk.is([(place(), error.to_string())]),
            Ok(text) if before.as_ref() == Some(&text) => {}
            Ok(text) => {
                match parse(&text) {
                    Ok(services) => {
                        junk.is([]);
                        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                        state.replace(services);
                    }
                    Err(what) => junk.is([(place(), what)]),
                }
                before = Some(text);
            }
        }
        tokio::time::sleep(poll).await;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody to write into it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// All or nothing: half of what somebody meant may be worse than what was there before.
fn parse(text: &[u8]) -> Result<HashMap<String, Arc<[Endpoint]>>, String> {
    let services: HashMap<String, Vec<Entry>> =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut parsed = HashMap::new();
    for (service, entries) in services {
        let mut ids = HashSet::new();
        let mut endpoints = Vec::with_capacity(entries.len());
        for entry in entries {
            let endpoint = entry.endpoint().map_err(|what| format!("{service}: {what}"))?;
            if !ids.insert(endpoint.id.clone()) {
                return Err(format!("{service}: two instances are called {:?}", endpoint.id));
            }
            endpoints.push(endpoint);
        }
        parsed.insert(service, endpoints.into());
    }
    Ok(parsed)
}

impl Entry {
    fn endpoint(self) -> Result<Endpoint, String> {
        let usual = Endpoint::new(self.address);
        if let Some(address) = usual.address.tcp()
            && nobody_connects(address)
        {
            return Err(format!("nobody can connect to {address}"));
        }
        let wires = match self.wires {
            Some(wires) if wires.is_empty() => return Err(format!("{}: no wires", usual.id)),
            Some(wires) if !wires.contains(&Wire::V2) => Wires::Classic,
            _ => Wires::V2,
        };
        Ok(Endpoint {
            id: self.id.unwrap_or(usual.id),
            wires,
            methods: self.methods.map_or(Methods::All, Methods::only),
            weight: self.weight.unwrap_or(Endpoint::WEIGHT),
            zone: self.zone.into(),
            tags: self.tags.into(),
            ..Endpoint::new(usual.address)
        })
    }
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedFile").field(&self.shared.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_needs_nothing_but_its_address() {
        let parsed = parse(br#"{"a.B":[{"address":"10.0.0.5:8010"}],"c.D":[]}"#).unwrap();
        assert_eq!(*parsed["a.B"], [Endpoint::new(([10, 0, 0, 5], 8010))]);
        assert_eq!(*parsed["c.D"], []);
    }

    #[test]
    fn all_that_can_be_said_of_an_instance_is_read() {
        let text = br#"{"a.B":[{"address":"unix:/run/x","id":"six","wires":["classic"],
            "methods":["Echo"],"weight":7,"zone":"b","tags":["canary"]}]}"#;
        let expected = Endpoint {
            id: "six".to_owned(),
            address: "unix:/run/x".parse().unwrap(),
            wires: Wires::Classic,
            methods: Methods::only(["Echo"]),
            weight: 7,
            zone: "b".into(),
            tags: ["canary".to_owned()].into(),
        };
        assert_eq!(*parse(text).unwrap()["a.B"], [expected]);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, what) in [
            ("", "EOF"),
            ("[]", "map"),
            (r#"{"a.B":[{"address":"10.0.0.5:8010"}"#, "EOF"),
            (r#"{"a.B":[{"address":"nowhere"}]}"#, "nowhere"),
            (r#"{"a.B":[{"address":"0.0.0.0:80"}]}"#, "nobody can connect"),
            (r#"{"a.B":[{"address":"1.2.3.4:5","wieght":1}]}"#, "wieght"),
            (r#"{"a.B":[{"address":"1.2.3.4:5","weight":-1}]}"#, "-1"),
            (r#"{"a.B":[{"address":"1.2.3.4:5","wires":["v3"]}]}"#, "v3"),
            (r#"{"a.B":[{"address":"1.2.3.4:5"},{"address":"1.2.3.4:5"}]}"#, "two instances"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
