//! The wiring of im-presence: which adapter, which limits, which server.

use std::sync::Arc;
use std::time::Duration;

use im_common::redis::Redis;
use im_common::{Deps, Running, Shutdown, Tasks};
use mprpc::{Server, ServerError};

use crate::config::{Config, QueueKind};
use crate::connections::Gateways;
use crate::dispatch::{Around, Direct, Dispatcher, LinkedQueue, Queue, StreamQueue};
use crate::presence::{Binder, Original, PresenceService};
use crate::routing::{Heard, MemoryRoutes, RedisRoutes, Routes};

/// Why im-presence could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its port cannot be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Starts im-presence. It serves until the shutdown of `deps` is triggered.
///
/// A Redis that is not there yet does not hold it up: until it is, entries go to every gateway, and
/// readiness says why.
///
/// # Errors
/// The port cannot be listened on.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let tasks = Tasks::new("im-presence", deps.shutdown.clone());
    let redis = &config.redis;
    match Redis::connect("metadata", &redis.metadata_url, &redis.shared, &deps.readiness) {
        Some(redis) => {
            let routes = Arc::new(RedisRoutes::new(config.routes.redis_limits(), redis));
            with_routes(config, deps, tasks, routes).await
        }
        None => {
            let limits = config.routes.memory_limits();
            let routes = Arc::new(MemoryRoutes::new(limits, deps.clock.clone()));
            with_routes(config, deps, tasks, routes).await
        }
    }
}

async fn with_routes<R: Routes>(
    config: Config,
    deps: Deps,
    tasks: Tasks,
    routes: Arc<R>,
) -> Result<Running, StartError> {
    let heard = Heard::new(config.routes.heard_for(), config.push.gateways_max);
    let around = Around {
        boot_id: format!("{:016x}-{:016x}", deps.clock.now_ms(), fastrand::u64(..)),
        limits: config.push.limits(),
        routes,
        heard: Arc::new(heard),
        tasks,
    };
    let gateways = Gateways::new(config.push.gateways_max);
    let redis = match config.push.queue {
        QueueKind::Direct => None,
        QueueKind::Streams => {
            let redis = &config.redis;
            Redis::connect("queue", &redis.queue_url, &redis.shared, &deps.readiness)
        }
    };
    match redis {
        Some(redis) => {
            let limits = config.push.stream_limits();
            let queue = StreamQueue::new(around.clone(), gateways.clone(), redis, limits);
            serve(config, deps, around, gateways, Arc::new(queue)).await
        }
        None => {
            let direct = Direct { gateways: gateways.clone(), timeout: around.limits.timeout };
            let queue = LinkedQueue::new("direct", around.clone(), direct);
            serve(config, deps, around, gateways, Arc::new(queue)).await
        }
    }
}

async fn serve<R: Routes, Q: Queue>(
    config: Config,
    deps: Deps,
    around: Around<R>,
    gateways: Gateways,
    queue: Arc<Q>,
) -> Result<Running, StartError> {
    let Around { boot_id, routes, heard, tasks, limits } = around;
    let service = PresenceService {
        boot_id,
        routes: Arc::clone(&routes),
        queue: Arc::clone(&queue),
        heard: Arc::clone(&heard),
        original: Original::connect(&config, &deps.readiness),
        binder: Binder::new(
            Arc::clone(&routes),
            gateways,
            Arc::clone(&heard),
            deps.clock.clone(),
            config.routes.close_timeout(),
        ),
        dispatcher: Dispatcher {
            routes: Arc::clone(&routes),
            queue: Arc::clone(&queue),
            heard: Arc::clone(&heard),
            broadcast_above: config.routes.broadcast_above,
        },
    };

    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(mpim_proto::presence_service::serve(service))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &config.rpc).await?;
    let addr = server.local_addr();

    let meeting = meet(
        Arc::clone(&routes),
        Arc::clone(&queue),
        heard,
        limits.heartbeat,
        deps.shutdown.clone(),
    );
    tasks.spawn_essential("meeting gateways", meeting);
    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("server", async move {
        let outcome = server.serve(shutdown.triggered()).await;
        // Only now: calls that were in flight had their pushes handed over.
        queue.close();
        outcome
    });
    let (shutdown, interval) = (deps.shutdown.clone(), config.routes.sweep_interval());
    tasks.spawn_essential("sweep", async move {
        while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
            routes.sweep().await;
        }
    });
    Ok(Running::new(addr, tasks))
}

/// Makes this instance known to all gateways, also to those whose binds and renewals others got:
/// they would notice its end, and it can reach them should the routes be out of reach.
async fn meet<R: Routes, Q: Queue>(
    routes: Arc<R>,
    queue: Arc<Q>,
    heard: Arc<Heard>,
    interval: Duration,
    shutdown: Shutdown,
) {
    while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
        // If they cannot be read, what is known stays.
        for gateway in routes.gateways().await.unwrap_or_default() {
            heard.note(&gateway);
            queue.heard_of(&gateway);
        }
    }
}
