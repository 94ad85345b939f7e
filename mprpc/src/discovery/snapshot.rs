//! The last believed listing of a service in a file, for a start while the registry is down.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::discovery::{Endpoint, Methods, Wires};
use crate::{Address, ServiceDescriptor};

/// Where the listing of one service is kept, and of which registry it is.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    path: PathBuf,
    origin: Origin,
}

/// Which registry a listing is of. A directory may outlive the configuration that named it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Origin {
    /// Its kind.
    pub(super) registry: String,
    /// Where it is asked.
    pub(super) servers: Vec<String>,
    /// The part of it that is looked at.
    pub(super) root: String,
}

/// What stands in the file.
#[derive(Deserialize, Serialize)]
struct File {
    #[serde(flatten)]
    origin: Origin,
    instances: Vec<Entry>,
}

/// An instance, as it stands in the file.
#[derive(Deserialize, Serialize)]
struct Entry {
    id: String,
    address: Address,
    /// It speaks only the original wire.
    #[serde(default)]
    classic: bool,
    /// The methods that it serves; all of them, if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    methods: Option<Vec<String>>,
    #[serde(default = "weight")]
    weight: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    zone: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

fn weight() -> u32 {
    Endpoint::WEIGHT
}

impl Snapshot {
    pub(super) fn new(directory: &Path, service: &ServiceDescriptor, origin: Origin) -> Self {
        Self { path: directory.join(format!("{}.json", service.full_name)), origin }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was stored last, if anything was. A file that makes no sense, or is of another registry,
    /// is ignored, with a warning.
    pub(super) async fn load(&self) -> Option<Vec<Endpoint>> {
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
        match loaded.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(file) if file.origin.is_that_of(&self.origin) => {
                Some(file.instances.into_iter().map(Endpoint::from).collect())
            }
            Ok(File { origin: Origin { registry, servers, root }, .. }) => {
                let path = self.path.display();
                tracing::warn!(
                    %path, registry, ?servers, root,
                    "a snapshot is of another registry; ignored"
                );
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "a snapshot of a listing cannot be used");
                None
            }
        }
    }

    /// Stores it so that a crash leaves the former file or the new one.
    pub(super) async fn store(&self, endpoints: &[Endpoint]) -> io::Result<()> {
        let instances = endpoints.iter().map(Entry::from).collect();
        let text = serde_json::to_vec_pretty(&File { origin: self.origin.clone(), instances })?;
        let path = self.path.clone();
        let stored = tokio::task::spawn_blocking(move || store(&path, &text)).await;
        stored.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Origin {
    /// Whether it is the same registry: servers come and go, but not all at once.
    fn is_that_of(&self, other: &Self) -> bool {
        self.registry == other.registry
            && self.root == other.root
            && self.servers.iter().any(|server| other.servers.contains(server))
    }
}

fn load(path: &Path) -> io::Result<File> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn store(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    // Several processes may share the directory: each writes a file of its own first.
    let unique = path.with_extension(format!("{}-{:x}", std::process::id(), fastrand::u64(..)));
    let written = std::fs::write(&unique, text).and_then(|()| std::fs::rename(&unique, path));
    if written.is_err() {
        // What could not be written whole is of no use; that it stays is no error of its own.
        let _ = std::fs::remove_file(&unique);
    }
    written
}

impl From<&Endpoint> for Entry {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id.clone(),
            address: endpoint.address.clone(),
            classic: endpoint.wires == Wires::Classic,
            methods: match &endpoint.methods {
                Methods::All => None,
                Methods::Only(names) => Some(names.to_vec()),
            },
            weight: endpoint.weight,
            zone: endpoint.zone.to_string(),
            tags: endpoint.tags.to_vec(),
        }
    }
}

impl From<Entry> for Endpoint {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            wires: if entry.classic { Wires::Classic } else { Wires::V2 },
            methods: entry.methods.map_or(Methods::All, Methods::only),
            weight: entry.weight,
            zone: entry.zone.into(),
            tags: entry.tags.into(),
            ..Self::new(entry.address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ECHO: ServiceDescriptor =
        ServiceDescriptor { full_name: "echo.Echo", short_name: "Echo", methods: &["Echo"] };

    fn origin(servers: &[&str], root: &str) -> Origin {
        Origin {
            registry: "zookeeper".to_owned(),
            servers: servers.iter().map(|server| (*server).to_owned()).collect(),
            root: root.to_owned(),
        }
    }

    #[tokio::test]
    async fn what_was_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        let snapshot = Snapshot::new(&made, &ECHO, origin(&["a:1"], "/x"));
        assert_eq!(snapshot.load().await, None);
        let first = Endpoint::new(([127, 0, 0, 1], 1));
        let second = Endpoint {
            id: "two".to_owned(),
            wires: Wires::Classic,
            methods: Methods::only(["Echo"]),
            weight: 7,
            zone: "a".into(),
            tags: ["x"].map(str::to_owned).into(),
            ..Endpoint::new(([127, 0, 0, 1], 2))
        };
        for endpoints in [vec![first.clone()], vec![first, second]] {
            snapshot.store(&endpoints).await.unwrap();
            assert_eq!(snapshot.load().await, Some(endpoints));
        }
        let left = std::fs::read_dir(directory.path().join("made")).unwrap().count();
        assert_eq!(left, 1, "nothing else stays behind");
    }

    #[tokio::test]
    async fn one_of_another_registry_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let at = |origin| Snapshot::new(directory.path(), &ECHO, origin);
        let endpoints = vec![Endpoint::new(([127, 0, 0, 1], 1))];
        at(origin(&["a:1", "b:1"], "/x")).store(&endpoints).await.unwrap();
        assert_eq!(at(origin(&["a:1", "b:1"], "/y")).load().await, None, "another root");
        assert_eq!(at(origin(&["c:1"], "/x")).load().await, None, "another ensemble");
        let etcd = Origin { registry: "etcd".to_owned(), ..origin(&["a:1"], "/x") };
        assert_eq!(at(etcd).load().await, None, "another kind");
        let a_server_was_replaced = at(origin(&["b:1", "c:1"], "/x"));
        assert_eq!(a_server_was_replaced.load().await, Some(endpoints));
    }

    #[tokio::test]
    async fn a_corrupt_one_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(directory.path(), &ECHO, origin(&["a:1"], ""));
        let nowhere = "{\"registry\":\"zookeeper\",\"servers\":[\"a:1\"],\"root\":\"\",\
                       \"instances\":[{\"id\":\"a\",\"address\":\"nowhere\"}]}";
        for junk in ["", "{", "[]", "{\"instances\":[]}", nowhere] {
            std::fs::write(snapshot.path(), junk).unwrap();
            assert_eq!(snapshot.load().await, None, "{junk}");
        }
    }
}
