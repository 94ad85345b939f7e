//! What users have read, and ranges on the way back, as the model has them.

use im_common::StoreError;

use super::{Conversation as Timeline, Model, State};
use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::store::read_state::{UNREAD_MAX, UNREAD_SEQS_MAX};
use crate::store::{
    Conversation, Earlier, MarkReadError, Marked, Place, Progress, RangeLimit, ReadState, Reader,
    Receipt,
};

impl Timeline {
    fn seen_by(&self, uid: i64) -> impl DoubleEndedIterator<Item = &Entry> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        entries.filter(move |entry| self.sees(uid, entry.seq))
    }
}

impl State {
    pub(super) fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> Option<Earlier> {
        let conversation = self.conversations.get(&conv)?;
        let head = conversation.head(uid)?;
        let first_seq = conversation.first(uid);
        let earlier = conversation.seen_by(uid).filter(|entry| entry.seq < before_seq);
        let all: Vec<Entry> = earlier.cloned().collect();
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for entry in all.iter().rev() {
            bytes += if let Content::Text(text) = &entry.content { text.len() } else { 0 };
            let full = entries.len() >= limit.entries_max || bytes > limit.bytes_max;
            if full && !entries.is_empty() {
                break;
            }
            entries.insert(0, entry.clone());
        }
        let complete_from = match entries.first() {
            Some(first) if entries.len() < all.len() => first.seq,
            _ => first_seq.min(before_seq),
        };
        Some(Earlier { entries, complete_from, first_seq, head })
    }

    /// `None` if they never saw anything of it.
    fn read_seq(&self, uid: i64, conv: ConvId) -> Option<i64> {
        let conversation = self.conversations.get(&conv)?;
        conversation.head(uid)?;
        let read = self.read.get(&(uid, conv)).copied();
        Some(read.unwrap_or(0).max(conversation.first(uid) - 1))
    }

    fn listed(&self, reader: &Reader, conv: ConvId) -> Option<Conversation> {
        let position = self.position(reader, conv)?;
        let read_seq = self.read_seq(reader.uid, conv)?;
        let conversation = &self.conversations[&conv];
        let last = conversation.seen_by(reader.uid).next_back().cloned();
        let last_msg_id = match conversation.is_member(reader.uid) {
            true => conversation.last_msg_id,
            false => last.as_ref().map_or(0, |last| last.msg_id),
        };
        let unread = conversation.seen_by(reader.uid).filter(|entry| {
            entry.seq > read_seq.max(position.head - UNREAD_SEQS_MAX)
                && entry.author != reader.uid
                && matches!(entry.content, Content::Text(_))
        });
        Some(Conversation {
            position,
            place: Place { last_msg_id, conv },
            first_seq: conversation.first(reader.uid),
            read_seq,
            unread: i64::try_from(unread.count()).unwrap().min(UNREAD_MAX),
            last,
        })
    }

    /// What the user's devices have. One that began at a head has nothing until it gets something.
    fn delivered(&self, uid: i64, conv: ConvId) -> i64 {
        let own = self.cursors.iter().filter(|((reader, of), _)| reader.uid == uid && *of == conv);
        let got = own.filter(|(key, (seq, _))| self.opened.get(*key).is_none_or(|at| seq > at));
        let furthest = got.map(|(_, (seq, _))| *seq).max();
        furthest.unwrap_or_else(|| self.conversations[&conv].before_first(uid))
    }

    pub(super) fn progress(&self, before: &Self, uid: i64, conv: ConvId) -> Option<Progress> {
        let (after_seq, seq) = (before.delivered(uid, conv), self.delivered(uid, conv));
        let told = after_seq < seq && after_seq < self.conversations[&conv].receipt_seq;
        told.then_some(Progress { uid, conv, after_seq, seq })
    }

    fn receipt(&self, uid: i64, conv: ConvId, from_seq: i64) -> Receipt {
        let cursors = self.cursors.iter();
        let own = cursors.filter(|((reader, of), _)| reader.uid == uid && *of == conv);
        let got = own.filter(|(key, (seq, _))| self.opened.get(*key).is_none_or(|at| seq > at));
        let cursor = got.map(|(_, (seq, _))| *seq).max().unwrap_or(0);
        let read_seq = self.read.get(&(uid, conv)).copied().unwrap_or(0).max(from_seq - 1);
        Receipt { uid, from_seq, read_seq, delivered_seq: cursor.max(read_seq) }
    }
}

impl ReadState for Model {
    async fn mark_read(&self, uid: i64, conv: ConvId, seq: i64) -> Result<Marked, MarkReadError> {
        let mut state = self.state();
        let Some(read) = state.read_seq(uid, conv) else {
            return Err(MarkReadError::NotSeen);
        };
        if state.conversations[&conv].head(uid) < Some(seq) {
            return Err(MarkReadError::BeyondHead);
        }
        if seq < read {
            return Err(MarkReadError::AlreadyRead);
        }
        if seq > read {
            state.read.insert((uid, conv), seq);
        }
        let told = seq > read && read < state.conversations[&conv].receipt_seq;
        let progress = told.then_some(Progress { uid, conv, after_seq: read, seq });
        Ok(Marked { moved: seq > read, progress })
    }

    async fn conversations(
        &self,
        reader: &Reader,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, bool), StoreError> {
        let key = |place: &Place| (place.last_msg_id, place.conv.to_string());
        let state = self.state();
        let mut all: Vec<Conversation> =
            state.order.iter().filter_map(|conv| state.listed(reader, *conv)).collect();
        all.sort_by_key(|listed| std::cmp::Reverse(key(&listed.place)));
        all.retain(|listed| after.as_ref().is_none_or(|after| key(&listed.place) < key(after)));
        let more = all.len() > limit;
        all.truncate(limit);
        Ok((all, more))
    }

    async fn receipts(
        &self,
        uid: i64,
        conv: ConvId,
        after_uid: i64,
        limit: usize,
    ) -> Result<Option<(Vec<Receipt>, bool)>, StoreError> {
        let state = self.state();
        let conversation = state.conversations.get(&conv);
        let Some(conversation) = conversation.filter(|found| found.is_member(uid)) else {
            return Ok(None);
        };
        let open = conversation.spans.iter().filter(|span| span.to.is_none());
        let mut others: Vec<(i64, i64)> = open
            .filter(|span| span.uid != uid && span.uid > after_uid)
            .map(|span| (span.uid, span.from))
            .collect();
        others.sort_unstable();
        let more = others.len() > limit;
        let page = others.into_iter().take(limit);
        Ok(Some((page.map(|(of, from)| state.receipt(of, conv, from)).collect(), more)))
    }
}
