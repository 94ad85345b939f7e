//! What a batch changes, decided in memory while its conversations are locked.
//!
//! The order of checks is that of messaging.md, "Send", step 3b.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::conversation::ConvId;
use crate::entry::{Content, NewEntry};
use crate::store::{AppendError, Appended, PairBlocks, refused};

/// A conversation as its lock found it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Locked {
    pub(super) id: i64,
    /// 0: it was made by this transaction, and goes again unless something is written to it; or it is
    /// a pair of whom one shut the other out before either wrote, now or once.
    pub(super) max_seq: i64,
    pub(super) last_msg_id: i64,
    pub(super) blocks: PairBlocks,
}

/// The short id of a conversation, an author, and a key.
pub(super) type EarlierKey = (i64, i64, Vec<u8>);

/// What was read under the locks.
#[derive(Debug, Clone, Default)]
pub(super) struct Loaded {
    pub(super) conversations: HashMap<ConvId, Locked, RandomState>,
    /// Entries with keys of the batch, and keys that a refusal has used up.
    pub(super) earlier: HashMap<EarlierKey, Result<(Content, Appended), AppendError>, RandomState>,
    /// Present members, by short id of the group, among the batch's authors.
    pub(super) members: HashSet<(i64, i64), RandomState>,
}

/// An entry to insert: where in the batch it is, its conversation's short id, its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRow {
    pub(super) index: usize,
    pub(super) conv: i64,
    pub(super) appended: Appended,
}

/// A key that a refusal uses up: where its entry is in the batch, its conversation's short id, the msg_id
/// of its row, and the refusal's kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsedUp {
    pub(super) index: usize,
    pub(super) conv: i64,
    pub(super) msg_id: i64,
    pub(super) kind: i64,
}

/// What is to be written, and what is to be answered after the commit.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) answers: Vec<Result<Appended, AppendError>>,
    pub(super) rows: Vec<NewRow>,
    /// Keys that a refusal uses up.
    pub(super) used_up: Vec<UsedUp>,
    /// (uid, conv, from_seq)
    pub(super) spans_begun: Vec<(i64, i64, i64)>,
    /// (to_seq, uid, conv)
    pub(super) spans_ended: Vec<(i64, i64, i64)>,
    /// Conversations with something new, as they are then, with the first seq that is new.
    pub(super) advanced: Vec<(ConvId, Locked, i64)>,
    /// Conversations to which something was written with receipts, with the last seq of that.
    pub(super) receipts: BTreeMap<ConvId, i64>,
    /// Conversations that were made for nothing.
    pub(super) unused: Vec<ConvId>,
}

/// Decides about each entry in turn. `msg_ids` are as many as there are entries.
pub(super) fn plan(
    batch: &[NewEntry],
    mut loaded: Loaded,
    msg_ids: Range<i64>,
    now_ms: i64,
) -> Plan {
    let mut planning = Planning { plan: Plan::default(), msg_ids, now_ms };
    let before: Vec<(ConvId, Locked)> =
        loaded.conversations.iter().map(|(conv, locked)| (*conv, *locked)).collect();
    for (index, entry) in batch.iter().enumerate() {
        let answer = planning.entry(index, entry, &mut loaded);
        planning.plan.answers.push(answer);
    }
    let mut plan = planning.plan;
    for (conv, was) in before {
        match loaded.conversations.get(&conv) {
            Some(is) if is.max_seq > was.max_seq => {
                plan.advanced.push((conv, *is, was.max_seq + 1));
            }
            Some(Locked { max_seq: 0, .. }) => plan.unused.push(conv),
            _ => {}
        }
    }
    // Maps have no order, and rows are written in the order in which they were locked.
    plan.advanced.sort_unstable_by_key(|(conv, _, _)| conv.to_string());
    plan.unused.sort_unstable_by_key(ConvId::to_string);
    plan
}

/// Whether an entry can be the first of its conversation.
pub(super) fn may_begin(entry: &NewEntry) -> bool {
    entry.conv.pair_members().is_some() || entry.content == Content::Joined
}

struct Planning {
    plan: Plan,
    msg_ids: Range<i64>,
    now_ms: i64,
}

impl Planning {
    fn entry(
        &mut self,
        index: usize,
        entry: &NewEntry,
        loaded: &mut Loaded,
    ) -> Result<Appended, AppendError> {
        if entry.conv.excludes(entry.author) {
            return Err(AppendError::NotMember);
        }
        let is_pair = entry.conv.pair_members().is_some();
        let conversation = loaded.conversations.get_mut(&entry.conv);
        let there = conversation.filter(|found| found.max_seq > 0 || may_begin(entry));
        let Some(conversation) = there else {
            return Err(AppendError::NoSuchConversation);
        };
        let key = (conversation.id, entry.author, entry.key.as_bytes().to_vec());
        // Before membership: somebody who left still gets the answer to what they had sent.
        match loaded.earlier.get(&key) {
            None => {}
            Some(Ok((content, appended))) => {
                let same = *content == entry.content;
                return same.then_some(*appended).ok_or(AppendError::Conflict);
            }
            Some(Err(refusal)) => return Err(refusal.clone()),
        }
        let member = is_pair || loaded.members.contains(&(conversation.id, entry.author));
        let shut_out = conversation.blocks.shuts_out(entry.conv, entry.author);
        let refusal = match (&entry.content, member) {
            (Content::Joined, true) => Some(AppendError::AlreadyMember),
            (Content::Text(_) | Content::Left, false) => Some(AppendError::NotMember),
            _ => shut_out.then_some(AppendError::Blocked),
        };
        if let Some(refusal) = refusal {
            if let Some(kind) = refused::kind_of(&refusal).filter(|_| entry.repeatable) {
                let (conv, msg_id) = (conversation.id, self.msg_id());
                self.plan.used_up.push(UsedUp { index, conv, msg_id, kind });
                loaded.earlier.insert(key, Err(refusal.clone()));
            }
            return Err(refusal);
        }
        let msg_id = self.msg_id();
        conversation.max_seq += 1;
        conversation.last_msg_id = msg_id;
        let conversation = *conversation;
        let seq = conversation.max_seq;
        let appended = Appended { seq, msg_id, ts_ms: self.now_ms, new: true };
        self.plan.rows.push(NewRow { index, conv: conversation.id, appended });
        if entry.receipts {
            self.plan.receipts.insert(entry.conv, seq);
        }
        let repeated = (entry.content.clone(), Appended { new: false, ..appended });
        loaded.earlier.insert(key, Ok(repeated));
        self.change_spans(entry, conversation, loaded);
        Ok(appended)
    }

    fn msg_id(&mut self) -> i64 {
        self.msg_ids.next().unwrap_or(self.msg_ids.end)
    }

    fn change_spans(&mut self, entry: &NewEntry, conversation: Locked, loaded: &mut Loaded) {
        let Locked { id, max_seq: seq, .. } = conversation;
        match (&entry.content, entry.conv.pair_members()) {
            (Content::Joined, _) => {
                loaded.members.insert((id, entry.author));
                self.plan.spans_begun.push((entry.author, id, seq));
            }
            (Content::Left, _) => {
                loaded.members.remove(&(id, entry.author));
                self.plan.spans_ended.push((seq, entry.author, id));
            }
            (Content::Text(_), Some(pair)) if seq == 1 => {
                self.plan.spans_begun.extend(pair.into_iter().map(|uid| (uid, id, seq)));
            }
            (Content::Text(_), _) => {}
        }
    }
}
