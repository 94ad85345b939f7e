//! What handlers take and give: JSON bodies, parts of the path, queries.
//!
//! The extractors of axum answer what they refuse in words of their own; these refuse as all else does.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use im_wire::failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::Http;
use super::error::Refused;

/// How deep arrays and objects of a body may stand in each other.
const DEPTH_MAX: usize = 16;
/// Of a parser's complaint, so many characters are shown.
const COMPLAINT_CHARS_MAX: usize = 200;

/// An answer that is no refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done<T> {
    /// 0.
    code: u16,
    /// `success`.
    #[schema(example = "success")]
    message: &'static str,
    /// What was asked for.
    data: T,
}

/// Nothing: the data of what only has to be done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Nothing {}

/// What a handler answers.
pub(super) type Answer<T> = Result<Done<T>, Refused>;

impl<T> Done<T> {
    pub(super) fn with(data: T) -> Self {
        Self { code: 0, message: "success", data }
    }
}

impl Done<Nothing> {
    pub(super) fn nothing() -> Self {
        Self::with(Nothing {})
    }
}

impl<T: Serialize> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                Refused::of("internal").into_response()
            }
        }
    }
}

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// The body of a request that may have none, and then counts as `{}`.
#[derive(Debug)]
pub(super) struct BodyOrNone<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Http>> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            return Err(unsupported());
        }
        parse(&read(request, http).await?).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Http>> for BodyOrNone<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Refused> {
        let (is_json, is_said) =
            (is_json(request.headers()), request.headers().contains_key(CONTENT_TYPE));
        if is_said && !is_json {
            return Err(unsupported());
        }
        let body = read(request, http).await?;
        match (body.is_empty(), is_json) {
            (true, _) => parse(b"{}").map(Self),
            (false, true) => parse(&body).map(Self),
            (false, false) => Err(unsupported()),
        }
    }
}

fn unsupported() -> Refused {
    Refused::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad content-type")
}

/// Whether a body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let essence =
        parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    essence && parts.all(utf8)
}

/// The whole body, within its bounds of bytes and time.
async fn read(request: Request, http: &Http) -> Result<bytes::Bytes, Refused> {
    let config = &http.gateway.config.http;
    let body = Limited::new(request.into_body(), config.body_bytes_max).collect();
    match tokio::time::timeout(crate::config::ms(config.body_timeout_ms), body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::of("too big")),
        Ok(Err(_)) => Err(Refused::of("bad body: it was cut off")),
        Err(_) => Err(Refused::with(StatusCode::REQUEST_TIMEOUT, "bad body: it took too long")),
    }
}

/// A JSON object. Of a key that occurs twice the last counts; keys that nobody knows are ignored.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(Refused::of(failure::NOT_UTF8)) };
    if depth(text) > DEPTH_MAX {
        return Err(Refused::of("bad body: nested too deep"));
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| complaint(&error))?;
    T::deserialize(serde_json::Value::Object(object)).map_err(|error| complaint(&error))
}

fn complaint(error: &serde_json::Error) -> Refused {
    let said = error.to_string();
    // What was found instead may be a secret, in a field of another kind.
    let said = said.rsplit_once(", expected ").map_or(&*said, |(_, expected)| expected);
    let complaint: String = said.chars().take(COMPLAINT_CHARS_MAX).collect();
    Refused::of(format!("bad body: {complaint}"))
}

/// How deep arrays and objects stand in each other, whatever else is wrong with it.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The query of a request.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let asked = Query::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|_| Refused::of("bad query"))
    }
}

/// The one part of the path that is not fixed.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

/// What can stand in a path.
pub(super) trait Part: Sized {
    /// # Errors
    /// The words of the refusal.
    fn parse(part: &str) -> Result<Self, &'static str>;
}

impl<T: Part, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Refused::of(failure::NOT_UTF8))?;
        let part = params.iter().next().map(|(_, part)| part).unwrap_or_default();
        T::parse(part).map(Self).map_err(Refused::of)
    }
}

impl Part for String {
    fn parse(part: &str) -> Result<Self, &'static str> {
        Ok(part.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Example {
        word: String,
    }

    fn word(body: &str) -> Result<String, Refused> {
        parse::<Example>(body.as_bytes()).map(|example| example.word)
    }

    #[test]
    fn the_last_of_two_keys_counts_and_unknown_ones_are_ignored() {
        assert_eq!(word(r#"{"word":"a","x":[{}],"word":"b"}"#).unwrap(), "b");
    }

    #[test]
    fn what_is_no_object_of_its_kind_is_refused() {
        for bad in ["", "null", "[\"a\"]", "\"a\"", "{}", r#"{"word":1}"#, "{\"word\":\"a\"} x"] {
            assert!(word(bad).is_err(), "{bad}");
        }
        assert!(parse::<Example>(b"{\"word\":\"\xff\"}").is_err());
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_texts_are_no_nesting() {
        let nested = |levels: usize| {
            format!(r#"{{"word":"a","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
        };
        assert!(word(&nested(15)).is_ok());
        assert!(word(&nested(16)).is_err());
        let brackets = format!(r#"{{"word":"\"{}"}}"#, "[".repeat(100));
        assert!(word(&brackets).is_ok());
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        let said = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]))
        };
        assert!(said("application/json") && said("Application/JSON; charset=\"UTF-8\""));
        assert!(!said("text/plain") && !said("application/json; charset=latin1"));
        assert!(!said("application/jsonp") && !is_json(&HeaderMap::new()));
    }
}
