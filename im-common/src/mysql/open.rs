//! From a URL to a database that can be used.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts};

use super::config::Address;
use super::durability;
use super::error::{OpenError, is_missing_database, is_refusal};
use super::migrate::migrate;
use crate::{Dependency, Shutdown, in_one_line};

/// The pause after a first failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a try to open did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It would not the next time either.
    Final(OpenError),
    /// It may the next time.
    Later(String),
}

impl Failure {
    pub(super) fn later(why: &str) -> Self {
        Self::Later(why.to_owned())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Final(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Later(in_one_line(&error))
    }
}

/// Tries until the database is there with its schema, or cannot be.
pub(super) async fn open(
    address: &Address,
    connect: Duration,
    migrations: &[&str],
    dependency: &Dependency,
    shutdown: &Shutdown,
) -> Result<(), OpenError> {
    let opening = async {
        let mut pause = PAUSE_MIN;
        loop {
            match prepare(address, connect, migrations).await {
                Ok(()) => return Ok(()),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Later(why)) => dependency.down(&why),
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    tokio::select! {
        outcome = opening => outcome,
        () = shutdown.triggered() => Err(OpenError::ShutDown { place: address.place.clone() }),
    }
}

async fn prepare(address: &Address, connect: Duration, migrations: &[&str]) -> Result<(), Failure> {
    let mut conn = match connected(address.migrator(), connect).await {
        Err(Problem::Server(error)) if is_missing_database(&error) => {
            create(address, connect).await?;
            connected(address.migrator(), connect).await
        }
        outcome => outcome,
    }
    .map_err(|problem| problem.at(address))?;
    migrate(&mut conn, address, migrations).await?;
    durability::look(&mut conn, address).await?;
    // Only politeness: the server notices by itself.
    let _ = conn.disconnect().await;
    Ok(())
}

/// Makes the database, which the server says is not there for us.
async fn create(address: &Address, connect: Duration) -> Result<(), Failure> {
    let mut conn =
        connected(address.server(), connect).await.map_err(|problem| problem.at(address))?;
    let database = &address.database;
    // The name is plain: `Address` saw to it.
    let create = format!(
        "CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    );
    match conn.query_drop(create).await {
        Ok(()) => {
            tracing::info!(database, place = address.place, "created the database");
            Ok(())
        }
        Err(error @ Error::Server(_)) => Err(Problem::Server(error).at(address)),
        Err(error) => Err(error.into()),
    }
}

enum Problem {
    TooSlow(Duration),
    Server(Error),
}

impl Problem {
    fn at(self, address: &Address) -> Failure {
        let (database, place) = (address.name(), address.place.clone());
        match self {
            Self::TooSlow(limit) => {
                Failure::Later(format!("it did not accept a connection within {limit:?}"))
            }
            Self::Server(source) if is_refusal(&source) => {
                OpenError::Refused { place, source }.into()
            }
            Self::Server(source) if is_missing_database(&source) => {
                OpenError::NoDatabase { database, source }.into()
            }
            Self::Server(error) => error.into(),
        }
    }
}

async fn connected(opts: Opts, within: Duration) -> Result<Conn, Problem> {
    match tokio::time::timeout(within, Conn::new(opts)).await {
        Ok(conn) => conn.map_err(Problem::Server),
        Err(_elapsed) => Err(Problem::TooSlow(within)),
    }
}
