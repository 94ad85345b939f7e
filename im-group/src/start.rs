//! Wiring: everything that im-group consists of is chosen and put together here, once.

use std::sync::Arc;

use im_common::sqlite::DatabaseError;
use im_common::{DataDir, DataDirError, Deps, Running, Tasks};
use mpim_proto::{group_service, message_service};
use mprpc::Server;

use crate::config::Config;
use crate::groups::Groups;
use crate::service::GroupService;
use crate::store::SqliteStore;

/// Why im-group did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
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
/// Returns once calls are answered; im-message need not be there yet.
///
/// Cancel safe: a dropped start leaves nothing behind but the files that it made.
///
/// # Errors
/// If the data directory is in use, the data cannot be opened, or the port is taken.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let channel = deps.channel(&config.targets.message).map_err(StartError::Message)?;
    let messages = message_service::Client::new(&channel);

    // Another database means another adapter, chosen here. Opening one blocks.
    let path = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let data_dir = DataDir::open(path)?;
        let store = SqliteStore::open(&data_dir.file("group.db"))?;
        Ok::<_, StartError>((data_dir, store))
    });
    let (data_dir, store) = opening.await??;

    let rpc = config.rpc.clone();
    let groups = Arc::new(Groups::new(store, messages, deps.clock.clone(), config));
    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(group_service::serve(GroupService::new(Arc::clone(&groups))))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &rpc).await?;
    let addr = server.local_addr();

    let tasks = Tasks::new("im-group", deps.shutdown.clone());
    // Both use the database, so the directory is ours until both are done.
    let data_dir = Arc::new(data_dir);
    let held = Arc::clone(&data_dir);
    let sweep_shutdown = deps.shutdown.clone();
    tasks.spawn_essential("sweep", async move {
        // In this order: the database is closed before the directory is given up.
        let (_held, groups) = (held, groups);
        groups.sweep_until(&sweep_shutdown).await;
    });
    tasks.spawn_essential("server", async move {
        let _held = data_dir;
        server.serve(deps.shutdown.into_triggered()).await;
    });
    Ok(Running::new(addr, tasks))
}
