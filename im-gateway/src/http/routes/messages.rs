//! Sending.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use im_wire::{CLIENT_MSG_ID_BYTES_MAX, Peer, Reply, failure};
use mpim_proto::Priority;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::session_id;
use super::problems::Problems;
use crate::core::{self, Principal, Single};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, Body, Done};
use crate::sending::Manner;

/// Another place for the client's id of a message.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct NewMessage {
    /// Either this or `group_id`.
    #[schema(minimum = 1, example = 8)]
    to_user_id: Option<i64>,
    /// Either this or `to_user_id`.
    #[schema(minimum = 1)]
    group_id: Option<i64>,
    #[schema(min_length = 1, example = "hello")]
    content: String,
    /// The client's own id: whoever sends the same again sends the same message. The header
    /// `idempotency-key` does as well.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    client_msg_id: Option<String>,
    priority: Option<Urgency>,
    /// Be told how far its receivers are.
    receipts: Option<bool>,
}

/// Which message goes first where there are many.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Urgency {
    Low,
    Normal,
    High,
    Urgent,
}

/// A message that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Sent {
    message_id: String,
    session_id: String,
    /// Its number in the conversation.
    seq: i64,
}

#[utoipa::path(post, path = "/api/messages", tag = "messages", request_body = NewMessage,
    params(("idempotency-key" = Option<String>, Header, description = "As `client_msg_id`.",
        min_length = 1, max_length = 64, pattern = "^[!-~]+$")),
    responses((status = 200, body = Done<Sent>), Problems))]
/// Sends a message; it is durable once this is answered.
pub(in crate::http) async fn send(
    State(http): State<Arc<Http>>,
    principal: Principal,
    headers: HeaderMap,
    Body(message): Body<NewMessage>,
) -> Answer<Sent> {
    let to = match (message.to_user_id, message.group_id) {
        (Some(to @ 1..), None) => Peer::User(to),
        (None, Some(to @ 1..)) => Peer::Group(to),
        (Some(_), None) => return Err(Refused::of(failure::BAD_TO_UID)),
        (None, Some(_)) => return Err(Refused::of(failure::BAD_GROUP_ID)),
        _ => return Err(Refused::of("bad body: either to_user_id or group_id")),
    };
    if message.content.is_empty() {
        return Err(Refused::of("bad content"));
    }
    let client_msg_id = client_msg_id(message.client_msg_id, &headers)?;
    let manner = Manner {
        priority: message.priority.map_or(Priority::default(), priority),
        receipts: message.receipts.unwrap_or(false),
        repeatable: client_msg_id.is_some(),
    };
    let single = Single { to, client_msg_id, text: message.content, manner };
    match core::send(&http.gateway, &principal, single).await {
        Reply::MsgIdSeq(msg_id, seq) | Reply::GroupMsgIdSeq(msg_id, seq) => Ok(Done::with(Sent {
            message_id: msg_id.to_string(),
            session_id: session_id(principal.user_id, to),
            seq,
        })),
        other => Err(Refused::from(other)),
    }
}

fn client_msg_id(of_body: Option<String>, headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let bad = || Refused::of(failure::BAD_CLIENT_MSG_ID);
    let of_header = match headers.get(IDEMPOTENCY_KEY) {
        Some(value) => Some(value.to_str().map_err(|_| bad())?.to_owned()),
        None => None,
    };
    let client_msg_id = match (of_body, of_header) {
        (Some(of_body), Some(of_header)) if of_body != of_header => return Err(bad()),
        (of_body, of_header) => of_body.or(of_header),
    };
    let is_good = |id: &String| {
        (1..=CLIENT_MSG_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if client_msg_id.as_ref().is_none_or(is_good) { Ok(client_msg_id) } else { Err(bad()) }
}

fn priority(urgency: Urgency) -> Priority {
    match urgency {
        Urgency::Low => Priority::Low,
        Urgency::Normal => Priority::Normal,
        Urgency::High => Priority::High,
        Urgency::Urgent => Priority::Urgent,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_client_s_id_may_stand_in_the_header_but_not_contradict_the_body() {
        let id = |body: Option<&str>, header: Option<&'static [u8]>| {
            let header = header.map(|value| HeaderValue::from_bytes(value).unwrap());
            let headers = header.map(|value| (IDEMPOTENCY_KEY, value)).into_iter().collect();
            client_msg_id(body.map(str::to_owned), &headers).map_err(|_| ())
        };
        assert_eq!(id(None, None), Ok(None));
        assert_eq!(id(None, Some(b"a")), Ok(Some("a".to_owned())));
        assert_eq!(id(Some("a"), Some(b"a")), Ok(Some("a".to_owned())));
        assert_eq!(id(Some("a"), Some(b"b")), Err(()));
        for bad in ["", "a b", "a\nb", "\u{e9}", &"a".repeat(65)] {
            assert_eq!(id(Some(bad), None), Err(()), "{bad}");
        }
        assert_eq!(id(None, Some(b"\xff")), Err(()));
    }
}
