//! What can go wrong between a job and the disk.

use std::path::PathBuf;
use std::sync::Arc;

/// A database that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file cannot be made: no such directory, no permission.
    #[error("cannot create the database {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused: no permission, not a database, disk full.
    #[error("cannot open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A schema step failed; its transaction was rolled back, so the file is as it was before it.
    #[error("cannot bring {path} to schema version {version}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The version that was being built.
        version: usize,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file was written by a newer program, whose tables this one does not understand.
    #[error("{path} has schema version {found}, this program knows versions up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: i64,
        /// The last version of this program.
        known: usize,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the writer thread of {path}")]
    Thread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a write did not happen, or why it is not known whether it did: the source of the
/// [`StoreError`](crate::StoreError) that [`Database::write`](super::Database::write) answers.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The job itself said no; only its own changes were undone.
    #[error(transparent)]
    Job(rusqlite::Error),
    /// The job panicked; only its own changes were undone.
    #[error("the write panicked and was undone")]
    Panicked,
    /// The transaction that held the job could not begin or commit, so *none* of its jobs happened.
    /// One failure, shared by all of them.
    #[error("the transaction failed")]
    Transaction(#[source] Arc<rusqlite::Error>),
    /// The writer is gone: the database is closing.
    #[error("the database is closed")]
    Closed,
}

/// Why a read gave no answer: the source of the [`StoreError`](crate::StoreError) that
/// [`Database::read`](super::Database::read) answers.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The query itself said no.
    #[error(transparent)]
    Job(rusqlite::Error),
    /// The query panicked.
    #[error("the read panicked")]
    Panicked,
    /// The snapshot for the query could not be taken.
    #[error("the read could not begin")]
    Begin(#[source] rusqlite::Error),
    /// The database is closing.
    #[error("the database is closed")]
    Closed,
}
