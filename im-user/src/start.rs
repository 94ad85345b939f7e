//! Wiring: everything that im-user consists of is chosen and put together here, once.

use std::sync::Arc;

use im_common::mysql::{MySql, OpenError};
use im_common::redis::Redis;
use im_common::sqlite::DatabaseError;
use im_common::{DataDir, DataDirError, Deps, Running, Tasks};
use mpim_proto::{message_service, presence_service, user_service};
use mprpc::{ChannelError, Server};

use crate::config::Config;
use crate::devices::Devices;
use crate::gone::Gone;
use crate::neighbours::Services;
use crate::service::UserService;
use crate::store::{MYSQL_MIGRATIONS, MysqlStore, SqliteStore, UserStore};
use crate::token::KeyRing;
use crate::users::Users;

/// Why im-user did not start.
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
    /// The key that signs tokens.
    #[error("{0}")]
    TokenKey(String),
    /// The cost of a password hash, as configured.
    #[error("[password]: {0}")]
    Password(String),
    /// Where im-presence is.
    #[error("original.presence: {0}")]
    Presence(#[source] ChannelError),
    /// A target in `[targets]`.
    #[error("targets.{0}: {1}")]
    Target(&'static str, #[source] ChannelError),
    /// The address to listen on.
    #[error(transparent)]
    Listen(#[from] mprpc::ServerError),
    /// The work of starting was cut off.
    #[error("starting was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Starts im-user: opens its data, then listens. Returns once calls are answered; waits for a
/// database server that is away.
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

async fn serve<S: UserStore>(store: S, config: Config, deps: Deps) -> Result<Running, StartError> {
    let rpc = config.rpc.clone();
    let cache = &config.redis;
    let cache = Redis::connect("cache", &cache.cache_url, &cache.connection, &deps.readiness);
    let gone = match config.original.enabled {
        true => {
            let presence = deps.channel(&config.original.presence);
            let presence = presence.map_err(StartError::Presence)?;
            Some(Gone::new(presence_service::Client::new(&presence), &config.original))
        }
        false => None,
    };
    let channel =
        |name, target| deps.channel(target).map_err(|source| StartError::Target(name, source));
    let neighbours = Services {
        message: message_service::Client::new(&channel("message", &config.targets.message)?),
        presence: presence_service::Client::new(&channel("presence", &config.targets.presence)?),
    };
    let clock = deps.clock.clone();
    // Reading a key and computing a hash both block.
    let making = tokio::task::spawn_blocking(move || {
        let ring = KeyRing::open(config.token_key_file(), &config.token)
            .map_err(|error| StartError::TokenKey(error.to_string()))?;
        let key = ring.signing_id(clock.now_ms());
        let ring = Arc::new(ring);
        // An instance with another key would refuse the others' tokens, also those to be revoked.
        tracing::info!(key, "signs tokens: all instances must name the same key");
        let users = Users::new(store, Arc::clone(&ring), cache, clock, config)
            .map_err(|error| StartError::Password(error.to_string()))?;
        Ok::<_, StartError>((users, ring))
    });
    let (users, ring) = making.await??;
    let devices = Arc::new(Devices::new(Arc::new(users), neighbours));

    let health_clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(user_service::serve(UserService::new(Arc::clone(&devices)).telling(gone)))
        .add_service(mpim_proto::health(move || health_clock.now_ms()));
    let server = deps.bind(server, &rpc).await?;
    let addr = server.local_addr();

    let tasks = Tasks::new("im-user", deps.shutdown.clone());
    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("devices", async move { devices.tell_until(&shutdown).await });
    let following = ring.follow(deps.clock.clone(), deps.shutdown.clone());
    tasks.spawn_essential("token keys", following);
    tasks.spawn_essential("server", server.serve(deps.shutdown.into_triggered()));
    Ok(Running::new(addr, tasks))
}
