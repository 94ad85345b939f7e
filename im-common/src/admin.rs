//! The port for those who watch a process: is it alive, is it ready, how does it do.
//!
//! It is up before anything else and answers while the services still wait for a database, since that
//! is when somebody looks. Each connection carries one request and has a bound for all of it: a
//! health check is no reason to keep sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Readiness;
use crate::recorder::Recorder;

/// Connections at once; one more waits in the listener's queue.
const CONNECTIONS_MAX: usize = 64;
/// For the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// For a connection as a whole.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How often gathered measurements are taken in.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);
/// The pause after the system refused a connection, as when there are no files left.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("admin.listen: cannot listen on {addr}: {source}")]
pub(crate) struct AdminError {
    addr: SocketAddr,
    source: std::io::Error,
}

#[derive(Clone)]
struct Watched {
    readiness: Readiness,
    recorder: Recorder,
}

/// Listens at `addr` and answers in the background for as long as the runtime lives; the address that
/// it really is.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn start(
    addr: SocketAddr,
    readiness: Readiness,
    recorder: Recorder,
) -> Result<SocketAddr, AdminError> {
    let failed = |source| AdminError { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    tokio::spawn(accept(listener, routes(Watched { readiness, recorder })));
    Ok(addr)
}

/// Takes in what histograms have gathered, every few seconds, whether somebody asks for it or not.
pub(crate) async fn tidy(recorder: Recorder) {
    loop {
        tokio::time::sleep(TIDY_INTERVAL).await;
        recorder.tidy();
    }
}

fn routes(watched: Watched) -> Router {
    Router::new()
        .route("/healthz", get(async || plain(StatusCode::OK, "ok\n".to_owned())))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

async fn readyz(State(watched): State<Watched>) -> impl IntoResponse {
    match watched.readiness.report() {
        Ok(text) => plain(StatusCode::OK, text),
        Err(text) => plain(StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

async fn metrics(State(watched): State<Watched>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], watched.recorder.render())
}

fn plain(status: StatusCode, text: String) -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text)
}

async fn accept(listener: TcpListener, routes: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, routes.clone());
                tokio::spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "an admin connection was not accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection failed"),
        Err(_elapsed) => tracing::debug!("an admin connection took too long"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn watched() -> (Readiness, SocketAddr) {
        let readiness = Readiness::default();
        let anywhere = ([127, 0, 0, 1], 0).into();
        let addr = start(anywhere, readiness.clone(), Recorder::detached()).await.unwrap();
        (readiness, addr)
    }

    /// All that it answers to these bytes until it closes the connection.
    async fn ask(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn fetch(addr: SocketAddr, path: &str) -> (String, String) {
        let answer = ask(addr, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn it_is_alive_at_once_and_ready_when_everything_is_there() {
        let (readiness, addr) = watched().await;
        let database = readiness.dependency("MariaDB at a:1");
        database.down("connection refused");
        let ok = || "HTTP/1.1 200 OK".to_owned();
        let unavailable = || "HTTP/1.1 503 Service Unavailable".to_owned();
        assert_eq!(fetch(addr, "/healthz").await, (ok(), "ok\n".to_owned()));
        let waits = "starting\ndown: MariaDB at a:1: connection refused\n".to_owned();
        assert_eq!(fetch(addr, "/readyz").await, (unavailable(), waits));
        database.up();
        readiness.serving();
        assert_eq!(fetch(addr, "/readyz").await, (ok(), "ready\n".to_owned()));
        readiness.draining();
        assert_eq!(fetch(addr, "/readyz").await, (unavailable(), "draining\n".to_owned()));
        assert_eq!(fetch(addr, "/metrics").await.0, ok());
    }

    #[tokio::test]
    async fn whatever_else_is_asked_is_refused() {
        let (_, addr) = watched().await;
        let head = ask(addr, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        let post = "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
        assert!(ask(addr, post).await.starts_with("HTTP/1.1 405 "));
        assert!(fetch(addr, "/").await.0.starts_with("HTTP/1.1 404 "));
        assert!(ask(addr, "what?\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
        assert!(ask(addr, &long).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_nothing_are_closed_and_keep_nobody_out_for_long() {
        let (_, addr) = watched().await;
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(TcpStream::connect(addr).await.unwrap());
        }
        // Its turn comes when the silent ones have had their time.
        assert_eq!(fetch(addr, "/healthz").await.1, "ok\n");
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_key() {
        let (readiness, addr) = watched().await;
        let error = start(addr, readiness, Recorder::detached()).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("admin.listen: cannot listen on {addr}: ")), "{error}");
    }
}
