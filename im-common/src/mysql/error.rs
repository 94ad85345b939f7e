//! What can go wrong with a database server, and what that means.

use mysql_async::{DriverError, Error};

/// A database that cannot be opened, for a reason that waiting does not mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL makes no sense. It is not shown: it has a password in it.
    #[error("must be mysql://user:password@host:port/database: {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// The server does not let this user in.
    #[error("the database server at {place} refuses the user of database.url")]
    Refused {
        /// `host:port`.
        place: String,
        /// What the server said.
        source: Error,
    },
    /// The database does not exist and may not be created, or may not be used.
    #[error("the user of database.url can neither use nor create {database}")]
    NoDatabase {
        /// `name at host:port`.
        database: String,
        /// What the server said.
        source: Error,
    },
    /// A schema step failed. What it did before stays; the next start goes on from there.
    #[error("cannot bring {database} to schema version {version} (statement {statement})")]
    Migrate {
        /// `name at host:port`.
        database: String,
        /// The version that was being built.
        version: usize,
        /// Which of its statements, from 1.
        statement: usize,
        /// What the server said.
        source: Error,
    },
    /// The database was written by a newer program, whose tables this one does not understand.
    #[error("{database} has schema version {found}, this program knows versions up to {known}")]
    Newer {
        /// `name at host:port`.
        database: String,
        /// What the database says.
        found: usize,
        /// The last version of this program.
        known: usize,
    },
    /// What was done to this database is not what this program does: another service uses it, or a
    /// published step was changed.
    #[error(
        "statement {statement} of schema version {version} of {database} is not this \
         program's: each service needs a database of its own"
    )]
    Foreign {
        /// `name at host:port`.
        database: String,
        /// The version.
        version: usize,
        /// Which of its statements, from 1.
        statement: usize,
    },
    /// The process was asked to end before the server was there.
    #[error("the shutdown came before the database at {place}")]
    ShutDown {
        /// `host:port`.
        place: String,
    },
}

/// Why an operation gave no answer: the source of the [`StoreError`](crate::StoreError) of
/// [`MySql::read`](super::MySql::read) and [`MySql::write`](super::MySql::write).
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// Nothing was done: no connection was free in time.
    #[error("no connection was free within {0} ms")]
    Busy(u64),
    /// Nothing was done: the server cannot be reached, or does not take us.
    #[error("cannot connect")]
    Connect(#[source] Error),
    /// Nothing was done: the server took too long to accept the connection.
    #[error("the server did not accept a connection within {0} ms")]
    ConnectTimeout(u64),
    /// A statement failed, and everything before it was undone.
    #[error(transparent)]
    Statement(Error),
    /// The transaction deadlocked, or lost its connection, as often as it may be run again.
    #[error("gave up after {0} reruns")]
    Reruns(u32, #[source] Error),
    /// It took too long. A transaction was undone, unless it was committing.
    #[error("not done within {0} ms")]
    TimedOut(u64),
    /// The answer to COMMIT was lost: it may have happened.
    #[error("the answer to COMMIT was lost")]
    CommitUnknown(#[source] Error),
}

impl OperationError {
    /// Whether a write may have happened all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::CommitUnknown(_) | Self::TimedOut(_))
    }

    /// Whether it means that the server is not there: not when all connections are used, here
    /// or, as the server says, by everybody.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Connect(Error::Server(server)) => !FULL.contains(&server.code),
            Self::Busy(_) | Self::Statement(_) => false,
            _ => true,
        }
    }
}

/// What an error says about the connection and the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The transaction lost to another: the same again can succeed.
    Conflict,
    /// The connection is of no use any more; what was not committed is undone.
    Lost,
    /// The statement itself: the same again fails again.
    Statement,
}

/// Deadlock; lock wait timeout; TiDB: write conflicts and a schema that changed meanwhile.
const CONFLICTS: [u16; 6] = [1213, 1205, 9007, 8002, 8022, 8028];
/// Errors after which another connection may find a server that works: shut down (1053), killed
/// (1317, 1927), network (1158-1161), read-only because another is the primary now (1290, 1792,
/// 1836), a Galera node that is not in the cluster (1047), unknown prepared statement (1243: something
/// between us and the server changed the server), idle for too long (4031, MySQL: a process that was
/// frozen reads it when it wakes).
const LOST: [u16; 13] =
    [1053, 1317, 1927, 1158, 1159, 1160, 1161, 1290, 1792, 1836, 1047, 1243, 4031];

pub(super) fn kind(error: &Error) -> Kind {
    match error {
        Error::Server(server) if CONFLICTS.contains(&server.code) => Kind::Conflict,
        Error::Server(server) if LOST.contains(&server.code) => Kind::Lost,
        Error::Io(_) => Kind::Lost,
        Error::Driver(
            DriverError::ConnectionClosed
            | DriverError::PacketOutOfOrder
            | DriverError::UnexpectedPacket { .. },
        ) => Kind::Lost,
        _ => Kind::Statement,
    }
}

/// The server has as many connections as it, or we, may have.
const FULL: [u16; 3] = [1040, 1203, 1226];

/// Wrong user or password, or a host that may not connect: waiting does not mend it.
const REFUSALS: [u16; 5] = [1045, 1698, 1130, 1251, 1862];
/// No such database; no right to use or create it.
const NO_DATABASE: [u16; 2] = [1049, 1044];

/// Whether the server said no to us, and will go on doing so.
pub(super) fn is_refusal(error: &Error) -> bool {
    let unusable = matches!(
        error,
        Error::Driver(
            DriverError::UnknownAuthPlugin { .. }
                | DriverError::MysqlOldPasswordDisabled
                | DriverError::CleartextPluginDisabled
        )
    );
    unusable || matches!(error, Error::Server(server) if REFUSALS.contains(&server.code))
}

/// Whether the server let us in, but there is no such database for us.
pub(super) fn is_missing_database(error: &Error) -> bool {
    matches!(error, Error::Server(server) if NO_DATABASE.contains(&server.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        mysql_async::ServerError { code, message: String::new(), state: String::new() }.into()
    }

    #[test]
    fn only_what_another_transaction_caused_is_a_conflict() {
        assert_eq!(kind(&server(1213)), Kind::Conflict);
        assert_eq!(kind(&server(1205)), Kind::Conflict);
        assert_eq!(kind(&server(1062)), Kind::Statement, "a duplicate key stays one");
        assert_eq!(kind(&server(1290)), Kind::Lost);
        assert_eq!(kind(&server(4031)), Kind::Lost, "ended while this process was frozen");
        assert_eq!(kind(&std::io::Error::other("reset").into()), Kind::Lost);
    }

    #[test]
    fn a_wrong_password_is_final_and_a_full_server_is_not() {
        assert!(is_refusal(&server(1045)));
        assert!(!is_refusal(&server(1040)) && !is_missing_database(&server(1040)));
        assert!(is_missing_database(&server(1049)));
    }

    #[test]
    fn a_full_server_is_there() {
        assert!(!OperationError::Connect(server(1040)).is_absence());
        assert!(!OperationError::Busy(7).is_absence());
        assert!(OperationError::Connect(server(1053)).is_absence());
        assert!(OperationError::ConnectTimeout(7).is_absence());
    }
}
