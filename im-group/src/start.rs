//! Wiring: everything that im-group consists of is chosen and put together here, once.

use std::sync::Arc;

use im_common::mysql::{MySql, OpenError};
use im_common::sqlite::DatabaseError;
use im_common::{DataDir, DataDirError, Deps, Running, Tasks};
use mpim_proto::{group_service, message_service};
use mprpc::Server;

use crate::config::Config;
use crate::groups::Groups;
use crate::service::GroupService;
use crate::store::{GroupStore, MYSQL_MIGRATIONS, MysqlStore, SqliteStore};

/// Why im-group did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database in the data directory.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database of `[database]`.
    #[error(transparent)]
    Server(#[from] OpenError),
    /// Where im-message is.
    #[error("targets.message: {0}")]
    Message(#[source] mprpc::ChannelError),
    /// The address to listen on.
    #[error(transparent)]
    Listen(#[from] mprpc::ServerError),
    /// The work of starting was cut off.
    #[error("starting was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Starts im-group: opens its data, then listens and finishes what an earlier run left pending.
/// Returns once calls are answered; waits for a database server that is away, but not for im-message.
///
/// Cancel safe: a dropped start leaves nothing behind but the files that it made.
///
/// # Errors
/// If the data directory is in use, the data cannot be opened, or the port is taken.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    // Another database means another adapter, chosen here.
    if config.database.is_configured() {
        let (migrations, shutdown) = (MYSQL_MIGRATIONS, &deps.shutdown);
        let opening = MySql::open(&config.database, migrations, &deps.readiness, shutdown);
        let store = MysqlStore::new(opening.await?);
        return serve(store, config, deps).await;
    }
    let path = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || {
        SqliteStore::open(DataDir::open(path)?).map_err(StartError::from)
    });
    serve(opening.await??, config, deps).await
}

async fn serve<S: GroupStore>(store: S, config: Config, deps: Deps) -> Result<Running, StartError> {
    let channel = deps.channel(&config.targets.message).map_err(StartError::Message)?;
    let messages = message_service::Client::new(&channel);
    let rpc = config.rpc.clone();
    let groups = Arc::new(Groups::new(store, messages, deps.clock.clone(), config));
    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(group_service::serve(GroupService::new(Arc::clone(&groups))))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &rpc).await?;
    let addr = server.local_addr();

    let tasks = Tasks::new("im-group", deps.shutdown.clone());
    let sweep_shutdown = deps.shutdown.clone();
    tasks.spawn_essential("sweep", async move { groups.sweep_until(&sweep_shutdown).await });
    tasks.spawn_essential("server", server.serve(deps.shutdown.into_triggered()));
    Ok(Running::new(addr, tasks))
}
