//! The directory that holds a service's data, and the lock that keeps a second process out.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock is held. It stays when the process ends; only the lock counts, and the
/// kernel gives that back however the process dies.
const LOCK: &str = "LOCK";

/// A data directory that this process owns for as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// A data directory that cannot be ours.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it. Two writers would each believe to be the only one.
    #[error("data directory {} is in use by process {owner}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, as far as it said.
        owner: String,
    },
    /// It cannot be created, or not be locked.
    #[error("cannot use data directory {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl DataDir {
    /// Creates the directory, readable by its owner only, unless it exists, and locks it.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        match lock(&path) {
            Ok(Lock::Ours(lock)) => Ok(Self { path, _lock: lock }),
            Ok(Lock::TakenBy(owner)) => Err(DataDirError::InUse { path, owner }),
            Err(source) => Err(DataDirError::Io { path, source }),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

enum Lock {
    Ours(File),
    TakenBy(String),
}

fn lock(path: &Path) -> std::io::Result<Lock> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        // Not truncated: until the lock is ours, what it says is the owner's.
        .truncate(false)
        .mode(0o600)
        .open(path.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())?;
            Ok(Lock::Ours(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // It may not have written its number yet; that it has the lock is what matters.
            let _ = file.take(32).read_to_string(&mut owner);
            let owner = owner.trim();
            Ok(Lock::TakenBy(if owner.is_empty() { "unknown" } else { owner }.to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_opening_is_refused_and_says_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/user");
        let first = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "data directory {} is in use by process {}",
                path.display(),
                std::process::id()
            )
        );
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path().join("data")).unwrap();
        let mode = std::fs::metadata(data.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_path_that_is_a_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use data directory {}", path.display()));
    }
}
