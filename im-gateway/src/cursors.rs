//! Cursors on their way to im-message: gathered, so that a session writes at most once per interval
//! however much it is shown.
//!
//! im-message takes the maximum, so handing a move over twice is harmless and losing one costs no
//! more than showing a message again.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use mpim_proto::CursorMove;

use crate::delivery::ConvId;
use crate::window::Step;

/// The last move of one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    seq: i64,
    msg_id: i64,
}

/// See the module. Memory: one record for each conversation that has moved and not been written.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    waiting: HashMap<ConvId, Move, RandomState>,
    /// Part of the call that is under way.
    handed_over: HashMap<ConvId, Move, RandomState>,
}

/// One batch for `AdvanceCursors`, with the id of each conversation's last message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moves {
    pub(crate) moves: Vec<CursorMove>,
    pub(crate) msg_ids: Vec<i64>,
}

impl Cursors {
    /// The device has everything up to this.
    pub(crate) fn delivered(&mut self, step: Step) {
        let to = Move { seq: step.seq, msg_id: step.msg_id };
        let moved = self.waiting.entry(step.conv_id).or_insert(to);
        if moved.seq < to.seq {
            *moved = to;
        }
    }

    /// Whether there is something to write and no call under way.
    pub(crate) fn is_due(&self) -> bool {
        !self.waiting.is_empty() && self.handed_over.is_empty()
    }

    /// The next batch, for a call that ends with [`written`](Self::written) or
    /// [`failed`](Self::failed).
    pub(crate) fn hand_over(&mut self) -> Moves {
        self.handed_over = std::mem::take(&mut self.waiting);
        Self::batch(&self.handed_over)
    }

    /// im-message has the last batch.
    pub(crate) fn written(&mut self) {
        self.handed_over = HashMap::default();
    }

    /// The last batch may not have been written: it joins the next.
    pub(crate) fn failed(&mut self) {
        for (conv_id, Move { seq, msg_id }) in std::mem::take(&mut self.handed_over) {
            self.delivered(Step { conv_id, seq, msg_id });
        }
    }

    /// Everything that im-message is not known to have, a call under way included.
    pub(crate) fn into_rest(mut self) -> Moves {
        self.failed();
        Self::batch(&self.waiting)
    }

    /// Whether nothing of this conversation is unwritten.
    pub(crate) fn has_written(&self, conv_id: &ConvId) -> bool {
        !self.waiting.contains_key(conv_id) && !self.handed_over.contains_key(conv_id)
    }

    fn batch(moved: &HashMap<ConvId, Move, RandomState>) -> Moves {
        let moves = moved.iter().map(|(conv_id, Move { seq, .. })| CursorMove {
            conv_id: conv_id.to_string(),
            seq: *seq,
        });
        Moves { moves: moves.collect(), msg_ids: moved.values().map(|to| to.msg_id).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(conv_id: &str, seq: i64) -> Step {
        Step { conv_id: conv_id.into(), seq, msg_id: 100 + seq }
    }

    fn moves(batch: &Moves) -> Vec<(&str, i64)> {
        let mut moves: Vec<_> = batch.moves.iter().map(|m| (m.conv_id.as_str(), m.seq)).collect();
        moves.sort_unstable();
        moves
    }

    #[test]
    fn many_moves_of_a_conversation_become_one() {
        let mut cursors = Cursors::default();
        assert!(!cursors.is_due());
        for move_ in [step("a", 1), step("b", 4), step("a", 3), step("a", 2)] {
            cursors.delivered(move_);
        }
        assert!(cursors.is_due());
        assert_eq!(moves(&cursors.hand_over()), [("a", 3), ("b", 4)]);
    }

    #[test]
    fn one_call_at_a_time_and_a_failed_one_joins_the_next() {
        let mut cursors = Cursors::default();
        cursors.delivered(step("a", 1));
        cursors.delivered(step("b", 1));
        cursors.hand_over();
        cursors.delivered(step("a", 2));
        assert!(!cursors.is_due());
        assert!(!cursors.has_written(&"b".into()));
        cursors.failed();
        assert!(cursors.is_due());
        assert_eq!(moves(&cursors.hand_over()), [("a", 2), ("b", 1)]);
        cursors.written();
        assert!(!cursors.is_due());
        assert!(cursors.has_written(&"b".into()));
    }

    #[test]
    fn the_last_batch_has_what_a_call_under_way_may_fail_to_write() {
        let mut cursors = Cursors::default();
        cursors.delivered(step("a", 1));
        cursors.hand_over();
        cursors.delivered(step("b", 1));
        assert_eq!(moves(&cursors.into_rest()), [("a", 1), ("b", 1)]);
    }
}
