//! The wiring of im-presence: which adapter, which limits, which server.

use std::sync::Arc;

use im_common::{Deps, Running, Tasks};
use mprpc::{Server, ServerError};

use crate::bind::Binder;
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::gateways::Gateways;
use crate::queue::DirectQueue;
use crate::routes::MemoryRoutes;
use crate::service::PresenceService;

/// Why im-presence could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its port cannot be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Starts im-presence. It serves until the shutdown of `deps` is triggered.
///
/// # Errors
/// The port cannot be listened on.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let tasks = Tasks::new("im-presence", deps.shutdown.clone());
    let boot_id = format!("{:016x}-{:016x}", deps.clock.now_ms(), fastrand::u64(..));
    let routes = Arc::new(MemoryRoutes::new(config.routes.memory_limits(), deps.clock.clone()));
    let gateways = Gateways::new(config.push.gateways_max);
    let queue = Arc::new(DirectQueue::new(
        boot_id.clone(),
        config.push.limits(),
        gateways.clone(),
        Arc::clone(&routes),
        tasks.clone(),
    ));
    let service = PresenceService {
        boot_id,
        routes: Arc::clone(&routes),
        queue: Arc::clone(&queue),
        binder: Binder {
            routes: Arc::clone(&routes),
            gateways,
            close_timeout: config.routes.close_timeout(),
        },
        dispatcher: Dispatcher { routes: Arc::clone(&routes), queue: Arc::clone(&queue) },
    };

    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(mpim_proto::presence_service::serve(service))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &config.rpc).await?;
    let addr = server.local_addr();

    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("server", async move {
        server.serve(shutdown.triggered()).await;
        // Only now: calls that were in flight had their pushes handed over.
        queue.close();
    });
    let (shutdown, interval) = (deps.shutdown.clone(), config.routes.sweep_interval());
    tasks.spawn_essential("sweep", async move {
        while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
            routes.sweep();
        }
    });
    Ok(Running::new(addr, tasks))
}
