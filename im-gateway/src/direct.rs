//! Messages that stand in no timeline that this gateway can read: what the original's `Deliver`
//! brings, and what its im-message hands out once and then forgets.
//!
//! Nothing brings them again, so they wait here for room, in their order. The same message may come
//! as an entry of a timeline as well, before or after; where that can be, the ids of what was shown
//! are remembered, and it is shown once. The text is remembered with the id: what numbers the
//! original gives is its own affair, and a message that only shares another's must not be lost.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use im_wire::Shown;

use crate::pushed::Pushed;

/// One such message.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    /// 0 if it has none: the original's im-message gives its pushes no id.
    pub(crate) msg_id: i64,
    /// A hash of who said what.
    pub(crate) said: u64,
    pub(crate) shown: Arc<Shown>,
}

/// Those of one session. See the module.
#[derive(Debug)]
pub(crate) struct Directs {
    waiting: VecDeque<Direct>,
    waiting_max: usize,
    shown: Remembered,
}

impl Directs {
    /// For at most `waiting_max` pushes that wait; remembers `remembered_max` ids.
    pub(crate) fn new(waiting_max: usize, remembered_max: usize) -> Self {
        let shown = Remembered { ids: HashSet::new(), order: VecDeque::new(), max: remembered_max };
        Self { waiting: VecDeque::new(), waiting_max, shown }
    }

    /// One was pushed. Answers whether there is room for it.
    pub(crate) fn push(&mut self, direct: Direct) -> bool {
        let room = self.waiting.len() < self.waiting_max;
        if room {
            self.waiting.push_back(direct);
        }
        room
    }

    /// These were handed out, and are nowhere else any more: they find room, as many as one answer
    /// has. The next answer is to be asked for once they are shown.
    pub(crate) fn extend(&mut self, directs: Vec<Direct>) {
        self.waiting.extend(directs);
    }

    /// Whether ids are remembered at all: without the original system nothing comes twice.
    pub(crate) fn remembers(&self) -> bool {
        self.shown.max > 0
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next one to show; those that were shown already are dropped.
    pub(crate) fn next(&mut self) -> Option<Arc<Shown>> {
        while let Some(Direct { msg_id, said, shown }) = self.waiting.pop_front() {
            if self.shown.is_new(msg_id, said) {
                return Some(shown);
            }
        }
        None
    }

    /// An entry is the next of its timeline. Answers whether it was not shown before.
    pub(crate) fn is_new(&mut self, entry: &Pushed) -> bool {
        !self.remembers() || self.shown.is_new(entry.msg_id(), entry.said())
    }
}

/// The last so many ids, each with what was said.
#[derive(Debug)]
struct Remembered {
    ids: HashSet<(i64, u64)>,
    order: VecDeque<(i64, u64)>,
    max: usize,
}

impl Remembered {
    fn is_new(&mut self, msg_id: i64, said: u64) -> bool {
        if msg_id == 0 || self.max == 0 {
            return true;
        }
        if !self.ids.insert((msg_id, said)) {
            return false;
        }
        self.order.push_back((msg_id, said));
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use im_wire::What;
    use mpim_proto::{C2cMsg, Entry, GroupMsg};

    use super::*;
    use crate::pushed::{direct, direct_of_group};

    fn of(msg_id: i64, text: &str) -> Direct {
        direct(&C2cMsg { msg_id, text: text.to_owned(), ..C2cMsg::default() })
    }

    fn entry(msg_id: i64, text: &str) -> Pushed {
        Pushed::new(Entry { msg_id, text: text.to_owned(), ..Entry::default() })
    }

    fn shown(directs: &mut Directs) -> Vec<String> {
        let all = std::iter::from_fn(|| directs.next());
        let text = |shown: Arc<Shown>| match shown.what() {
            What::Message(message) => message.text.clone(),
            What::Event(_) => unreachable!("a message"),
        };
        all.map(text).collect()
    }

    #[test]
    fn they_are_shown_in_their_order_and_each_id_once() {
        let mut directs = Directs::new(9, 9);
        assert!(directs.is_new(&entry(7, "b")));
        for direct in [of(6, "a"), of(7, "b"), of(6, "a"), of(8, "d")] {
            assert!(directs.push(direct));
        }
        assert_eq!(shown(&mut directs), ["a", "d"]);
        assert!(!directs.is_new(&entry(8, "d")), "it came as a push before");
    }

    #[test]
    fn one_that_only_has_the_number_of_another_is_shown() {
        let mut directs = Directs::new(9, 9);
        let in_group = GroupMsg { msg_id: 7, text: "a".to_owned(), ..GroupMsg::default() };
        directs.extend(vec![of(7, "a"), of(7, "b"), direct_of_group(&in_group)]);
        assert_eq!(shown(&mut directs), ["a", "b", "a"]);
    }

    #[test]
    fn messages_without_an_id_are_all_shown() {
        let mut directs = Directs::new(9, 9);
        directs.extend(vec![of(0, "a"), of(0, "b")]);
        assert_eq!(shown(&mut directs), ["a", "b"]);
    }

    #[test]
    fn pushes_are_bounded_and_what_was_handed_out_is_not() {
        let mut directs = Directs::new(2, 9);
        directs.extend(vec![of(1, "a"), of(2, "b"), of(3, "c")]);
        assert!(!directs.push(of(4, "d")));
        assert_eq!(shown(&mut directs), ["a", "b", "c"]);
        assert!(directs.push(of(4, "d")));
    }

    #[test]
    fn the_last_ids_are_remembered() {
        let mut directs = Directs::new(9, 2);
        assert!((1..=3).all(|msg_id| directs.is_new(&entry(msg_id, "a"))));
        assert!(!directs.is_new(&entry(2, "a")));
        assert!(directs.is_new(&entry(1, "a")), "forgotten");
        let mut off = Directs::new(9, 0);
        assert!(off.is_new(&entry(1, "a")) && off.is_new(&entry(1, "a")));
    }
}
