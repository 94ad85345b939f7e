//! Receipts (QoS 2): telling who wrote to a conversation how far others have come in it.
//!
//! They are positions, told as events: whoever moves a position waits for none of it, and what finds no
//! room is dropped. The next position makes up for one that was dropped, and `GetReceipts` for the last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use im_common::{StoreError, in_one_line};
use mpim_proto::event::Content;
use mpim_proto::{Event, EventDelivery, ReceiptEvent};
use tokio::sync::mpsc;

use crate::conversation::ConvId;
use crate::entry;
use crate::metrics::EventMetrics;
use crate::store::{Progress, Timeline};

/// Positions that are looked into together.
const BATCH_MAX: usize = 256;
/// Entries, the newest of those that somebody came past, whose authors are told.
const ENTRIES_MAX: i64 = 100;

/// What somebody has come past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// One of their devices has it.
    ToHave(Progress),
    ToRead(Progress),
}

/// Takes what is to be told.
#[derive(Debug)]
pub(crate) struct Receipts {
    queue: mpsc::Sender<Came>,
    metrics: EventMetrics,
}

impl Receipts {
    /// For at most `waiting_max` positions. What tells them puts events into `events`, and is to be run.
    pub(crate) fn prepare<T: Timeline>(
        waiting_max: usize,
        store: &Arc<T>,
        events: mpsc::Sender<EventDelivery>,
    ) -> (Self, ReceiptTeller<T>) {
        let (queue, waiting) = mpsc::channel(waiting_max);
        let metrics = EventMetrics::new();
        let teller =
            ReceiptTeller { store: Arc::clone(store), events, metrics: metrics.clone(), waiting };
        (Self { queue, metrics }, teller)
    }

    /// Tells what there is room for. Does not wait.
    pub(crate) fn tell(&self, all: impl IntoIterator<Item = Came>) {
        for came in all {
            if self.queue.try_send(came).is_err() {
                self.metrics.dropped_receipts.increment(1);
            }
        }
    }
}

/// Finds out who is to be told.
pub(crate) struct ReceiptTeller<T> {
    store: Arc<T>,
    events: mpsc::Sender<EventDelivery>,
    metrics: EventMetrics,
    waiting: mpsc::Receiver<Came>,
}

/// How far somebody has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The lowest that they came from.
    after_seq: i64,
    delivered_seq: i64,
    read_seq: i64,
}

impl<T: Timeline> ReceiptTeller<T> {
    /// Until the [`Receipts`] are dropped.
    pub(crate) async fn run(mut self) {
        let mut gathered = Vec::new();
        while self.waiting.recv_many(&mut gathered, BATCH_MAX).await > 0 {
            for ((uid, conv), position) in together(gathered.drain(..)) {
                match self.authors(uid, conv, position).await {
                    Ok(authors) if authors.is_empty() => {}
                    Ok(authors) => self.send(uid, conv, position, authors),
                    Err(error) => {
                        tracing::debug!(error = in_one_line(&error), "a receipt was dropped");
                        self.metrics.dropped_receipts.increment(1);
                    }
                }
            }
        }
    }

    /// Who wrote what the user came past, but for the user, in a pair whom they shut out, and in a group
    /// who is not there any more.
    async fn authors(
        &self,
        uid: i64,
        conv: ConvId,
        Position { after_seq, delivered_seq, read_seq }: Position,
    ) -> Result<Vec<i64>, StoreError> {
        let last = delivered_seq.max(read_seq);
        let first = last.saturating_sub(ENTRIES_MAX - 1).max(after_seq.saturating_add(1));
        let most = usize::try_from(ENTRIES_MAX).unwrap_or(usize::MAX);
        let entries = self.store.entries(conv, (first, last), most).await?;
        let of_others = entries.into_iter().filter(|entry| {
            entry.author != uid && matches!(entry.content, entry::Content::Text(_))
        });
        let mut authors: BTreeSet<i64> = of_others.map(|entry| entry.author).collect();
        if authors.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(other) = conv.other_of_pair(uid) {
            if self.store.blocked(uid, other - 1, 1).await?.0 == [other] {
                authors.remove(&other);
            }
        } else {
            let asked = authors.iter().copied().collect();
            let present = self.store.members_among(conv, asked).await?;
            authors.retain(|author| present.contains(author));
        }
        Ok(authors.into_iter().collect())
    }

    fn send(&self, user_id: i64, conv: ConvId, position: Position, recipients: Vec<i64>) {
        let group_id = if let ConvId::Group(group_id) = conv { group_id } else { 0 };
        let Position { delivered_seq, read_seq, .. } = position;
        let receipt = ReceiptEvent { user_id, group_id, delivered_seq, read_seq };
        let event = Some(Event { content: Some(Content::Receipt(receipt)) });
        if self.events.try_send(EventDelivery { event, recipients }).is_err() {
            self.metrics.dropped_queue.increment(1);
        }
    }
}

/// What was gathered, once for each user and conversation.
fn together(all: impl Iterator<Item = Came>) -> BTreeMap<(i64, ConvId), Position> {
    let mut positions: BTreeMap<(i64, ConvId), Position> = BTreeMap::new();
    for came in all {
        let (Came::ToHave(progress) | Came::ToRead(progress)) = came;
        let Progress { uid, conv, after_seq, seq } = progress;
        let first = Position { after_seq, ..Position::default() };
        let position = positions.entry((uid, conv)).or_insert(first);
        position.after_seq = position.after_seq.min(after_seq);
        match came {
            Came::ToHave(_) => position.delivered_seq = position.delivered_seq.max(seq),
            Came::ToRead(_) => position.read_seq = position.read_seq.max(seq),
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gathered_about_one_user_is_told_once() {
        let (pair, group) = (ConvId::pair(1, 2), ConvId::Group(7));
        let progress = |conv, after_seq, seq| Progress { uid: 2, conv, after_seq, seq };
        let all = [
            Came::ToHave(progress(pair, 3, 5)),
            Came::ToRead(progress(pair, 1, 4)),
            Came::ToHave(progress(group, 8, 9)),
            Came::ToHave(progress(pair, 5, 6)),
        ];
        let position =
            |after_seq, delivered_seq, read_seq| Position { after_seq, delivered_seq, read_seq };
        let expected = [((2, pair), position(1, 6, 4)), ((2, group), position(8, 9, 0))];
        assert_eq!(together(all.into_iter()), BTreeMap::from(expected));
    }
}
