//! Requests to etcd's JSON gateway.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// A longer answer is junk: this is enough for the most keys that are read at once.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The servers, of which one is asked until it fails.
#[derive(Debug)]
pub(super) struct Gateway {
    hosts: Vec<String>,
    /// The one that is asked.
    chosen: AtomicUsize,
    request_timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {what}")]
pub(super) struct Failed {
    host: String,
    what: String,
    /// What the server answered, if it did.
    status: Option<StatusCode>,
}

impl Failed {
    fn new(host: &str, what: impl ToString) -> Self {
        Self { host: host.to_owned(), what: what.to_string(), status: None }
    }

    /// Whether there is nothing of what was named.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
    }
}

/// An answer that has begun, and what keeps its connection.
type Begun = (Response<Incoming>, AbortOnDropHandle<()>);

impl Gateway {
    pub(super) fn new(hosts: Vec<String>, request_timeout: Duration) -> Self {
        Self { hosts, chosen: AtomicUsize::new(fastrand::usize(..)), request_timeout }
    }

    /// Asks and answers within a bound. After a failure the next request goes to another server.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<A, Failed> {
        self.ask_within(self.request_timeout, path, body).await
    }

    /// The same, within another bound.
    pub(super) async fn ask_within<A: DeserializeOwned>(
        &self,
        within: Duration,
        path: &str,
        body: &Value,
    ) -> Result<A, Failed> {
        let asked = async {
            let (host, (response, _connection)) = self.begin(path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| Failed::new(host, error))?.to_bytes();
            if !status.is_success() {
                let said = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
                let failed = Failed::new(host, format_args!("{status}: {said:?}"));
                return Err(Failed { status: Some(status), ..failed });
            }
            serde_json::from_slice(&body).map_err(|error| Failed::new(host, error))
        };
        self.bounded(within, asked).await
    }

    /// Ready when something under a watch has changed, or may have. Waits for ever otherwise: who
    /// asks looks now and then by itself, too.
    pub(super) async fn changed(&self, watch: &Value) -> Result<(), Failed> {
        let begun = self.bounded(self.request_timeout, self.begin("/v3/watch", watch));
        let (host, (response, _connection)) = begun.await?;
        let mut body = response.into_body();
        // A line says that the watch is there, and each one after it what has changed.
        let mut lines = 0;
        while lines < 2 {
            let frame = body.frame().await;
            let data = frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
            let ended = || Failed::new(host, "the watch has ended");
            lines += data.ok_or_else(ended)?.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(())
    }

    async fn bounded<T>(
        &self,
        within: Duration,
        asked: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        let chosen = self.chosen.load(Ordering::Relaxed);
        let outcome = timeout(within, asked).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(Failed::new(self.host(chosen), "no answer in time")));
        // One that answers, even that it will not, is as good as another.
        if outcome.as_ref().is_err_and(|failed| failed.status.is_none_or(|it| it.is_server_error()))
        {
            // Of many that fail at once one moves on.
            let (next, relaxed) = (chosen.wrapping_add(1), Ordering::Relaxed);
            let _ = self.chosen.compare_exchange(chosen, next, relaxed, relaxed);
        }
        outcome
    }

    async fn begin(&self, path: &str, body: &Value) -> Result<(&str, Begun), Failed> {
        let host = self.host(self.chosen.load(Ordering::Relaxed));
        let failed = |error: &dyn Error| Failed::new(host, error);
        let stream = TcpStream::connect(host).await.map_err(|error| failed(&error))?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(&error))?;
        // What goes wrong with it is seen by who waits for the answer.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let request = Request::post(path)
            .header("host", host)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| failed(&error))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| failed(&error))?;
        Ok((host, (response, connection)))
    }

    fn host(&self, chosen: usize) -> &str {
        self.hosts.get(chosen % self.hosts.len().max(1)).map_or("", String::as_str)
    }
}
