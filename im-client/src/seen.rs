//! The message ids that were shown.

use std::collections::{HashSet, VecDeque};

/// Remembers the last so many ids. After a reconnect only the window of messages that were on their
/// way comes again, so that many are enough.
#[derive(Debug)]
pub(crate) struct Seen {
    ids: HashSet<i64>,
    oldest_first: VecDeque<i64>,
    max: usize,
}

impl Seen {
    pub(crate) fn new(max: usize) -> Self {
        Self { ids: HashSet::new(), oldest_first: VecDeque::new(), max }
    }

    /// Whether this is the first time; from then on it is not. A message without an id, as some systems
    /// push them, is always new: nobody could know it again.
    pub(crate) fn is_new(&mut self, msg_id: i64) -> bool {
        if msg_id == 0 {
            return true;
        }
        if !self.ids.insert(msg_id) {
            return false;
        }
        self.oldest_first.push_back(msg_id);
        if self.oldest_first.len() > self.max
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    /// Another user may be shown the same messages.
    pub(crate) fn forget(&mut self) {
        self.ids.clear();
        self.oldest_first.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_until_as_many_others_came() {
        let mut seen = Seen::new(2);
        assert!(seen.is_new(1));
        assert!(!seen.is_new(1));
        assert!(seen.is_new(2) && !seen.is_new(1));
        assert!(seen.is_new(3), "pushes 1 out");
        assert!(seen.is_new(1));
        assert_eq!(seen.ids.len(), 2);
        seen.forget();
        assert!(seen.is_new(3));
    }

    #[test]
    fn what_has_no_id_is_always_new_and_pushes_nothing_out() {
        let mut seen = Seen::new(1);
        assert!(seen.is_new(1) && seen.is_new(0) && seen.is_new(0));
        assert!(!seen.is_new(1));
    }
}
