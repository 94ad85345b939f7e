//! What each request goes through before its handler. The order is that of `router`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use im_wire::failure;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::Http;
use super::error::Refused;
use super::line::Line;
use crate::config::ms;
use crate::doorman::network;
use crate::entry::CameFrom;
use crate::metrics::METRICS;

/// Nothing of an answer is to be run, framed or kept, unless its handler says otherwise.
pub(super) async fn secured(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An address other than this machine's asks only so often.
pub(super) async fn by_address(
    State(http): State<Arc<Http>>,
    request: Request,
    next: Next,
) -> Response {
    let from = request.extensions().get::<CameFrom>().map(|from| from.ip);
    let taken = match from {
        Some(ip) if !ip.is_loopback() => http.addresses.take(network(ip), http.of_address, 1),
        _ => Ok(()),
    };
    match taken {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            METRICS.http_slow_downs_address.increment(1);
            Refused::slow_down(wait).into_response()
        }
    }
}

/// All of a request has an end.
pub(super) async fn timed(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let most = ms(http.gateway.config.http.timeout_ms);
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::of(failure::UNAVAILABLE).into_response(),
    }
}

/// Goes on to its end although nobody waits any more: whoever goes away in the middle must not leave
/// behind a log-in that nobody has, or one that they believe to be over. Such a request keeps the place of
/// its connection for as long.
pub(super) async fn to_its_end(
    State(http): State<Arc<Http>>,
    request: Request,
    next: Next,
) -> Response {
    let (answer, answered) = oneshot::channel();
    let line = request.extensions().get::<Arc<Line>>().cloned();
    let answering = async move {
        let _line = line;
        let _ = answer.send(next.run(request).await);
    };
    http.gateway.spawn_for_client("request", Box::pin(answering.in_current_span()));
    // Without an answer it has panicked.
    answered.await.unwrap_or_else(|_| Refused::of("internal").into_response())
}

/// A body that says that it is too long is not begun. One that does not say so is measured while it is
/// [read](super::json).
pub(super) async fn bounded(
    State(http): State<Arc<Http>>,
    request: Request,
    next: Next,
) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
    if length > http.gateway.config.http.body_bytes_max as u64 {
        return Refused::of("too big").into_response();
    }
    next.run(request).await
}

/// No route has this path.
pub(super) async fn nowhere() -> Refused {
    Refused::of(failure::UNKNOWN_COMMAND)
}

/// The route has other methods; which, the router adds.
pub(super) async fn not_so() -> Refused {
    Refused::with(StatusCode::METHOD_NOT_ALLOWED, failure::UNKNOWN_COMMAND)
}
