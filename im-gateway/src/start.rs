//! The wiring of im-gateway: services, listeners, renewals.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use im_common::redis::Redis;
use im_common::{Deps, Running, Tasks};
use mpim_proto::{
    gateway_service, group_service, message_service, presence_service, routing_service,
    user_service,
};
use mprpc::{ChannelError, Server, ServerError};
use tokio::net::TcpListener;

use crate::backlog;
use crate::config::{Config, TargetsConfig, ms};
use crate::entry::Entries;
use crate::gateway::{Gateway, Identity, Services};
use crate::http::{Http, HttpServer};
use crate::listener::Listener;
use crate::metrics::METRICS;
use crate::original;
use crate::push::links::Links;
use crate::push::{PushService, Pushes};
use crate::renew;
use crate::sessions::Sessions;
use crate::stream::Stream;
use crate::wire::Speaks;

/// Why im-gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A target in `[targets]`.
    #[error(transparent)]
    Target(#[from] ChannelError),
    /// The mprpc port.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The certificate of those that speak TLS.
    #[error("[tls]")]
    Tls(#[from] mprpc::TlsError),
    /// A port for clients.
    #[error("listening for {speaks} on {addr}")]
    Clients {
        /// What they speak there.
        speaks: &'static str,
        /// Where.
        addr: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Starts im-gateway. It serves until the shutdown of `deps` is triggered; then clients are told,
/// and what they have is handed over. The services that it calls may come later than it.
///
/// # Errors
/// A target makes no sense, or a port cannot be listened on.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    // Zeroes from the start on: whoever watches a metric should not have to wait for its first event.
    LazyLock::force(&METRICS);
    let places = config.text.connections_max
        + if config.frames.enabled { config.frames.connections_max } else { 0 }
        + match config.http.enabled {
            true => config.http.connections_max + config.web_socket.connections_max,
            false => 0,
        };
    im_common::warn_if_too_few_open_files(places as u64, "the sum of all connections_max");
    let services = services(&config.targets, &deps)?;
    let tasks = Tasks::new("im-gateway", deps.shutdown.clone());
    let entries = Entries::new(&config);
    let text_entry = entries.entry(config.text.tls, config.text.proxy, None)?;
    let frames_entry = entries.entry(config.frames.tls, config.frames.proxy, None)?;
    let http_entry = entries.entry(config.http.tls, config.http.proxy, Some(b"http/1.1"))?;

    // All ports are bound before anything is served: the address of one is told over the other.
    let (text, text_addr) = listen("text lines", config.text.listen)?;
    let frames = match config.frames.enabled {
        true => Some(listen("frames", config.frames.listen)?),
        false => None,
    };
    let http = match config.http.enabled {
        true => Some(listen("HTTP", config.http.listen)?),
        false => None,
    };
    let sessions = Arc::new(Sessions::new());
    let boot_id = format!("{:016x}-{:016x}", deps.clock.now_ms(), fastrand::u64(..));
    let links = Links::new(config.routes.links_max, ms(config.routes.silence_ms));
    let spread = ms(config.routes.sync_spread_ms);
    let pushes = Arc::new(Pushes::new(Arc::clone(&sessions), links, spread));
    let push_service = PushService {
        boot_id: boot_id.clone(),
        sessions: Arc::clone(&sessions),
        pushes: Arc::clone(&pushes),
    };
    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(gateway_service::serve(push_service))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &config.rpc).await?;
    let addr = server.local_addr();
    // Whoever pushes knows the address from the route and not from the registry: a push is for one
    // gateway, not for any.
    let advertised = config.rpc.advertised(addr);
    let reached_at = advertised.to_string();
    let gateway_id = match config.gateway_id.as_str() {
        "" => reached_at.clone(),
        configured => configured.to_owned(),
    };
    let frames_addr = frames.as_ref().map(|(_, addr)| *addr);
    let offer = config.public.offer(text_addr, frames_addr, advertised);
    let identity = Identity { gateway_id, addr: reached_at, boot_id, offer };
    let original = original::routes(&config, &identity.gateway_id, &deps.readiness);
    let redis = &config.redis;
    let queue = Redis::connect("queue", &redis.queue_url, &redis.shared, &deps.readiness);
    let (clock, running) = (deps.clock.clone(), tasks.clone());
    let gateway = Gateway::new(config, identity, services, sessions, running, clock, original);
    let gateway = Arc::new(gateway);

    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("server", server.serve(shutdown.into_triggered()));
    let renewals = renew::run(Arc::clone(&gateway), Arc::clone(&pushes), deps.shutdown.clone());
    tasks.spawn_essential("renewals", renewals);
    if let Some(queue) = queue.clone() {
        let boot_id = gateway.identity.boot_id.clone();
        let stream = Stream::new(queue, boot_id, Arc::clone(&pushes));
        tasks.spawn_essential("stream", stream.run(deps.shutdown.clone()));
    }
    original::run(&gateway, &pushes, queue, &deps.shutdown);
    tasks.spawn_essential("links", pushes.watch(deps.shutdown.clone()));
    let listener = Arc::new(Listener::new(Speaks::Text, Arc::clone(&gateway)));
    let listening = listener.run(text, text_entry, deps.shutdown.clone());
    tasks.spawn_essential("text listener", listening);
    let mut running = Running::new(addr, tasks.clone()).and_at("text lines", text_addr);
    if let Some((frames, addr)) = frames {
        let listener = Arc::new(Listener::new(Speaks::Frames, Arc::clone(&gateway)));
        let listening = listener.run(frames, frames_entry, deps.shutdown.clone());
        tasks.spawn_essential("frames listener", listening);
        running = running.and_at("frames", addr);
    }
    if let Some((http, addr)) = http {
        let sockets = Arc::new(Listener::new(Speaks::WebSocket, Arc::clone(&gateway)));
        let ended = Arc::clone(&sockets).until(deps.shutdown.clone());
        tasks.spawn_essential("WebSockets", ended);
        let server = HttpServer::new(Http::new(gateway, sockets));
        tasks.spawn_essential("http listener", server.run(http, http_entry, deps.shutdown));
        running = running.and_at("HTTP", addr);
    }
    Ok(running)
}

fn listen(speaks: &'static str, addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Clients { speaks, addr, source };
    let listener = backlog::bind(addr).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

fn services(targets: &TargetsConfig, deps: &Deps) -> Result<Services, ChannelError> {
    let presence = deps.channel(&targets.presence)?;
    Ok(Services {
        user: user_service::Client::new(&deps.channel(&targets.user)?),
        message: message_service::Client::new(&deps.channel(&targets.message)?),
        presence: presence_service::Client::new(&presence),
        routing: routing_service::Client::new(&presence),
        group: group_service::Client::new(&deps.channel(&targets.group)?),
    })
}
