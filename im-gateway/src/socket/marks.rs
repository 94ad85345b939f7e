//! How far a client is in what was written to it, seen through its encryption.

use std::collections::VecDeque;

/// How many places are remembered. Beyond it the last is moved on, and a client counts as further back
/// than it is until it has all of that.
const MARKS_MAX: usize = 32;

/// Pairs of places in the text and in what the kernel got of it: a client that has acknowledged the
/// latter has the former.
#[derive(Debug, Default)]
pub(super) struct Marks {
    waiting: VecDeque<(u64, u64)>,
    /// The text that the client has.
    has: u64,
}

impl Marks {
    /// So much of the text has become so many encrypted bytes, all of which the kernel has.
    pub(super) fn put(&mut self, text: u64, encrypted: u64) {
        let is_full = self.waiting.len() == MARKS_MAX;
        match self.waiting.back_mut() {
            Some(last) if last.0 == text => {}
            Some(last) if is_full => *last = (text, encrypted),
            None if self.has == text => {}
            _ => self.waiting.push_back((text, encrypted)),
        }
    }

    /// The text that a client has which has acknowledged so many encrypted bytes.
    pub(super) fn text_at(&mut self, encrypted: u64) -> u64 {
        while let Some((text, _)) = self.waiting.front().filter(|mark| mark.1 <= encrypted) {
            self.has = *text;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            // Most connections wait most of the time.
            self.waiting = VecDeque::new();
        }
        self.has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_the_text_whose_encrypted_bytes_it_has() {
        let mut marks = Marks::default();
        // The handshake.
        marks.put(0, 1_000);
        marks.put(5, 1_027);
        marks.put(5, 1_050);
        marks.put(9, 1_080);
        let seen = [999, 1_026, 1_027, 1_079, 1_080, 9_999].map(|at| marks.text_at(at));
        assert_eq!(seen, [0, 0, 5, 5, 9, 9]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_says_too_much() {
        let mut marks = Marks::default();
        for text in 1..=10_000 {
            marks.put(text, text * 2);
            assert!(marks.waiting.len() <= MARKS_MAX);
        }
        assert_eq!(marks.text_at(62), 31);
        assert_eq!(marks.text_at(19_999), 31, "less than it has, never more");
        assert_eq!(marks.text_at(20_000), 10_000);
    }
}
