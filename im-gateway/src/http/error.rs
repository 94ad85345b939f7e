//! The one way in which a request is refused.

use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use im_wire::{Refusal, Reply, failure};
use serde::Serialize;
use utoipa::ToSchema;

/// What to try again later takes this long, in seconds, where nobody knows better.
const RETRY_AFTER_S: u32 = 1;

/// A request that is refused. On its way out it is a response without a body; the
/// [outermost layer](super::request_id) writes it, since it knows the request's id.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    /// Where HTTP has a status of its own for it.
    status: Option<StatusCode>,
}

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The code, as in the other protocols.
    #[schema(example = 2002)]
    code: u16,
    /// Tells the cases of a code apart.
    #[schema(example = "not a member")]
    message: String,
    /// The canonical status.
    #[schema(example = "PERMISSION_DENIED")]
    status: &'static str,
    /// As in the header `x-request-id`.
    request_id: String,
    /// When it may be tried again, in milliseconds from now, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
}

impl Refused {
    /// In the words of [`failure`], or in others that say what is bad.
    pub(super) fn of(words: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { refusal: Refusal::of(words), status: None }
    }

    /// The same with a status that only HTTP has.
    pub(super) fn with(status: StatusCode, words: &'static str) -> Self {
        Self { refusal: Refusal::of(words), status: Some(status) }
    }

    /// Too many requests; the next one may come after this time.
    pub(super) fn slow_down(wait: std::time::Duration) -> Self {
        Self { refusal: Refusal::of(failure::SLOW_DOWN).retry_after(wait), status: None }
    }

    /// What a reply other than the one that the command has comes to.
    pub(super) fn from(reply: Reply) -> Self {
        match reply {
            Reply::Err(refusal) => Self { refusal, status: None },
            // A mistake of ours: each command has one kind of reply.
            _ => Self::of("internal"),
        }
    }

    /// Whoever asks has to log in first.
    pub(super) fn is_unauthenticated(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    fn status(&self) -> StatusCode {
        let status = || StatusCode::from_u16(self.refusal.why().http_status()).ok();
        self.status.or_else(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer to the request of this id. Headers that were set before, as `allow`, stay.
    pub(super) fn write(&self, mut response: Response, request_id: &str) -> Response {
        let refusal = &self.refusal;
        let problem = Problem {
            code: refusal.code(),
            message: refusal.words().to_owned(),
            status: refusal.why().canonical(),
            request_id: request_id.to_owned(),
            retry_after_ms: refusal.retry_after_ms(),
        };
        let status = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = refusal.retry_after_ms().map(|ms| ms.div_ceil(1_000));
                headers.insert(RETRY_AFTER, seconds.unwrap_or(RETRY_AFTER_S).into());
            }
            // What is left of such a body is not read.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        *response.status_mut() = status;
        // A struct of texts and numbers is always written.
        *response.body_mut() = serde_json::to_vec(&problem).unwrap_or_default().into();
        response
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
