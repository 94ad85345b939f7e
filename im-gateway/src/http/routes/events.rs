//! Server-sent events: a session for those without WebSocket.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body as Sent;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse as _, Response};
use im_wire::Secret;
use im_wire::event_stream::positions;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, Body, Done, Nothing};
use crate::http::line::Line;
use crate::pipe::pipe;
use crate::socket::Socket;
use crate::wire::Wire;

/// The last event that a client has got before its stream broke off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps nginx from holding events back.
const BUFFERING: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// How far a client is.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct Got {
    /// The id of the last event that has one.
    #[schema(example = "c2c_7_8:12:7529508774764085248")]
    id: String,
}

#[utoipa::path(get, path = "/api/events", tag = "events",
    params(("last-event-id" = Option<String>, Header,
        description = "The last id of the former stream: everything up to it has arrived.")),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "What is pushed, until the session ends: types as events, bodies as data."),
        Problems))]
/// Opens a session of the token's device, and streams what is pushed to it.
pub(in crate::http) async fn stream(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Ok(place) = Arc::clone(&http.streams).try_acquire_owned() else {
        return Err(Refused::of("server full"));
    };
    if let Some(id) = headers.get(LAST_EVENT_ID) {
        // Before the session begins, which goes on where the device is.
        confirm(&http, &principal, id.to_str().unwrap_or_default()).await?;
    }
    line.becomes_stream();
    let (pipe, body) = pipe();
    let wire = Wire::event_stream(Secret::new(principal.token));
    // It logs in by its token, wherever it comes from.
    http.sockets.open(Socket::Body(pipe), None, wire, place);
    // A connection that was a stream is nothing else.
    let head = [(CONTENT_TYPE, "text/event-stream"), BUFFERING, (CONNECTION, "close")];
    Ok((head, Sent::from_stream(body)).into_response())
}

#[utoipa::path(post, path = "/api/events/ack", tag = "events", request_body = Got,
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Confirms what a stream has told, up to an event.
pub(in crate::http) async fn received(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Body(got): Body<Got>,
) -> Answer<Nothing> {
    confirm(&http, &principal, &got.id).await?;
    Ok(Done::nothing())
}

async fn confirm(http: &Http, principal: &Principal, id: &str) -> Result<(), Refused> {
    let positions =
        positions(principal.user_id, id).ok_or_else(|| Refused::of("bad id of an event"))?;
    core::received(&http.gateway, principal, &positions).await.map_err(Refused::from)
}
