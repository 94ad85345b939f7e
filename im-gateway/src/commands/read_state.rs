//! `READ` and `CONVERSATIONS`.

use std::borrow::Cow;

use im_wire::{Conv, LISTED, Peer, Reply, failure};
use mpim_proto::{Conversation, ListConversationsReq, MarkReadReq, TEXT_DEVICE};
use mprpc::{Context, Status};

use super::refusal;
use crate::gateway::Gateway;

/// Conversations of one page.
const PAGE: u32 = 200;
/// Characters of a last message that a list shows.
const PREVIEW_CHARS_MAX: usize = 100;

pub(super) async fn read(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    conv_id: String,
    seq: i64,
) -> Result<Reply, Status> {
    let request = MarkReadReq { user_id, conv_id, seq };
    let answer = gateway.services.message.mark_read(cx, request).await?;
    Ok(refusal(answer.result).unwrap_or(Reply::Read))
}

/// The user's conversations from `page` on, up to `limit` of them.
pub(super) async fn conversations(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    limit: Option<u32>,
    page: Option<String>,
) -> Result<Reply, Status> {
    // Their lines are about as long as those of a history.
    let most = gateway.config.session.history_messages_max;
    let limit = limit.unwrap_or(LISTED);
    if limit > most {
        return Ok(Reply::err(failure::BAD_RANGE));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut listed: Vec<Conv<'static>> = Vec::new();
    let mut page_token = page.unwrap_or_default();
    loop {
        let rest = u32::try_from(limit - listed.len()).unwrap_or(PAGE).min(PAGE);
        let request = ListConversationsReq {
            user_id,
            // Lines do not show cursors.
            device: TEXT_DEVICE.to_owned(),
            page_token,
            limit: i32::try_from(rest).unwrap_or(i32::MAX),
        };
        let page = gateway.services.message.list_conversations(cx, request).await?;
        if let Some(refused) = refusal(page.result) {
            return Ok(refused);
        }
        let found = page.conversations.into_iter().filter_map(|found| conv(user_id, found));
        listed.extend(found.take(limit - listed.len()));
        page_token = page.next_page_token;
        if page_token.is_empty() || listed.len() >= limit {
            let next_page = Some(page_token).filter(|token| !token.is_empty());
            return Ok(Reply::Conversations { listed, next_page });
        }
    }
}

/// `None` for one whose name says nothing to text lines.
fn conv(user_id: i64, found: Conversation) -> Option<Conv<'static>> {
    let last = found.last.unwrap_or_default();
    let mut text = last.text;
    if let Some((end, _)) = text.char_indices().nth(PREVIEW_CHARS_MAX) {
        text.truncate(end);
    }
    Some(Conv {
        peer: peer(user_id, &found.conv_id)?,
        head: found.head,
        read: found.read_seq,
        unread: u32::try_from(found.unread).unwrap_or(0),
        last_msg_id: last.msg_id,
        from: last.from,
        ts_ms: last.ts_ms,
        text: Cow::Owned(text),
    })
}

/// Whom a conversation of this user is with.
fn peer(user_id: i64, conv_id: &str) -> Option<Peer> {
    if let Some(group_id) = conv_id.strip_prefix("grp_") {
        return group_id.parse().ok().map(Peer::Group);
    }
    let (low, high) = conv_id.strip_prefix("c2c_")?.split_once('_')?;
    let (low, high): (i64, i64) = (low.parse().ok()?, high.parse().ok()?);
    Some(Peer::User(if low == user_id { high } else { low }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_named_by_its_other_side() {
        for (conv_id, expected) in [
            ("c2c_3_7", Some(Peer::User(3))),
            ("c2c_7_9", Some(Peer::User(9))),
            ("c2c_7_7", Some(Peer::User(7))),
            ("grp_7", Some(Peer::Group(7))),
            ("c2c_7", None),
            ("else_7", None),
        ] {
            assert_eq!(peer(7, conv_id), expected, "{conv_id}");
        }
    }

    #[test]
    fn a_long_last_message_is_cut_between_characters() {
        let last = mpim_proto::Entry { text: "\u{1F600}".repeat(101), ..Default::default() };
        let conv_id = "grp_7".to_owned();
        let shown = conv(7, Conversation { conv_id, last: Some(last), ..Default::default() });
        assert_eq!(shown.unwrap().text, "\u{1F600}".repeat(100));
    }
}
