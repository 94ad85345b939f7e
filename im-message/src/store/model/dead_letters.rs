//! Dead letters as a plain list.

use im_common::StoreError;

use super::Model;
use crate::conversation::ConvId;
use crate::entry::Entry;
use crate::store::{DeadLetter, DeadLetters, NewDeadLetter};

impl DeadLetters for Model {
    async fn bury(
        &self,
        letters: Vec<NewDeadLetter>,
        count_max: usize,
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        for letter in letters {
            let same = |old: &&mut DeadLetter| {
                (old.letter.conv, old.letter.first_seq) == (letter.conv, letter.first_seq)
            };
            if let Some(DeadLetter { letter: old, .. }) = state.letters.iter_mut().find(same) {
                let last_seq = old.last_seq.max(letter.last_seq);
                let tries = old.tries + letter.tries;
                *old = NewDeadLetter { last_seq, tries, ..letter };
            } else {
                state.last_letter += 1;
                let id = state.last_letter;
                state.letters.push(DeadLetter { id, letter });
            }
        }
        let excess = state.letters.len().saturating_sub(count_max);
        state.letters.drain(..excess);
        Ok(excess)
    }

    async fn dead_letters(
        &self,
        after_id: i64,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, bool), StoreError> {
        let state = self.state();
        let mut found: Vec<_> =
            state.letters.iter().filter(|letter| letter.id > after_id).cloned().collect();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }

    async fn dead_letters_of(&self, ids: Vec<i64>) -> Result<Vec<DeadLetter>, StoreError> {
        let state = self.state();
        Ok(state.letters.iter().filter(|letter| ids.contains(&letter.id)).cloned().collect())
    }

    async fn remove_dead_letters(&self, ids: Vec<i64>) -> Result<usize, StoreError> {
        let mut state = self.state();
        let before = state.letters.len();
        state.letters.retain(|letter| !ids.contains(&letter.id));
        Ok(before - state.letters.len())
    }

    async fn entries(
        &self,
        conv: ConvId,
        (first_seq, last_seq): (i64, i64),
        entries_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let state = self.state();
        let entries = state.conversations.get(&conv).map_or(&[][..], |found| &found.entries);
        let within = entries.iter().map(|(_, entry)| entry);
        let within = within.filter(|entry| (first_seq..=last_seq).contains(&entry.seq));
        Ok(within.take(entries_max).cloned().collect())
    }
}
