//! What a dispatcher has in hand, and what becomes of entries that it gives up on.
//!
//! They pass through three places. They are *given up*: nobody tries them any more, a resync stands
//! for them, and an operator's letter is to be left. They are *buried*: the letter was left, and the
//! store still remembers them, so that a crash before the resync was taken costs nothing. Then the
//! store may let go of them. Each place is bounded; beyond it the oldest move on without a letter.

use std::collections::VecDeque;
use std::sync::Arc;

use im_common::StoreError;
use mpim_proto::presence_service;
use tokio::time::Instant;

use super::outlet::Committed;
use super::teller::Teller;
use crate::conversation::ConvId;
use crate::store::{NewDeadLetter, REASON_MAX, Timeline};

/// Entries of a lane that were given up and not buried.
const GIVEN_UP_MAX: usize = 1 << 13;
/// Entries of a lane that were buried and that the store still remembers.
const BURIED_MAX: usize = 1 << 16;

/// What a dispatcher takes at once.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// To be told, in order.
    pub(super) entries: VecDeque<Committed>,
    /// Something before these entries was given up.
    pub(super) resync: bool,
    pub(super) given_up: VecDeque<GivenUp>,
    /// msg_ids.
    buried: VecDeque<i64>,
}

/// An entry that nobody tries to tell any more.
#[derive(Debug, Clone)]
pub(super) struct GivenUp {
    pub(super) conv: ConvId,
    pub(super) seq: i64,
    msg_id: i64,
    reason: Arc<str>,
}

impl Gathered {
    /// Entries to be told of.
    pub(super) fn of(entries: impl Iterator<Item = Committed>) -> Self {
        Self { entries: entries.collect(), ..Self::default() }
    }

    /// Nothing but perhaps a resync.
    pub(super) fn beginning(resync: bool) -> Self {
        Self { resync, ..Self::default() }
    }

    /// Everything, but of the entries only the first `entries_max`; the others stay.
    pub(super) fn take(&mut self, entries_max: usize) -> Self {
        let rest = self.entries.split_off(self.entries.len().min(entries_max));
        std::mem::replace(self, Self::of(rest.into_iter()))
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { entries, resync, given_up, buried } = self;
        entries.is_empty() && !resync && given_up.is_empty() && buried.is_empty()
    }

    /// Whether there is anything for im-presence.
    pub(super) fn has_news(&self) -> bool {
        self.resync || !self.entries.is_empty()
    }

    /// Adds what came later.
    pub(super) fn extend(&mut self, later: Self) {
        self.entries.extend(later.entries);
        self.resync |= later.resync;
        self.given_up.extend(later.given_up);
        self.buried.extend(later.buried);
    }

    /// The first `count` entries were told; their msg_ids.
    pub(super) fn told(&mut self, count: usize) -> Vec<i64> {
        self.entries.drain(..count).map(|committed| committed.entry.msg_id).collect()
    }

    /// The resync was taken, if one was due: the msg_ids of those for which it stood.
    pub(super) fn resynced(&mut self) -> Vec<i64> {
        self.resync = false;
        std::mem::take(&mut self.buried).into()
    }

    /// Gives up the first `count` entries.
    pub(super) fn give_up(&mut self, count: usize, reason: &str) {
        if count == 0 {
            return;
        }
        self.resync = true;
        let reason: Arc<str> = reason.into();
        let given_up = self.entries.drain(..count).map(|Committed { conv, entry, .. }| GivenUp {
            conv,
            seq: entry.seq,
            msg_id: entry.msg_id,
            reason: reason.clone(),
        });
        self.given_up.extend(given_up);
    }

    /// Puts entries that are older than `oldest` before the others; how many these are.
    pub(super) fn older_first(&mut self, oldest: Instant) -> usize {
        let entries = std::mem::take(&mut self.entries).into_iter();
        let (old, young): (VecDeque<_>, VecDeque<_>) =
            entries.partition(|committed| committed.since < oldest);
        let count = old.len();
        self.entries = old;
        self.entries.extend(young);
        count
    }

