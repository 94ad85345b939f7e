//! The last believed listing of a service in a file, for a start while ZooKeeper is down.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::discovery::{Endpoint, Methods, Wires};
use crate::{Address, ServiceDescriptor};

/// Where the listing of one service is kept.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    path: PathBuf,
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
    pub(super) fn new(directory: &Path, service: &ServiceDescriptor) -> Self {
        Self { path: directory.join(format!("{}.json", service.full_name)) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was stored last, if anything was. A file that makes no sense is ignored, with a
    /// warning.
    pub(super) async fn load(&self) -> Option<Vec<Endpoint>> {
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&path)).await;
        match loaded.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(endpoints) => Some(endpoints),
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
        let entries: Vec<Entry> = endpoints.iter().map(Entry::from).collect();
        let text = serde_json::to_vec_pretty(&entries)?;
        let path = self.path.clone();
        let stored = tokio::task::spawn_blocking(move || store(&path, &text)).await;
        stored.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

fn load(path: &Path) -> io::Result<Vec<Endpoint>> {
    let entries: Vec<Entry> = serde_json::from_slice(&std::fs::read(path)?)?;
    Ok(entries.into_iter().map(Endpoint::from).collect())
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

    #[tokio::test]
    async fn what_was_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(&directory.path().join("made"), &ECHO);
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
    async fn a_corrupt_one_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(directory.path(), &ECHO);
        for junk in ["", "{", "[{\"id\":1}]", "[{\"id\":\"a\",\"address\":\"nowhere\"}]"] {
            std::fs::write(snapshot.path(), junk).unwrap();
            assert_eq!(snapshot.load().await, None, "{junk}");
        }
    }
}
