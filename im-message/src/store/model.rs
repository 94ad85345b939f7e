//! The contract of [`Timeline`] as plain maps behind one mutex: what an adapter is compared
//! with, and what tests of the layers above run on.
//!
//! It shares no code with the adapters; it is meant to be obviously right, not fast.

mod blocks;
mod conversation;
mod dead_letters;
mod devices;
mod members;
mod read_state;
mod retention;
mod shared;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use im_common::StoreError;
use tokio::sync::Semaphore;

use self::conversation::{Conversation, Span};
use super::{
    AppendError, Appended, BETWEEN_MAX, DeadLetter, Earlier, Position, Progress, Range, RangeLimit,
    Reader, SharedRange, Timeline,
};
use crate::conversation::ConvId;
use crate::entry::{Content, DedupKey, Entry, NewEntry};

#[derive(Default, Clone)]
struct State {
    msg_id_next: i64,
    /// In the order in which they began.
    order: Vec<ConvId>,
    conversations: HashMap<ConvId, Conversation>,
    cursors: HashMap<(Reader, ConvId), (i64, i64)>,
    /// Where devices were put when they began.
    opened: HashMap<(Reader, ConvId), i64>,
    /// By device: its generation, and whether it was forgotten.
    devices: HashMap<Reader, (i64, bool)>,
    read: HashMap<(i64, ConvId), i64>,
    batch_lengths: Vec<usize>,
    /// Who shuts out whom.
    blocks: BTreeSet<(i64, i64)>,
    letters: Vec<DeadLetter>,
    last_letter: i64,
}

pub(crate) struct Model {
    state: Mutex<State>,
    /// One permit lets one append through; many at first.
    gate: Semaphore,
    broken: AtomicBool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            broken: AtomicBool::new(false),
        }
    }

    /// A model that lets an append through for each [`Model::allow_append`].
    pub(crate) fn gated() -> Self {
        Self { gate: Semaphore::new(0), ..Self::new() }
    }

    pub(crate) fn allow_append(&self) {
        self.gate.add_permits(1);
    }

    /// Makes every append fail, or work again.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Another model with the same timelines and cursors.
    pub(crate) fn fork(&self) -> Self {
        Self { state: Mutex::new(self.state().clone()), ..Self::new() }
    }

    /// How many entries each append had.
    pub(crate) fn batch_lengths(&self) -> Vec<usize> {
        self.state().batch_lengths.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn write(&mut self, new: &NewEntry, now_ms: i64) -> Result<Appended, AppendError> {
        if new.conv.excludes(new.author) {
            return Err(AppendError::NotMember);
        }
        let is_pair = new.conv.pair_members().is_some();
        if !self.conversations.contains_key(&new.conv) {
            let is_first = is_pair || new.content == Content::Joined;
            if !is_first {
                return Err(AppendError::NoSuchConversation);
            }
            self.order.push(new.conv);
        }
        let conversation = self.conversations.entry(new.conv).or_default();
        let same_key =
            |(key, entry): &&(DedupKey, Entry)| *key == new.key && entry.author == new.author;
        if let Some((_, earlier)) = conversation.entries.iter().find(same_key) {
            if earlier.content != new.content {
                return Err(AppendError::Conflict);
            }
            let Entry { seq, msg_id, ts_ms, .. } = *earlier;
            return Ok(Appended { seq, msg_id, ts_ms, new: false });
        }
        let used_up = (new.key.clone(), new.author);
        if let Some((refusal, _)) = conversation.refused.get(&used_up) {
            return Err(refusal.clone());
        }
        let shut_out = new.conv.other_of_pair(new.author);
        let shut_out = shut_out.is_some_and(|other| self.blocks.contains(&(other, new.author)));
        let refusal = match (&new.content, is_pair || conversation.is_member(new.author)) {
            (Content::Joined, true) => Some(AppendError::AlreadyMember),
            (Content::Text(_) | Content::Left, false) => Some(AppendError::NotMember),
            _ => shut_out.then_some(AppendError::Blocked),
        };
        if let Some(refusal) = refusal {
            if new.repeatable {
                conversation.refused.insert(used_up, (refusal.clone(), now_ms));
            }
            return Err(refusal);
        }
        conversation.max_seq += 1;
        let seq = conversation.max_seq;
        let msg_id = self.msg_id_next.max(now_ms << 22).max(1);
        self.msg_id_next = msg_id + 1;
        conversation.last_msg_id = msg_id;
        if new.receipts {
            conversation.receipt_seq = seq;
        }
        let author = new.author;
        let (content, device) = (new.content.clone(), new.device.clone());
        let entry = Entry { seq, msg_id, author, ts_ms: now_ms, content, device };
        conversation.entries.push((new.key.clone(), entry));
        match (&new.content, new.conv.pair_members()) {
            (Content::Joined, _) => {
                conversation.spans.push(Span { uid: author, from: seq, to: None });
            }
            (Content::Left, _) => {
                let mut spans = conversation.spans.iter_mut();
                let open = spans.find(|span| span.uid == author && span.to.is_none());
                open.unwrap().to = Some(seq);
            }
            (Content::Text(_), Some(pair)) if seq == 1 => conversation
                .spans
                .extend(pair.into_iter().map(|uid| Span { uid, from: 1, to: None })),
            (Content::Text(_), _) => {}
        }
        Ok(Appended { seq, msg_id, ts_ms: now_ms, new: true })
    }

    fn position(&self, reader: &Reader, conv: ConvId) -> Option<Position> {
        let conversation = self.conversations.get(&conv)?;
        let head = conversation.head(reader.uid)?;
        let stored = self.cursors.get(&(reader.clone(), conv));
        let gone = conversation.first(reader.uid) - 1;
        let cursor = stored.map_or(gone, |(seq, _)| gone.max(*seq));
        Some(Position { conv, cursor, head })
    }

    fn cursor_mut(&mut self, reader: &Reader, position: Position) -> &mut (i64, i64) {
        let key = (reader.clone(), position.conv);
        // What is gone was not delivered.
        let unread = self.conversations[&position.conv].before_first(reader.uid);
        self.cursors.entry(key).or_insert((unread, 0))
    }
}

