//! The number of files and sockets that this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and answers what now holds (`None`: no limit).
///
/// The usual soft limit of 1,024 exists for programs that use `select`; a gateway needs one per
/// connection.
pub fn raise_open_files_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
    open_files_max()
}

/// How many files and sockets this process may have open; `None`: no limit.
#[must_use]
pub fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Logs a warning when `connections` of configuration key `key` are more than the system allows.
pub fn warn_if_too_few_open_files(connections: u64, key: &str) {
    // Databases, logs, listeners and the links between the services.
    const OTHERS: u64 = 256;
    if let Some(max) = open_files_max()
        && connections.saturating_add(OTHERS) > max
    {
        let possible = max.saturating_sub(OTHERS);
        tracing::warn!(
            key,
            configured = connections,
            possible,
            open_files_max = max,
            "fewer connections are possible than configured: raise the hard limit (ulimit -Hn)"
        );
    }
}
