//! The wiring of im-presence: which parts, which adapters, which limits, which server.

use std::sync::Arc;
use std::time::Duration;

use im_common::redis::Redis;
use im_common::{Deps, Running, Tasks};
use mpim_proto::{
    connection_service, dispatch_service, presence_service, routing_service, user_service,
};
use mprpc::{ChannelError, Server, ServerError};

use crate::config::{Config, PartName, QueueKind};
use crate::connections::{Connections, Gateways};
use crate::dispatch::{
    Around, Direct, Dispatch, Dispatcher, EventDispatcher, LinkedQueue, Queue, StreamQueue,
};
use crate::part::Part;
use crate::presence::{Binder, Original, PresenceService};
use crate::routing::{Gateway, MemoryRoutes, RedisRoutes, Roster, Routes, Routing};
use crate::status::Statuses;

/// Why im-presence could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A target in `[targets]`.
    #[error(transparent)]
    Target(#[from] ChannelError),
    /// Its port cannot be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Routing, wherever it is.
type RoutingPart<R> = Part<Routing<R>, routing_service::Client>;
/// Dispatch, wherever it is.
type DispatchPart<R, Q> = Part<Dispatch<RoutingPart<R>, Q>, dispatch_service::Client>;
/// Connections, wherever it is.
type ConnectionsPart<R> = Part<Connections<RoutingPart<R>>, connection_service::Client>;

/// What the parts of one process share.
struct Shared<R> {
    config: Config,
    deps: Deps,
    tasks: Tasks,
    gateways: Gateways,
    routing: Arc<RoutingPart<R>>,
    roster: Arc<Roster<RoutingPart<R>>>,
}

/// Starts the parts of im-presence that `config` names. They serve until the shutdown of `deps` is
/// triggered.
///
/// A Redis or a part elsewhere that is not there yet does not hold them up: until it is, entries go to
/// every gateway, and readiness says why.
///
/// # Errors
/// A target makes no sense, or the port cannot be listened on.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let redis = &config.redis;
    let redis = config
        .has(PartName::Routing)
        .then(|| Redis::connect("metadata", &redis.metadata_url, &redis.shared, &deps.readiness));
    match redis.flatten() {
        Some(redis) => {
            let routes = RedisRoutes::new(config.routes.redis_limits(), redis);
            with_routes(config, deps, routes).await
        }
        None => {
            // Stays empty where routing is elsewhere.
            let routes = MemoryRoutes::new(config.routes.memory_limits(), deps.clock.clone());
            with_routes(config, deps, routes).await
        }
    }
}

async fn with_routes<R: Routes>(
    config: Config,
    deps: Deps,
    routes: R,
) -> Result<Running, StartError> {
    let routing = if config.has(PartName::Routing) {
        Part::Here(Arc::new(Routing::new(routes, config.heard(), config.routing.strategy)))
    } else {
        let client = routing_service::Client::new(&deps.channel(&config.targets.routing)?);
        Part::Elsewhere { client, timeout: config.targets.timeout() }
    };
    let routing = Arc::new(routing);
    let shared = Shared {
        tasks: Tasks::new("im-presence", deps.shutdown.clone()),
        gateways: Gateways::new(config.push.gateways_max, deps.trust.clone()),
        roster: Arc::new(Roster::new(Arc::clone(&routing), config.heard())),
        routing,
        config,
        deps,
    };
    with_queue(shared).await
}

async fn with_queue<R: Routes>(shared: Shared<R>) -> Result<Running, StartError> {
    let Shared { config, deps, gateways, .. } = &shared;
    let around = Around {
        boot_id: format!("{:016x}-{:016x}", deps.clock.now_ms(), fastrand::u64(..)),
        limits: config.push.limits(),
        roster: Arc::clone(&shared.roster),
        tasks: shared.tasks.clone(),
    };
    let boot_id = around.boot_id.clone();
    let has_streams = config.has(PartName::Dispatch) && config.push.queue == QueueKind::Streams;
    let redis = &config.redis;
    let redis = has_streams
        .then(|| Redis::connect("queue", &redis.queue_url, &redis.shared, &deps.readiness));
    match redis.flatten() {
        Some(redis) => {
            let limits = config.push.stream_limits();
            let queue = StreamQueue::new(around, gateways.clone(), redis, limits);
            serve(shared, boot_id, Arc::new(queue)).await
        }
        None => {
            let direct = Direct { gateways: gateways.clone(), timeout: around.limits.timeout };
            let queue = LinkedQueue::new("direct", around, direct);
            serve(shared, boot_id, Arc::new(queue)).await
        }
    }
}

