//! The HTTP API: requests in JSON, over the same core as everything else.
//!
//! A handler reads a request into a command, has it [performed](crate::core::perform) and writes the
//! reply; nothing is decided here but what belongs to HTTP. `router` shows all layers and all routes
//! in one place each; [`error`] is the one way in which something is refused, and [`json`] how things
//! are read and written. The document at `/api/openapi.json` is made from the handlers themselves.

mod auth;
mod cookies;
mod docs;
mod error;
mod granting;
mod json;
mod layers;
mod line;
mod request_id;
mod router;
mod routes;
mod server;
mod upgrade;
mod web;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use self::server::HttpServer;
pub use self::upgrade::agree as web_socket_agreement;
use crate::gateway::Gateway;
use crate::listener::Listener;
use crate::rate::Allowance;
use crate::rates::Rates;

/// What all requests share.
pub(crate) struct Http {
    gateway: Arc<Gateway>,
    /// Takes connections that last: those that have become WebSockets, and streams of events.
    sockets: Arc<Listener>,
    /// Places for streams of events.
    streams: Arc<Semaphore>,
    /// By address (`http.address_requests_per_s`).
    addresses: Rates,
    of_address: Allowance,
    /// By user (`http.user_requests_per_s`).
    users: Rates,
    of_user: Allowance,
}

impl Http {
    pub(crate) fn new(gateway: Arc<Gateway>, sockets: Arc<Listener>) -> Self {
        let config = &gateway.config.http;
        Self {
            addresses: Rates::new(),
            of_address: Allowance::per_second(config.address_requests_per_s),
            users: Rates::new(),
            of_user: Allowance::per_second(config.user_requests_per_s),
            streams: Arc::new(Semaphore::new(config.event_streams_max)),
            gateway,
            sockets,
        }
    }
}
