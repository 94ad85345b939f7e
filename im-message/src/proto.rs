//! From the words of this crate to those of message.proto, and back.

use im_common::Priority;
use mpim_proto::EntryKind;

use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::{Conversation, Position, Receipt, Sight};

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
        device: entry.device.clone(),
    }
}

pub(crate) fn priority_of(priority: Priority) -> mpim_proto::Priority {
    match priority {
        Priority::Low => mpim_proto::Priority::Low,
        Priority::Normal => mpim_proto::Priority::Normal,
        Priority::High => mpim_proto::Priority::High,
        Priority::Urgent => mpim_proto::Priority::Urgent,
    }
}

/// `None` for a number that says nothing here.
pub(crate) fn priority(priority: i32) -> Option<Priority> {
    Some(match mpim_proto::Priority::try_from(priority).ok()? {
        mpim_proto::Priority::Low => Priority::Low,
        mpim_proto::Priority::Normal => Priority::Normal,
        mpim_proto::Priority::High => Priority::High,
        mpim_proto::Priority::Urgent => Priority::Urgent,
    })
}

pub(crate) fn position(position: &Position) -> mpim_proto::Position {
    mpim_proto::Position {
        conv_id: position.conv.to_string(),
        cursor: position.cursor,
        head: position.head,
    }
}

/// One who never saw anything has no spans and a head of 0.
pub(crate) fn sight(sight: Option<Sight>) -> mpim_proto::Sight {
    let Some(Sight { spans, complete_to, head }) = sight else {
        return mpim_proto::Sight::default();
    };
    let spans = spans.into_iter();
    let spans = spans.map(|(from_seq, to_seq)| mpim_proto::Span { from_seq, to_seq }).collect();
    mpim_proto::Sight { spans, complete_to, head }
}

pub(crate) fn conversation(listed: &Conversation) -> mpim_proto::Conversation {
    let Position { conv, cursor, head } = listed.position;
    mpim_proto::Conversation {
        conv_id: conv.to_string(),
        cursor,
        head,
        read_seq: listed.read_seq,
        // At most a hundred.
        unread: i32::try_from(listed.unread).unwrap_or(i32::MAX),
        first_seq: listed.first_seq,
        last: listed.last.as_ref().map(|last| entry(conv, last)),
    }
}

pub(crate) fn receipt(receipt: &Receipt) -> mpim_proto::Receipt {
    let Receipt { uid, from_seq, read_seq, delivered_seq } = *receipt;
    mpim_proto::Receipt { user_id: uid, from_seq, read_seq, delivered_seq }
}