    /// Keeps what was given up within its bounds; the msg_ids of what is not remembered any more.
    pub(super) fn cut(&mut self) -> Vec<i64> {
        let excess = self.given_up.len().saturating_sub(GIVEN_UP_MAX);
        self.buried.extend(self.given_up.drain(..excess).map(|given_up| given_up.msg_id));
        let excess = self.buried.len().saturating_sub(BURIED_MAX);
        self.buried.drain(..excess).collect()
    }
}

impl<T: Timeline, P: presence_service::Server> Teller<T, P> {
    /// Leaves letters about what was given up on after `tries` calls.
    ///
    /// # Errors
    /// They could not be left; it is still to be done.
    pub(super) async fn bury(&self, gathered: &mut Gathered, tries: u32) -> Result<(), StoreError> {
        if gathered.given_up.is_empty() {
            return Ok(());
        }
        let letters = letters(gathered.given_up.iter(), tries, self.clock.now_ms());
        let count = letters.len();
        self.store.bury(letters, self.letters_max).await?;
        self.metrics.dead_letters.increment(count as u64);
        gathered.buried.extend(gathered.given_up.drain(..).map(|given_up| given_up.msg_id));
        tracing::warn!(
            letters = count,
            tries,
            "dispatches were given up on; see `mpim dead-letters`"
        );
        Ok(())
    }
}

/// One letter for entries that follow each other in their conversation.
fn letters<'g>(
    given_up: impl Iterator<Item = &'g GivenUp>,
    tries: u32,
    at_ms: i64,
) -> Vec<NewDeadLetter> {
    let mut sorted: Vec<&GivenUp> = given_up.collect();
    sorted.sort_by_key(|given_up| (given_up.conv, given_up.seq));
    let mut letters: Vec<NewDeadLetter> = Vec::new();
    for GivenUp { conv, seq, reason, .. } in sorted {
        match letters.last_mut() {
            Some(last)
                if last.conv == *conv
                    && last.last_seq + 1 == *seq
                    && last.reason == one_line(reason) =>
            {
                last.last_seq = *seq;
            }
            _ => letters.push(NewDeadLetter {
                conv: *conv,
                first_seq: *seq,
                last_seq: *seq,
                reason: one_line(reason),
                tries: tries.into(),
                at_ms,
            }),
        }
    }
    letters
}

/// As much of a reason as is kept: what another service said may have any length and any lines.
fn one_line(reason: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    reason.chars().take(REASON_MAX).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given_up(conv: ConvId, seq: i64, reason: &str) -> GivenUp {
        GivenUp { conv, seq, msg_id: seq, reason: reason.into() }
    }

    #[test]
    fn entries_that_follow_each_other_share_a_letter() {
        let (one, other) = (ConvId::pair(1, 2), ConvId::Group(7));
        let all = [
            given_up(one, 1, "a"),
            given_up(other, 2, "a"),
            given_up(one, 2, "a"),
            given_up(one, 4, "a"),
            given_up(one, 5, "b\n-ERR"),
        ];
        let letters = letters(all.iter(), 3, 9);
        let short: Vec<_> = letters
            .iter()
            .map(|letter| (letter.conv, letter.first_seq, letter.last_seq, &*letter.reason))
            .collect();
        let expected =
            [(one, 1, 2, "a"), (one, 4, 4, "a"), (one, 5, 5, "b -ERR"), (other, 2, 2, "a")];
        assert_eq!(short, expected);
        assert!(letters.iter().all(|letter| letter.tries == 3 && letter.at_ms == 9));
    }

    #[test]
    fn a_reason_of_any_length_is_cut() {
        assert_eq!(one_line(&"é".repeat(1_000)).chars().count(), REASON_MAX);
    }

    #[test]
    fn what_was_given_up_is_bounded() {
        let mut gathered = Gathered::default();
        let many = i64::try_from(GIVEN_UP_MAX).unwrap() + 2;
        gathered.given_up.extend((0..many).map(|seq| given_up(ConvId::Group(1), seq, "a")));
        assert_eq!(gathered.cut(), [0; 0]);
        assert_eq!((gathered.given_up.len(), gathered.resynced()), (GIVEN_UP_MAX, vec![0, 1]));
    }
}
