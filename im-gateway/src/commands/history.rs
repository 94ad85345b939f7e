//! `HISTORY` and `RECENT`: messages of a conversation, fetched page by page.

use std::borrow::Cow;

use im_wire::{Hist, Reply, failure};
use mpim_proto::{Entry, EntryKind, FetchRangeReq};
use mprpc::{Context, Status};

use super::refusal;
use crate::config::SessionConfig;
use crate::gateway::Gateway;

/// The messages of an answer, up to its bounds.
struct Shown {
    messages: Vec<Hist<'static>>,
    messages_max: usize,
    bytes_left: usize,
    page: i32,
}

impl Shown {
    /// `None` if more are asked for than an answer may have.
    fn new(session: &SessionConfig, limit: u32) -> Option<Self> {
        (limit <= session.history_messages_max).then(|| Self {
            messages: Vec::new(),
            messages_max: usize::try_from(limit).unwrap_or(usize::MAX),
            bytes_left: session.history_bytes_max,
            page: session.page_messages.min(i32::try_from(limit).unwrap_or(i32::MAX)),
        })
    }

    /// Takes an entry that is next; `false` if there was no room for it. Those that are no message are
    /// passed over and do not count.
    fn takes(&mut self, entry: Entry) -> bool {
        if entry.kind() != EntryKind::Text {
            return true;
        }
        // The first is shown however long it is, or a client would never get past it.
        if self.is_full() || (self.bytes_left < entry.text.len() && !self.messages.is_empty()) {
            return false;
        }
        self.bytes_left = self.bytes_left.saturating_sub(entry.text.len());
        self.messages.push(hist(entry));
        true
    }

    fn is_full(&self) -> bool {
        self.messages.len() >= self.messages_max
    }
}

/// The messages after `after_seq`, up to `limit` of them, or fewer if their texts are long: the
/// client asks again after the last one.
pub(super) async fn history(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    conv_id: String,
    mut after_seq: i64,
    limit: u32,
) -> Result<Reply, Status> {
    let Some(mut shown) = Shown::new(&gateway.config.session, limit) else {
        return Ok(Reply::err(failure::BAD_RANGE));
    };
    loop {
        let (conv_id, limit) = (conv_id.clone(), shown.page);
        let request = FetchRangeReq { user_id, conv_id, after_seq, limit, before_seq: 0 };
        let page = gateway.services.message.fetch_range(cx, request).await?;
        if let Some(refused) = refusal(page.result) {
            return Ok(refused);
        }
        let took_all = page.entries.into_iter().all(|entry| shown.takes(entry));
        let at_end = page.complete_to >= page.head || page.complete_to <= after_seq;
        if at_end || !took_all || shown.is_full() {
            return Ok(Reply::History(shown.messages));
        }
        after_seq = page.complete_to;
    }
}

/// The last messages before `before_seq`, or of all, up to `limit` of them, or fewer if their texts
/// are long: the client asks again before the first one.
pub(super) async fn recent(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    conv_id: String,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Reply, Status> {
    let Some(mut shown) = Shown::new(&gateway.config.session, limit) else {
        return Ok(Reply::err(failure::BAD_RANGE));
    };
    let mut before_seq = before_seq.unwrap_or(i64::MAX);
    loop {
        let (conv_id, limit) = (conv_id.clone(), shown.page);
        let request = FetchRangeReq { user_id, conv_id, after_seq: 0, limit, before_seq };
        let page = gateway.services.message.fetch_range(cx, request).await?;
        if let Some(refused) = refusal(page.result) {
            return Ok(refused);
        }
        let took_all = page.entries.into_iter().rev().all(|entry| shown.takes(entry));
        let at_beginning = page.complete_from <= page.first_seq || page.complete_from >= before_seq;
        if at_beginning || !took_all || shown.is_full() {
            shown.messages.reverse();
            return Ok(Reply::History(shown.messages));
        }
        before_seq = page.complete_from;
    }
}

fn hist(entry: Entry) -> Hist<'static> {
    Hist {
        seq: entry.seq,
        msg_id: entry.msg_id,
        from: entry.from,
        ts_ms: entry.ts_ms,
        text: Cow::Owned(entry.text),
    }
}
