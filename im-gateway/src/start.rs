//! The wiring of im-gateway: services, listeners, renewals.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use im_common::{Deps, Running, Tasks};
use mpim_proto::{gateway_service, group_service, message_service, presence_service, user_service};
use mprpc::{ChannelError, Server, ServerError};
use tokio::net::TcpListener;

use crate::config::{Config, ms};
use crate::gateway::{Gateway, Identity, Services};
use crate::push::{Link, PushService};
use crate::renew;
use crate::server::TextServer;
use crate::sessions::Sessions;

/// Why im-gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A target in `[targets]`.
    #[error(transparent)]
    Target(#[from] ChannelError),
    /// The mprpc port.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The port for text lines.
    #[error("listening for text lines on {addr}")]
    Text {
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
    im_common::warn_if_too_few_open_files(
        config.text.connections_max as u64,
        "text.connections_max",
    );
    let targets = &config.targets;
    let services = Services {
        user: user_service::Client::new(&deps.channel(&targets.user)?),
        message: message_service::Client::new(&deps.channel(&targets.message)?),
        presence: presence_service::Client::new(&deps.channel(&targets.presence)?),
        group: group_service::Client::new(&deps.channel(&targets.group)?),
    };

    // Both ports are bound before anything is served: the address of one is told over the other.
    let text_addr = config.text.listen;
    let failed = |source| StartError::Text { addr: text_addr, source };
    let text = TcpListener::bind(text_addr).await.map_err(failed)?;
    let text_addr = text.local_addr().map_err(failed)?;
    let sessions = Arc::new(Sessions::new());
    let link = Arc::new(Mutex::new(Link::default()));
    let boot_id = format!("{:016x}-{:016x}", deps.clock.now_ms(), fastrand::u64(..));
    let pushes = PushService {
        boot_id: boot_id.clone(),
        sessions: Arc::clone(&sessions),
        link: Arc::clone(&link),
        sync_spread: ms(config.routes.sync_spread_ms),
    };
    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(gateway_service::serve(pushes))
        .add_service(mpim_proto::health(move || clock.now_ms()))
        .bind(config.rpc.listen)
        .await?;
    let addr = server.local_addr();
    // Not registered anywhere: whoever pushes knows the address from the route.
    let reached_at = config.rpc.advertised(addr).to_string();
    let gateway_id = match config.gateway_id.as_str() {
        "" => reached_at.clone(),
        configured => configured.to_owned(),
    };
    let identity = Identity { gateway_id, addr: reached_at, boot_id };
    let tasks = Tasks::new("im-gateway", deps.shutdown.clone());
    let gateway = Arc::new(Gateway::new(config, identity, services, sessions, tasks.clone()));

    let shutdown = deps.shutdown.clone();
    tasks.spawn_essential("server", server.serve(shutdown.into_triggered()));
    let renewals = renew::run(Arc::clone(&gateway), link, deps.shutdown.clone());
    tasks.spawn_essential("renewals", renewals);
    let listener = TextServer::new(gateway).run(text, deps.shutdown.clone());
    tasks.spawn_essential("text listener", listener);
    Ok(Running::new(addr, tasks).and_at("text lines", text_addr))
}
