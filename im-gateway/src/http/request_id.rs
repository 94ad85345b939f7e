//! The outermost layer: each request has a name, is logged and counted under it, and is answered.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::error::Refused;
use crate::metrics::METRICS;

/// Carries a request's name, in both directions.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Gives the request its name, writes what was refused, and sees to it that a mistake of ours is
/// answered like everything else.
pub(super) async fn named(request: Request, next: Next) -> Response {
    let request_id = name(request.headers());
    // Not the path as it was sent: it may hold anything.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("http", method = %request.method(), route, %request_id);
    let begun = Instant::now();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone());
    let response = answered.await.unwrap_or_else(|_| {
        let _in = span.enter();
        tracing::error!("a request panicked");
        Refused::of("internal").into_response()
    });
    let mut response = written(response, &request_id);
    let took = begun.elapsed();
    count(&response, took);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), ?took, "answered"));
    if let Ok(name) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, name);
    }
    response
}

fn written(mut response: Response, request_id: &str) -> Response {
    match response.extensions_mut().remove::<Refused>() {
        Some(refused) => refused.write(response, request_id),
        None => response,
    }
}

fn count(response: &Response, took: Duration) {
    METRICS.http_time.record(took);
    let class = usize::from(response.status().as_u16() / 100);
    // The answer to an upgrade is none of these.
    if let Some(answered) = class.checked_sub(2).and_then(|it| METRICS.http_requests.get(it)) {
        answered.increment(1);
    }
}

/// The caller's name for it, where that can stand in a log; otherwise 128 random bits.
fn name(headers: &HeaderMap) -> String {
    let is_good = |name: &&str| {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=REQUEST_ID_BYTES_MAX).contains(&name.len()) && name.bytes().all(harmless)
    };
    let given = headers.get(REQUEST_ID).and_then(|name| name.to_str().ok()).filter(is_good);
    given.map_or_else(|| format!("{:032x}", fastrand::u128(..)), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_name_is_taken_over_unless_it_could_forge_something() {
        let named = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            name(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(named(b"a-B.9_"), "a-B.9_");
        assert_eq!(named(&[b'a'; 64]).len(), 64);
        for bad in [&b"a b"[..], b"", b"\xff", b"a\"b", &[b'a'; 65]] {
            let made = named(bad);
            assert_eq!((made.len(), made.as_bytes() == bad), (32, false), "{bad:?}");
        }
        assert_ne!(name(&HeaderMap::new()), name(&HeaderMap::new()));
    }
}
