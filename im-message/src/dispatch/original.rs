//! Beside services of the original system: what it was given counts as given, and an im-presence
//! that knows no `Dispatch` is asked to `Deliver`.
//!
//! The original acknowledges nothing. So what one of its gateways was handed is noted as given to
//! that user, and their next `PullOffline` passes it over; whatever was not handed over waits for it.

use std::time::Duration;

use im_common::StoreError;
use mpim_proto::{C2cMsg, DeliveReq, Published, presence_service};
use mprpc::{Context, Executed, Status};
use prost::Message as _;

use super::Committed;
use crate::conversation::ConvId;
use crate::entry::Content;
use crate::offline;
use crate::store::Timeline;

/// Notes that the gateways of the original's users were handed these entries.
pub(super) async fn note_given(
    store: &impl Timeline,
    published: Vec<Published>,
) -> Result<(), StoreError> {
    let given = published.into_iter().filter_map(|Published { user_id, conv_id, seq }| {
        Some((offline::reader(user_id), conv_id.parse().ok()?, seq))
    });
    let given: Vec<_> = given.collect();
    if given.is_empty() { Ok(()) } else { store.mark_given_next(given).await }
}

/// Hands entries one by one to an im-presence of the original, each message between two users to
/// its recipient; it has no words for groups. Answers with how many of `entries` are done with, and
/// with those that were taken.
///
/// # Errors
/// The first entry was not taken and may be tried again.
pub(super) async fn deliver<'a>(
    presence: &impl presence_service::Server,
    entries: impl Iterator<Item = &'a Committed>,
    timeout: Duration,
) -> Result<(usize, Vec<Published>), Status> {
    let cx = Context::with_timeout(timeout);
    let mut published = Vec::new();
    for (done, committed) in entries.enumerate() {
        let Some((to, request)) = request(committed) else {
            continue;
        };
        let call = presence.deliver(&cx, request);
        let answer = tokio::time::timeout_at(cx.deadline(), call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("im-presence did not answer")));
        match answer {
            Ok(answer) => {
                // Otherwise they are not connected anywhere, and will pull it.
                if answer.result.is_some_and(|result| result.is_ok()) {
                    let (conv_id, seq) = (committed.conv.to_string(), committed.entry.seq);
                    published.push(Published { user_id: to, conv_id, seq });
                }
            }
            // It may have been shown; once more would be twice.
            Err(status) if status.executed() != Executed::No => return Ok((done + 1, published)),
            Err(status) if done == 0 => return Err(status),
            Err(_) => return Ok((done, published)),
        }
    }
    Ok((usize::MAX, published))
}

fn request(committed: &Committed) -> Option<(i64, DeliveReq)> {
    let (ConvId::Pair { low, high }, Content::Text(text)) =
        (committed.conv, &committed.entry.content)
    else {
        return None;
    };
    let from = committed.entry.author;
    let to = if from == low { high } else { low };
    // What one writes to oneself was written by the only session that the original shows it to.
    if to == from {
        return None;
    }
    let (msg_id, ts_ms) = (committed.entry.msg_id, committed.entry.ts_ms);
    let msg = C2cMsg { msg_id, from, to, ts_ms, text: text.clone() };
    Some((to, DeliveReq { to, payload: msg.encode_to_vec().into() }))
}