async fn serve<R: Routes, Q: Queue>(
    shared: Shared<R>,
    boot_id: String,
    queue: Arc<Q>,
) -> Result<Running, StartError> {
    let dispatch = dispatch(&shared, boot_id, &queue)?;
    let connections = connections(&shared)?;
    let Shared { config, deps, tasks, gateways, routing, roster } = shared;
    let mut server = Server::builder();
    if let Some(routing) = routing.here().cloned() {
        server = server.add_service(routing_service::serve::<Routing<R>>(routing));
    }
    if let Some(dispatch) = dispatch.here().cloned() {
        server = server.add_service(dispatch_service::serve::<Dispatch<_, Q>>(dispatch));
    }
    if let Some(connections) = connections.here().cloned() {
        server = server.add_service(connection_service::serve::<Connections<_>>(connections));
    }
    let mut looking = None;
    if config.has(PartName::Presence) {
        let users = user_service::Client::new(&deps.channel(&config.targets.user)?);
        let (routing_too, dispatch_too) = (Arc::clone(&routing), Arc::clone(&dispatch));
        let limits = config.status.limits();
        let statuses = Statuses::new(routing_too, dispatch_too, gateways, users, limits);
        let statuses = Arc::new(statuses);
        looking = Some(Arc::clone(&statuses));
        server = server.add_service(presence_service::serve(PresenceService {
            statuses,
            binder: Binder::new(
                Arc::clone(&routing),
                connections,
                config.devices.clone(),
                deps.clock.clone(),
            ),
            routing: Arc::clone(&routing),
            dispatch,
            meet_timeout: config.targets.timeout(),
            original: Original::connect(&config, &deps.readiness),
        }));
    }
    let clock = deps.clock.clone();
    let server = server.add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &config.rpc).await?;
    let addr = server.local_addr();
    if let Some(statuses) = looking {
        tasks.spawn_essential("statuses", statuses.run(deps.shutdown.clone()));
    }

    let (met, meets) = (Arc::clone(&queue), config.has(PartName::Dispatch));
    let interval = config.push.limits().heartbeat;
    // Also gateways whose renewals others got: they would notice the end of this instance.
    let meet = move |gateway: &Arc<Gateway>| {
        if meets {
            met.heard_of(gateway);
        }
    };
    tasks.spawn_essential("roster", roster.follow(interval, deps.shutdown.clone(), meet));
    if let Some(routing) = routing.here().cloned() {
        let (shutdown, interval) = (deps.shutdown.clone(), config.routes.sweep_interval());
        tasks.spawn_essential("sweep", async move {
            while tokio::time::timeout(interval, shutdown.triggered()).await.is_err() {
                routing.sweep().await;
            }
        });
    }
    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("server", async move {
        let outcome = server.serve(shutdown.triggered()).await;
        // Only now: calls that were in flight had their pushes handed over.
        queue.close();
        outcome
    });
    Ok(Running::new(addr, tasks))
}

/// The links of this process, or the way to those of others.
fn dispatch<R: Routes, Q: Queue>(
    shared: &Shared<R>,
    boot_id: String,
    queue: &Arc<Q>,
) -> Result<Arc<DispatchPart<R, Q>>, StartError> {
    let Shared { config, deps, routing, roster, .. } = shared;
    Ok(Arc::new(if config.has(PartName::Dispatch) {
        let dispatcher = Dispatcher {
            routing: Arc::clone(routing),
            roster: Arc::clone(roster),
            queue: Arc::clone(queue),
            broadcast_above: config.routes.broadcast_above,
        };
        let events = EventDispatcher::new(
            Arc::clone(routing),
            shared.gateways.clone(),
            config.push.event_limits(),
            shared.tasks.clone(),
        );
        Part::Here(Arc::new(Dispatch { boot_id, dispatcher, events }))
    } else {
        let client = dispatch_service::Client::new(&deps.channel(&config.targets.dispatch)?);
        // Callers know how long their entries may take.
        Part::Elsewhere { client, timeout: Duration::MAX }
    }))
}

fn connections<R: Routes>(shared: &Shared<R>) -> Result<Arc<ConnectionsPart<R>>, StartError> {
    let Shared { config, deps, gateways, routing, roster, .. } = shared;
    let close_timeout = config.routes.close_timeout();
    Ok(Arc::new(if config.has(PartName::Connections) {
        let (routing, roster) = (Arc::clone(routing), Arc::clone(roster));
        let gateways = gateways.clone();
        Part::Here(Arc::new(Connections { routing, roster, gateways, close_timeout }))
    } else {
        let client = connection_service::Client::new(&deps.channel(&config.targets.connections)?);
        // It may have to ask routing first.
        Part::Elsewhere { client, timeout: close_timeout + config.targets.timeout() }
    }))
}
