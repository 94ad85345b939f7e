//! Wiring: everything that im-user consists of is chosen and put together here, once.

use im_common::sqlite::DatabaseError;
use im_common::{DataDir, DataDirError, Deps, Running, Tasks};
use mpim_proto::user_service;
use mprpc::Server;

use crate::config::Config;
use crate::service::UserService;
use crate::store::SqliteStore;
use crate::token::TokenKey;
use crate::users::Users;

/// Why im-user did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The key that signs tokens.
    #[error("{0}")]
    TokenKey(String),
    /// The cost of a password hash, as configured.
    #[error("[password]: {0}")]
    Password(String),
    /// The address to listen on.
    #[error(transparent)]
    Listen(#[from] mprpc::ServerError),
    /// The work of starting was cut off.
    #[error("starting was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Starts im-user: opens its data, then listens. Returns once calls are answered.
///
/// Cancel safe: a dropped start leaves nothing behind but the files that it made.
///
/// # Errors
/// If the data directory is in use, the data cannot be opened, or the port is taken.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let rpc = config.rpc.clone();
    let clock = deps.clock.clone();
    // Opening a database and computing a hash both block.
    let opening = tokio::task::spawn_blocking(move || open(config, clock));
    let (data_dir, users) = opening.await??;

    let health_clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(user_service::serve(UserService::new(users)))
        .add_service(mpim_proto::health(move || health_clock.now_ms()));
    let server = deps.bind(server, &rpc).await?;
    let addr = server.local_addr();

    let tasks = Tasks::new("im-user", deps.shutdown.clone());
    tasks.spawn_essential("server", async move {
        // Ours until the last call is answered.
        let _data_dir = data_dir;
        server.serve(deps.shutdown.into_triggered()).await;
    });
    Ok(Running::new(addr, tasks))
}

/// Another database means another adapter, chosen here.
fn open(
    config: Config,
    clock: im_common::Clock,
) -> Result<(DataDir, Users<SqliteStore>), StartError> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let store = SqliteStore::open(&data_dir.file("user.db"))?;
    let key = TokenKey::load_or_make(&data_dir.file("token.key"))
        .map_err(|error| StartError::TokenKey(error.to_string()))?;
    let users = Users::new(store, key, clock, config)
        .map_err(|error| StartError::Password(error.to_string()))?;
    Ok((data_dir, users))
}
