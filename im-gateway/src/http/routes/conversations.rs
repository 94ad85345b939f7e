//! Conversations: which there are, what was said, how far everybody is.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Conv, Hist, LISTED, Peer, Reply, failure};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::names::{Of, With, session_id};
use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, Asked, At, Body, Done, Nothing};

/// How much of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Part {
    /// At most so many; 50 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page` of the answer before.
    page: Option<String>,
}

/// The caller's conversations.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Conversations {
    /// The one in which something happened last first.
    conversations: Vec<Conversation>,
    /// Where the next answer goes on; absent from the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Conversation {
    #[schema(example = "c2c_7_8")]
    session_id: String,
    /// With whom, unless it is a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_user_id: Option<i64>,
    /// The group, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<i64>,
    /// The number of its last entry.
    head_seq: i64,
    /// Up to where the caller has read it.
    read_seq: i64,
    /// Messages of others above that; 100 means 100 or more.
    unread: u32,
    /// `null` when nothing is left of it.
    last_message: Option<Preview>,
}

/// The beginning of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Preview {
    message_id: String,
    from_user_id: i64,
    /// At most 100 characters; empty for what is not a message.
    content: String,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Range {
    /// The first ones above this number. Not together with `before`.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// The last ones below this number; without either, the last of all.
    #[param(minimum = 1)]
    before: Option<i64>,
    /// At most so many; 50 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Messages of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct History {
    session_id: String,
    /// Ascending by `seq`. It may be fewer than asked for; only none says that there are no more.
    messages: Vec<Message>,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Message {
    /// The server's.
    message_id: String,
    session_id: String,
    from_user_id: i64,
    /// The receiver, or the group.
    to_user_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<i64>,
    /// 0: a text.
    r#type: u8,
    content: String,
    /// Milliseconds since 1970.
    timestamp: i64,
    extra: Nothing,
    seq: i64,
}

/// How far the caller has read.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct Read {
    /// This entry and all before it.
    #[schema(minimum = 1)]
    seq: i64,
}

/// How far others are.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Receipts {
    receipts: Vec<Receipt>,
}

/// How far one user is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Receipt {
    user_id: i64,
    delivered_seq: i64,
    read_seq: i64,
}

#[utoipa::path(get, path = "/api/conversations", tag = "conversations", params(Part),
    responses((status = 200, body = Done<Conversations>), Problems))]
/// The caller's conversations.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Asked(part): Asked<Part>,
) -> Answer<Conversations> {
    let command = Command::Conversations { limit: at_least_one(part.limit)?, page: part.page };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::Conversations { listed, next_page } => {
            let listed = listed.into_iter().map(|conv| conversation(principal.user_id, conv));
            Ok(Done::with(Conversations { conversations: listed.collect(), next_page }))
        }
        other => Err(Refused::from(other)),
    }
}

fn at_least_one(limit: Option<u32>) -> Result<Option<u32>, Refused> {
    match limit {
        Some(0) => Err(Refused::of(failure::BAD_RANGE)),
        limit => Ok(limit),
    }
}

fn conversation(user_id: i64, conv: Conv<'_>) -> Conversation {
    let (to_user_id, group_id) = sides(conv.peer);
    Conversation {
        session_id: session_id(user_id, conv.peer),
        to_user_id,
        group_id,
        head_seq: conv.head,
        read_seq: conv.read,
        unread: conv.unread,
        last_message: (conv.last_msg_id != 0).then(|| Preview {
            message_id: conv.last_msg_id.to_string(),
            from_user_id: conv.from,
            content: conv.text.into_owned(),
            timestamp: conv.ts_ms,
        }),
    }
}

fn sides(peer: Peer) -> (Option<i64>, Option<i64>) {
    match peer {
        Peer::User(user_id) => (Some(user_id), None),
        Peer::Group(group_id) => (None, Some(group_id)),
    }
}

#[utoipa::path(get, path = "/api/conversations/{peer}/messages", tag = "conversations",
    params(Of, Range),
    responses((status = 200, body = Done<History>), Problems))]
/// Messages of a conversation.
pub(in crate::http) async fn history(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(with): At<With>,
    Asked(range): Asked<Range>,
) -> Answer<History> {
    let (user_id, peer) = (principal.user_id, with.of(principal.user_id)?);
    let limit = at_least_one(range.limit)?.unwrap_or(LISTED);
    let command = match (range.after, range.before) {
        (Some(after_seq @ 0..), None) => Command::History { peer, after_seq, limit },
        (None, None) => Command::Recent { peer, limit, before_seq: None },
        (None, Some(before @ 1..)) => Command::Recent { peer, limit, before_seq: Some(before) },
        _ => return Err(Refused::of(failure::BAD_RANGE)),
    };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::History(messages) => {
            let messages = messages.into_iter().map(|found| message(user_id, peer, found));
            let messages = messages.collect();
            Ok(Done::with(History { session_id: session_id(user_id, peer), messages }))
        }
        other => Err(Refused::from(other)),
    }
}

fn message(user_id: i64, peer: Peer, found: Hist<'_>) -> Message {
    let (to_user_id, group_id) = match peer {
        Peer::Group(group_id) => (group_id, Some(group_id)),
        Peer::User(other) if found.from == user_id => (other, None),
        Peer::User(_) => (user_id, None),
    };
    Message {
        message_id: found.msg_id.to_string(),
        session_id: session_id(user_id, peer),
        from_user_id: found.from,
        to_user_id,
        group_id,
        r#type: 0,
        content: found.text.into_owned(),
        timestamp: found.ts_ms,
        extra: Nothing {},
        seq: found.seq,
    }
}

#[utoipa::path(post, path = "/api/conversations/{peer}/read", tag = "conversations",
    params(Of), request_body = Read,
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Tells how far the caller has read.
pub(in crate::http) async fn read(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(with): At<With>,
    Body(Read { seq }): Body<Read>,
) -> Answer<Nothing> {
    if seq < 1 {
        return Err(Refused::of(failure::BAD_SEQ));
    }
    let command = Command::Read { peer: with.of(principal.user_id)?, seq };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::Read => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(get, path = "/api/conversations/{peer}/receipts", tag = "conversations",
    params(Of),
    responses((status = 200, body = Done<Receipts>), Problems))]
/// How far the others are.
pub(in crate::http) async fn receipts(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(with): At<With>,
) -> Answer<Receipts> {
    let command = Command::ReceiptsOf { peer: with.of(principal.user_id)? };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::ReceiptsOf(receipts) => {
            let receipts = receipts.into_iter().map(|receipt| Receipt {
                user_id: receipt.from,
                delivered_seq: receipt.delivered.unwrap_or(0),
                read_seq: receipt.read.unwrap_or(0),
            });
            Ok(Done::with(Receipts { receipts: receipts.collect() }))
        }
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(post, path = "/api/conversations/{peer}/typing", tag = "conversations",
    params(Of),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Tells those who are there that the caller is writing.
pub(in crate::http) async fn typing(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(with): At<With>,
) -> Answer<Nothing> {
    let command = Command::Typing { peer: with.of(principal.user_id)? };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::Typing => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}