impl Timeline for Model {
    async fn append(
        &self,
        batch: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> Vec<Result<Appended, AppendError>> {
        self.gate.acquire().await.unwrap().forget();
        if self.broken.load(Ordering::SeqCst) {
            let failure = StoreError::new("append", "broken");
            return batch.iter().map(|_| Err(failure.clone().into())).collect();
        }
        let mut state = self.state();
        state.batch_lengths.push(batch.len());
        batch.iter().map(|new| state.write(new, now_ms)).collect()
    }

    async fn behind(
        &self,
        reader: &Reader,
        after: Option<ConvId>,
        limit: usize,
    ) -> Result<Option<(Vec<Position>, bool)>, StoreError> {
        let state = self.state();
        let passed = match after {
            None => Some(0),
            Some(after) => state.order.iter().position(|conv| *conv == after).map(|at| at + 1),
        };
        let Some(passed) = passed else {
            return Ok(None);
        };
        let rest = state.order.iter().skip(passed);
        let mut found: Vec<Position> = rest
            .filter_map(|conv| state.position(reader, *conv))
            .filter(|position| position.cursor < position.head)
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(Some((found, more)))
    }

    async fn positions(
        &self,
        reader: &Reader,
        convs: Vec<ConvId>,
    ) -> Result<Vec<Position>, StoreError> {
        let state = self.state();
        Ok(convs.into_iter().filter_map(|conv| state.position(reader, conv)).collect())
    }

    async fn range(
        &self,
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Range>, StoreError> {
        let state = self.state();
        let Some(conversation) = state.conversations.get(&conv) else {
            return Ok(None);
        };
        let Some(head) = conversation.head(uid) else {
            return Ok(None);
        };
        let seen = conversation.entries.iter().map(|(_, entry)| entry);
        let mut rest = seen
            .filter(|entry| entry.seq > after_seq && conversation.sees(uid, entry.seq))
            .cloned()
            .peekable();
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = rest.peek() {
            bytes += if let Content::Text(text) = &next.content { text.len() } else { 0 };
            let full = entries.len() == limit.entries_max || bytes > limit.bytes_max;
            if full && !entries.is_empty() {
                break;
            }
            entries.extend(rest.next());
        }
        let complete_to = match (rest.peek(), entries.last()) {
            (Some(_), Some(last)) => last.seq,
            _ => head.max(after_seq),
        };
        Ok(Some(Range { entries, complete_to, head, first_seq: conversation.first(uid) }))
    }

    async fn range_for_many(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<SharedRange, StoreError> {
        self.shared_range(uids, conv, after_seq, limit).await
    }

    async fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Earlier>, StoreError> {
        Ok(self.state().range_before(uid, conv, before_seq, limit))
    }

    async fn exists(&self, conv: ConvId) -> Result<bool, StoreError> {
        let state = self.state();
        Ok(state.conversations.get(&conv).is_some_and(|found| found.max_seq > 0))
    }

    async fn locate(&self, msg_ids: Vec<i64>) -> Result<Vec<(ConvId, i64)>, StoreError> {
        let state = self.state();
        let find = |msg_id: i64| {
            state.conversations.iter().find_map(|(conv, conversation)| {
                let mut entries = conversation.entries.iter().map(|(_, entry)| entry);
                let found = entries.find(|entry| entry.msg_id == msg_id)?;
                Some((*conv, found.seq))
            })
        };
        Ok(msg_ids.into_iter().filter_map(find).collect())
    }

    async fn advance_for_many(
        &self,
        moves: Vec<(Reader, ConvId, i64)>,
    ) -> Result<Vec<Progress>, StoreError> {
        let mut state = self.state();
        let before = state.clone();
        let mut moved = BTreeSet::new();
        for (reader, conv, seq) in moves {
            let Some(position) = state.position(&reader, conv) else {
                continue;
            };
            let cursor = state.cursor_mut(&reader, position);
            cursor.0 = cursor.0.max(seq.min(position.head));
            moved.insert((reader.uid, conv));
        }
        let progress = |(uid, conv)| state.progress(&before, uid, conv);
        Ok(moved.into_iter().filter_map(progress).collect())
    }

    async fn mark_given(
        &self,
        reader: &Reader,
        given: Vec<(ConvId, i64)>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        for (conv, seq) in given {
            let Some(position) = state.position(reader, conv) else {
                continue;
            };
            let cursor = state.cursor_mut(reader, position);
            cursor.1 = cursor.1.max(seq.min(position.head));
        }
        Ok(())
    }

    async fn mark_given_next(&self, given: Vec<(Reader, ConvId, i64)>) -> Result<(), StoreError> {
        let mut state = self.state();
        for (reader, conv, seq) in given {
            let Some(position) = state.position(&reader, conv) else {
                continue;
            };
            let (_, given) = *state.cursor_mut(&reader, position);
            let at = position.cursor.max(given);
            let between = state.conversations[&conv].entries.iter().any(|(_, entry)| {
                at < entry.seq
                    && entry.seq < seq
                    && entry.author != reader.uid
                    && matches!(entry.content, Content::Text(_))
            });
            if at < seq && !between && seq - at <= BETWEEN_MAX {
                state.cursor_mut(&reader, position).1 = seq.min(position.head);
            }
        }
        Ok(())
    }

    async fn confirm_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let mut state = self.state();
        let own = state.cursors.iter_mut().filter(|((of, _), _)| of == reader);
        own.for_each(|(_, cursor)| cursor.0 = cursor.0.max(cursor.1));
        Ok(())
    }

    async fn withdraw_given(&self, reader: &Reader) -> Result<(), StoreError> {
        let mut state = self.state();
        let own = state.cursors.iter_mut().filter(|((of, _), _)| of == reader);
        own.for_each(|(_, cursor)| cursor.1 = 0);
        Ok(())
    }
}
