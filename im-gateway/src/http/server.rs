//! The listener of HTTP: who gets in, and how each connection ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use im_common::Shutdown;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::line::{Line, Patient};
use super::{Http, router};
use crate::accepting::{Refusals, accept};
use crate::config::ms;
use crate::doorman::{Doorman, Place};
use crate::entry::{ClientStream, Denied, Entry};
use crate::gateway::Gateway;
use crate::metrics::METRICS;

/// What a client that finds no place is told. There is no request yet that could be named.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\ncontent-length: 67\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    {\"code\":5003,\"message\":\"server full\",\"status\":\"RESOURCE_EXHAUSTED\"}";
/// What is said to a client that speaks no TLS where only that is spoken.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: application/json\r\ncontent-length: 79\r\nconnection: close\r\n\r\n\
    {\"code\":4001,\"message\":\"TLS is spoken here: https\",\"status\":\"INVALID_ARGUMENT\"}";

/// Accepts connections of HTTP/1.1.
pub(crate) struct HttpServer {
    gateway: Arc<Gateway>,
    router: Router,
    doorman: Doorman,
    refusals: Refusals,
}

impl HttpServer {
    pub(crate) fn new(http: Http) -> Self {
        let gateway = Arc::clone(&http.gateway);
        let refusals = Refusals::new(Arc::clone(&gateway));
        let (places, limits) = (gateway.config.http.connections_max, Arc::clone(&gateway.limits));
        let address_max = gateway.config.limits.address_connections_max;
        let doorman = Doorman::new(places, address_max, limits);
        Self { router: router::router(&Arc::new(http)), gateway, doorman, refusals }
    }

    /// Accepts until the shutdown; what is being answered then is answered. Connections are tasks of
    /// their own.
    pub(crate) async fn run(self, listener: TcpListener, entry: Entry, shutdown: Shutdown) {
        let server = Arc::new(self);
        accept(listener, &shutdown, |stream, from| {
            // Those whom a proxy brings are counted with each of their requests.
            let admitted = match entry.proxies().has(from.ip()) {
                true => server.doorman.admit_brought(),
                false => server.doorman.admit(from.ip()),
            };
            match admitted {
                Some(place) => server.let_in(stream, from, &entry, place, &shutdown),
                None => {
                    tracing::debug!("a connection of HTTP was refused: there is no place");
                    METRICS.http_connections_refused.increment(1);
                    // Where TLS is spoken it could only be told after the handshake, which is what costs.
                    if entry.is_open() {
                        server.refusals.say(ClientStream::Plain(stream), FULL);
                    }
                }
            }
        })
        .await;
    }

    fn let_in(
        self: &Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        entry: &Entry,
        place: Place,
        shutdown: &Shutdown,
    ) {
        let (server, entry, shutdown) = (Arc::clone(self), entry.clone(), shutdown.clone());
        if entry.is_open() {
            server.serve(ClientStream::Plain(stream), from, entry, place, shutdown);
            return;
        }
        let coming_in = async move {
            let entered = tokio::select! {
                entered = entry.enter(stream, from) => entered,
                () = shutdown.triggered() => return,
            };
            match entered {
                Ok((stream, from)) => server.serve(stream, from, entry, place, shutdown),
                Err(Denied::Plain(stream)) => {
                    server.refusals.say(ClientStream::Plain(stream), PLAIN);
                }
                Err(Denied::Gone(_)) => {}
            }
        };
        self.gateway.spawn_for_client("entry", Box::pin(coming_in));
    }

    fn serve(
        &self,
        stream: ClientStream,
        from: SocketAddr,
        entry: Entry,
        place: Place,
        shutdown: Shutdown,
    ) {
        let config = &self.gateway.config;
        if let Err(error) = prepare(stream.tcp(), ms(config.http.stalled_ms)) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let router = TowerToHyperService::new(self.router.clone());
        let secure = stream.is_secure();
        let line = Line::new(place);
        let stream = Patient::new(stream, Arc::clone(&line), ms(config.http.answer_timeout_ms));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let origin = entry.proxies().origin(from, secure, request.headers());
            request.extensions_mut().insert(origin);
            request.extensions_mut().insert(Arc::clone(&line));
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Also the time between two requests: whoever is silent is closed.
            .header_read_timeout(ms(config.http.head_timeout_ms))
            .max_buf_size(config.http.head_bytes_max)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let drain = ms(config.closing.drain_ms);
        let connection = async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.triggered() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(drain, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection of HTTP failed");
            }
        };
        // What wraps a task keeps it twice.
        self.gateway.spawn_for_client("http connection", Box::pin(connection));
    }
}

fn prepare(stream: &TcpStream, stalled: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // A client that takes nothing of its answer holds it in memory; nothing else would end that.
    SockRef::from(stream).set_tcp_user_timeout(Some(stalled))
}
