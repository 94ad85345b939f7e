//! What somebody is only for a while: a member, somebody who shuts another out; and how far they have
//! read, which only grows.
//!
//! A change that was asked for at one time and answered at another has happened somewhere between, and
//! so has a message. So what is judged is what lies wholly after the answer to a change and wholly before
//! the next was asked for. A change that was not answered may happen at any time after it was asked for,
//! however late, so nothing is judged by the times of what comes after it. Which messages a member has to
//! be shown, and who is none must not be, needs no times: the history itself says where somebody came
//! and left.

use std::collections::HashSet;
use std::time::Duration;

use super::{Found, Invariant};
use crate::journal::{Change, Conversation, Journal, Outcome, Receipt, Sent, State, Timeline};

/// Whether somebody is that during all of this time; `None` if it is not known.
fn holds_during(
    journal: &Journal,
    by: i64,
    state: State,
    (from, to): (Duration, Duration),
) -> Option<bool> {
    let changes = journal.changes.iter().filter(|change| change.by == by && change.to == state);
    let begun: Vec<&Change> = changes.take_while(|change| change.asked <= to).collect();
    let over = |change: &&Change| change.answered.is_some_and(|answered| answered < from);
    begun.iter().all(over).then(|| begun.last().is_some_and(|change| change.on))
}

/// M: who came and went was shown what was said while they were there, and nothing else.
pub(super) fn check_members(
    timeline: &Timeline,
    journal: &Journal,
    sent: &[&Sent],
    receipts: &[&Receipt],
    found: &mut Found,
) {
    let (of, Conversation::Group(group)) = (timeline.of, timeline.of) else { return };
    for reader in timeline.spans.keys() {
        let shown: HashSet<i64> =
            receipts.iter().filter(|receipt| receipt.by == *reader).map(|it| it.id).collect();
        for entry in timeline.entries.iter().filter(|entry| entry.from != *reader) {
            let is_there = timeline.shows(entry.seq, *reader);
            if shown.contains(&entry.id) && !is_there {
                found.add(Invariant::M, || {
                    format!("{of}: {reader} was no member and was shown {entry:?}")
                });
            }
            let message = sent.iter().find(|it| it.outcome == Outcome::Acknowledged(entry.id));
            let Some(message) = message else { continue };
            if !shown.contains(&entry.id) && is_there {
                found.add(Invariant::M, || {
                    format!("{of}: {reader} was a member and was never shown {entry:?}")
                });
            }
            let Some(answered_at) = message.answered_at else { continue };
            let time = (message.at, answered_at);
            if holds_during(journal, *reader, State::Member(group), time) == Some(!is_there) {
                found.add(Invariant::M, || {
                    let changed = if is_there { "left" } else { "come" };
                    format!(
                        "{of}: {reader} had {changed}, and for the history not yet at {entry:?}"
                    )
                });
            }
        }
    }
}

/// B: who is shut out is not let in, and who is not is.
pub(super) fn check_blocks(journal: &Journal, found: &mut Found) {
    for attempt in &journal.attempts {
        let time = (attempt.asked, attempt.answered);
        let shut_out = holds_during(journal, attempt.to, State::ShutsOut(attempt.by), time);
        if shut_out == Some(attempt.was_let_in) {
            found.add(Invariant::B, || {
                let shut_out = if attempt.was_let_in { "shut out" } else { "not shut out" };
                format!("{} was {shut_out} by {}: {attempt:?}", attempt.by, attempt.to)
            });
        }
    }
}

/// P: who has said how far they have read is never told less.
pub(super) fn check_reads(journal: &Journal, found: &mut Found) {
    for told in journal.reads.iter().filter(|read| !read.said) {
        let same = |read: &&crate::journal::Read| {
            read.said && (read.by, read.within) == (told.by, told.within)
        };
        let before = |read: &&crate::journal::Read| read.answered < told.asked;
        let said = journal.reads.iter().filter(same).filter(before).map(|read| read.seq).max();
        if let Some(said) = said.filter(|said| *said > told.seq) {
            found.add(Invariant::P, || {
                format!("{}: {} had read to {said} and was told {}", told.within, told.by, told.seq)
            });
        }
    }
}
