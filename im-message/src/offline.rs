//! The classic route's way of reading: `PullOffline` and `Ack` (the end of wire.md, section 4).
//!
//! Its callers mostly never acknowledge. So what a pull gives is noted, and the next pull takes
//! it as having arrived. A caller that does call `Ack` decides for itself: then only what it
//! acknowledged counts, and the rest comes again.
//!
//! Its device is `text`, the one that a user has from the beginning.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::{Position, RangeLimit, Reader, Timeline};
use im_common::StoreError;

/// Messages that one pull gives.
const MESSAGES_MAX: usize = 500;
/// Entries that one pull looks at. Most of them are messages to be given; this bounds the pull of
/// a user who wrote thousands themselves. The next pull goes on from there.
const ENTRIES_SEEN_MAX: usize = 20 * PAGE;
/// Entries, and conversations, that are read at once.
const PAGE: usize = 500;

/// The classic route's reader.
#[derive(Debug)]
pub(crate) struct Offline<T> {
    pub(crate) store: Arc<T>,
    /// Bytes of text that one pull gives.
    pub(crate) bytes_max: usize,
}

/// What one pull may still give, and look at.
struct Room {
    messages: usize,
    bytes: usize,
    entries: usize,
}

impl<T: Timeline> Offline<T> {
    /// Messages that wait for a user, each conversation's in order. Acknowledges those that the
    /// pull before gave.
    pub(crate) async fn pull(&self, uid: i64) -> Result<Vec<(ConvId, Entry)>, StoreError> {
        let reader = reader(uid);
        self.store.confirm_given(&reader).await?;
        let mut room =
            Room { messages: MESSAGES_MAX, bytes: self.bytes_max, entries: ENTRIES_SEEN_MAX };
        let mut messages = Vec::new();
        let mut given = Vec::new();
        let mut after = None;
        while let Some((behind, more)) = self.store.behind(&reader, after, PAGE).await? {
            for position in &behind {
                let to = self.pull_from(uid, *position, &mut room, &mut messages).await?;
                given.push((position.conv, to));
                if room.is_empty() {
                    break;
                }
            }
            after = behind.last().map(|position| position.conv);
            if !more || room.is_empty() {
                break;
            }
        }
        if !given.is_empty() {
            self.store.mark_given(&reader, given).await?;
        }
        Ok(messages)
    }

    /// Adds what waits in one conversation, as far as there is room; the seq up to which it was
    /// gone through.
    async fn pull_from(
        &self,
        uid: i64,
        position: Position,
        room: &mut Room,
        messages: &mut Vec<(ConvId, Entry)>,
    ) -> Result<i64, StoreError> {
        let Position { conv, cursor, head } = position;
        let mut at = cursor;
        while at < head {
            let limit = RangeLimit { entries_max: PAGE, bytes_max: room.bytes };
            let Some(range) = self.store.range(uid, conv, at, limit).await? else {
                break;
            };
            for entry in range.entries {
                if room.is_empty() {
                    return Ok(at);
                }
                at = entry.seq;
                room.entries -= 1;
                if let Some(bytes) = shown_bytes(uid, &entry) {
                    room.messages -= 1;
                    room.bytes = room.bytes.saturating_sub(bytes);
                    messages.push((conv, entry));
                }
            }
            at = range.complete_to;
        }
        Ok(at)
    }

    /// Acknowledges messages: in each conversation, the cursor moves over those that stand next to
    /// it without a gap. Unknown ids, and those the user may not see, change nothing.
    pub(crate) async fn ack(&self, uid: i64, msg_ids: Vec<i64>) -> Result<(), StoreError> {
        let reader = reader(uid);
        let mut acked: BTreeMap<ConvId, HashSet<i64>> = BTreeMap::new();
        for (conv, seq) in self.store.locate(msg_ids).await? {
            acked.entry(conv).or_default().insert(seq);
        }
        let convs = acked.keys().copied().collect();
        let mut moves = Vec::new();
        for position in self.store.positions(&reader, convs).await? {
            let to = self.contiguous(uid, position, &acked[&position.conv]).await?;
            moves.push((position.conv, to));
        }
        self.store.advance_cursors(&reader, moves).await?;
        self.store.withdraw_given(&reader).await
    }

    /// How far everything after the cursor was acknowledged or needs no acknowledgement.
    async fn contiguous(
        &self,
        uid: i64,
        position: Position,
        acked: &HashSet<i64>,
    ) -> Result<i64, StoreError> {
        let Position { conv, cursor, head } = position;
        let limit = RangeLimit { entries_max: PAGE, bytes_max: usize::MAX };
        let mut at = cursor;
        while at < head {
            let Some(range) = self.store.range(uid, conv, at, limit).await? else {
                break;
            };
            for entry in range.entries {
                if shown_bytes(uid, &entry).is_some() && !acked.contains(&entry.seq) {
                    return Ok(at);
                }
                at = entry.seq;
            }
            at = range.complete_to;
        }
        Ok(at)
    }
}

impl Room {
    fn is_empty(&self) -> bool {
        self.messages == 0 || self.bytes == 0 || self.entries == 0
    }
}

/// The classic route's device of a user.
pub(crate) fn reader(uid: i64) -> Reader {
    Reader { uid, device: "text".to_owned() }
}

/// The size of a message that this route shows; `None` for one's own, and for entries that it
/// has no words for.
fn shown_bytes(uid: i64, entry: &Entry) -> Option<usize> {
    match &entry.content {
        Content::Text(text) if entry.author != uid => Some(text.len()),
        _ => None,
    }
}
