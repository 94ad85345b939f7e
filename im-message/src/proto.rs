//! From the words of this crate to those of message.proto.

use mpim_proto::EntryKind;

use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::Position;

pub(crate) fn entry(conv: ConvId, entry: &Entry) -> mpim_proto::Entry {
    let (kind, text) = match &entry.content {
        Content::Text(text) => (EntryKind::Text, text.clone()),
        Content::Joined => (EntryKind::Joined, String::new()),
        Content::Left => (EntryKind::Left, String::new()),
    };
    mpim_proto::Entry {
        conv_id: conv.to_string(),
        seq: entry.seq,
        msg_id: entry.msg_id,
        from: entry.author,
        ts_ms: entry.ts_ms,
        kind: kind.into(),
        text,
    }
}

pub(crate) fn position(position: &Position) -> mpim_proto::Position {
    mpim_proto::Position {
        conv_id: position.conv.to_string(),
        cursor: position.cursor,
        head: position.head,
    }
}
