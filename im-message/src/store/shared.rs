//! What several users see of the same piece of a timeline, read once for all of them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::entry::Entry;

/// Answer of [`Timeline::range_for_many`](super::Timeline::range_for_many).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedRange {
    /// What any of the users sees, in order of seq, within the limits.
    pub(crate) entries: Vec<Entry>,
    /// For each user, in the order in which they were asked about; `None` for one who never saw
    /// anything of the conversation.
    pub(crate) sights: Vec<Option<Sight>>,
}

/// Which of the entries are for one of the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The first and the last seq of each of their spans that goes on after where they stood, in
    /// order. That of a present member ends at the head.
    pub(crate) spans: Vec<(i64, i64)>,
    /// Up to here nothing is missing that the user sees; never below where they stood.
    pub(crate) complete_to: i64,
    /// The user's head.
    pub(crate) head: i64,
}

/// Each of them once, in order.
pub(super) fn distinct(uids: &[i64]) -> Vec<i64> {
    let mut distinct = uids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// The spans of several users in one conversation.
#[derive(Debug)]
pub(super) struct Spans {
    max_seq: i64,
    of_users: HashMap<i64, Vec<(i64, i64)>, RandomState>,
}

impl Spans {
    /// Of a conversation that goes up to `max_seq`.
    pub(super) fn new(max_seq: i64) -> Self {
        Self { max_seq, of_users: HashMap::default() }
    }

    /// Adds one; those of one user come in their order.
    pub(super) fn add(&mut self, uid: i64, from_seq: i64, to_seq: Option<i64>) {
        let span = (from_seq, to_seq.unwrap_or(self.max_seq));
        self.of_users.entry(uid).or_default().push(span);
    }

    /// What any of the users sees after `after_seq`: pieces in order, none of which overlap.
    pub(super) fn pieces(&self, after_seq: i64) -> Vec<(i64, i64)> {
        let first = after_seq.saturating_add(1);
        let rest = self.of_users.values().flatten().filter(|(_, to)| *to >= first);
        let mut spans: Vec<(i64, i64)> = rest.map(|(from, to)| (*from.max(&first), *to)).collect();
        spans.sort_unstable();
        let mut pieces: Vec<(i64, i64)> = Vec::new();
        for (from, to) in spans {
            match pieces.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => pieces.push((from, to)),
            }
        }
        pieces
    }

    /// What each of `uids` sees, if what was read of the pieces ends at `cut`, or goes to their end.
    pub(super) fn sights(
        &self,
        uids: &[i64],
        after_seq: i64,
        cut: Option<i64>,
    ) -> Vec<Option<Sight>> {
        let sight = |uid| {
            let all: &Vec<(i64, i64)> = self.of_users.get(uid)?;
            let head = all.iter().map(|(_, to)| *to).max()?;
            let spans = all.iter().filter(|(_, to)| *to > after_seq).copied().collect();
            // A user whose head is below the cut has everything there is for them.
            let complete_to = cut.map_or(head, |cut| cut.min(head)).max(after_seq);
            Some(Sight { spans, complete_to, head })
        };
        uids.iter().map(sight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_of_them_sees_is_read_once() {
        let mut spans = Spans::new(30);
        for (uid, from, to) in
            [(1, 1, None), (2, 3, Some(8)), (2, 12, Some(14)), (3, 9, Some(9)), (4, 20, Some(22))]
        {
            spans.add(uid, from, to);
        }
        assert_eq!(spans.pieces(4), [(5, 30)]);
        spans.of_users.remove(&1);
        assert_eq!(spans.pieces(4), [(5, 9), (12, 14), (20, 22)]);
        assert_eq!(spans.pieces(13), [(14, 14), (20, 22)]);
        assert_eq!(spans.pieces(i64::MAX), []);
    }

    #[test]
    fn a_cut_ends_what_is_complete_only_for_those_who_see_beyond_it() {
        let mut spans = Spans::new(30);
        spans.add(1, 1, None);
        spans.add(2, 3, Some(8));
        let sights = spans.sights(&[2, 1, 5], 4, Some(10));
        let sight = |span, complete_to, head| Some(Sight { spans: vec![span], complete_to, head });
        assert_eq!(sights, [sight((3, 8), 8, 8), sight((1, 30), 10, 30), None]);
        let sights = spans.sights(&[1], 29, None);
        assert_eq!(sights, [sight((1, 30), 30, 30)]);
        let beyond = spans.sights(&[2], 40, None);
        assert_eq!(beyond, [Some(Sight { spans: vec![], complete_to: 40, head: 8 })]);
    }
}
