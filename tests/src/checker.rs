//! Whether the invariants of messaging hold in a run.
//!
//! * **L** an acknowledged message is in the history exactly once, and its readers were shown it;
//! * **D** within a session nobody is shown a message twice; no session goes on from further back than
//!   the one before it did; and who was shown everything, has left and comes back is shown nothing again;
//! * **O** one order for everybody: the history is numbered 1 to N without holes, and each session
//!   is shown it in that order without leaving anything out;
//! * **S** a session's own messages to a conversation are in the order in which it sent them;
//! * **M** who was a member of a group is shown what was said while they were, and nothing else;
//! * **B** a block that was acknowledged is in force, and one that was taken back is not;
//! * **P** a read position that was acknowledged does not go back.
//!
//! The tests beside this break each of them on purpose: a checker that cannot fail shows nothing.

mod changes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::journal::{Entry, Journal, Outcome, Receipt, Return, Run, Sent, Timeline};

/// Violations that a failure lists.
const LISTED_MAX: usize = 20;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named in the module")]
pub enum Invariant {
    L,
    D,
    O,
    S,
    M,
    B,
    P,
}

/// An invariant that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "said above")]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

impl Run {
    /// Fails the test unless all invariants hold.
    ///
    /// # Panics
    /// When they do not, with the first violations.
    pub fn assert_holds(&self) {
        let violations = self.violations();
        let listed = violations.iter().take(LISTED_MAX).map(|violation| format!("\n  {violation}"));
        let listed: Vec<_> = listed.collect();
        assert!(violations.is_empty(), "{} violations:{}", violations.len(), listed.concat());
    }

    /// Every place where an invariant does not hold.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Found::default();
        for timeline in &self.timelines {
            let sent: Vec<_> =
                self.journal.sent.iter().filter(|sent| sent.to == timeline.of).collect();
            let order = Order::of(timeline);
            check_numbers(timeline, &mut found);
            check_sent(timeline, &sent, &mut found);
            check_senders_order(&order, &sent, &mut found);
            let mut shown: BTreeMap<i64, Vec<&Receipt>> = BTreeMap::new();
            let here = |receipt: &&Receipt| receipt.within == timeline.of;
            for receipt in self.journal.receipts.iter().filter(here) {
                shown.entry(receipt.by).or_default().push(receipt);
            }
            let here: Vec<_> = self.journal.receipts.iter().filter(here).collect();
            changes::check_members(timeline, &self.journal, &sent, &here, &mut found);
            for (reader, receipts) in &shown {
                check_shown(timeline, &order, *reader, receipts, &mut found);
            }
            for reader in &timeline.readers {
                let receipts = shown.get(reader).map_or(&[][..], Vec::as_slice);
                check_complete(timeline, &sent, *reader, receipts, &mut found);
            }
        }
        check_returns(&self.journal, &mut found);
        changes::check_blocks(&self.journal, &mut found);
        changes::check_reads(&self.journal, &mut found);
        let known = |to| self.timelines.iter().any(|timeline| timeline.of == to);
        for sent in self.journal.sent.iter().filter(|sent| !known(sent.to)) {
            found.add(Invariant::L, || format!("the history of {} was not read", sent.to));
        }
        found.0
    }
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, invariant: Invariant, what: impl FnOnce() -> String) {
        self.0.push(Violation { invariant, what: what() });
    }
}

/// Where each message stands in the history.
struct Order<'a>(HashMap<i64, &'a Entry>);

impl<'a> Order<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        Self(timeline.entries.iter().map(|entry| (entry.id, entry)).collect())
    }
}

/// O: 1 to N, each number once.
fn check_numbers(timeline: &Timeline, found: &mut Found) {
    let mut next = 1;
    for Entry { seq, id, .. } in &timeline.entries {
        while timeline.hidden.contains(&next) {
            next += 1;
        }
        if *seq != next {
            found.add(Invariant::O, || {
                format!("{}: {id} has number {seq} where {next} is due", timeline.of)
            });
        }
        next = seq + 1;
    }
}

/// L: what was acknowledged is there once, what was refused is not, and nothing else is.
fn check_sent(timeline: &Timeline, sent: &[&Sent], found: &mut Found) {
    let mut stored: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in &timeline.entries {
        stored.entry(&entry.text).or_default().push(entry);
    }
    for message in sent {
        let copies = stored.remove(message.text.as_str()).unwrap_or_default();
        let right = match message.outcome {
            Outcome::Acknowledged(id) => copies.len() == 1 && copies[0].id == id,
            Outcome::Refused => copies.is_empty(),
            Outcome::Unknown => copies.len() <= 1,
        };
        if !right || copies.iter().any(|copy| copy.from != message.by) {
            found.add(Invariant::L, || {
                let copies: Vec<_> =
                    copies.iter().map(|copy| (copy.seq, copy.id, copy.from)).collect();
                let Sent { by, session, text, outcome, .. } = message;
                format!(
                    "{}: {text:?} of {by} (session {session}, {outcome:?}) is in the history as \
                     (seq, id, from) {copies:?}",
                    timeline.of
                )
            });
        }
    }
    for (text, entries) in stored {
        found.add(Invariant::L, || {
            format!("{}: nobody sent {text:?}, stored as {}", timeline.of, entries[0].seq)
        });
    }
}

/// S: the numbers of a session's messages grow as it sent them.
fn check_senders_order(order: &Order<'_>, sent: &[&Sent], found: &mut Found) {
    let of_text: HashMap<&str, &Entry> =
        order.0.values().map(|entry| (entry.text.as_str(), *entry)).collect();
    let mut last: HashMap<(i64, u32), &Entry> = HashMap::new();
    for message in sent {
        let Some(entry) = of_text.get(message.text.as_str()) else {
            continue;
        };
        if let Some(before) = last.insert((message.by, message.session), entry)
            && before.seq > entry.seq
        {
            found.add(Invariant::S, || {
                format!(
                    "{}: {:?} of {} was sent after {:?} and has number {} before {}",
                    message.to, entry.text, message.by, before.text, entry.seq, before.seq
                )
            });
        }
    }
}

/// D, O and L from the view of one reader: each session is shown others' messages in the order of
/// the history, each once, none left out; the next session goes on no later than where the last
/// one was, and no earlier than where the last one began.
///
/// How much a session may be shown again has no bound in messages. The window of what is on its way has
/// one, but what has arrived also comes again for as long as cursors cannot be written: while im-message
/// or its database does not answer, and in the moment for which cursors are gathered. What is sound after
/// any fault: a cursor that a session has begun with was read from the database, so it was committed, and
/// cursors only grow. So no later session of the device begins before it, in any conversation.
fn check_shown(
    timeline: &Timeline,
    order: &Order<'_>,
    reader: i64,
    receipts: &[&Receipt],
    found: &mut Found,
) {
    let of = timeline.of;
    let mut seen_to = 0;
    let mut session: Option<(u32, i64)> = None;
    // Of the sessions so far that were shown something, where the last one began.
    let mut began = 0;
    for Receipt { session: number, id, text, .. } in receipts {
        let Some(entry) = order.0.get(id) else {
            found
                .add(Invariant::L, || format!("{of}: {reader} was shown {id}, not in the history"));
            continue;
        };
        if entry.text != *text || entry.from == reader {
            found.add(Invariant::D, || {
                format!("{of}: {reader} was shown {id} as {text:?}, it is {entry:?}")
            });
        }
        let before = match session {
            Some((last, seq)) if last == *number => Some(seq),
            _ => None,
        };
        if before.is_none() {
            if entry.seq < began {
                found.add(Invariant::D, || {
                    format!(
                        "{of}: {reader} was shown {} first in session {number}, an earlier one had \
                         begun with {began}",
                        entry.seq
                    )
                });
            }
            began = began.max(entry.seq);
        }
        match before {
            Some(seq) if seq == entry.seq => found.add(Invariant::D, || {
                format!("{of}: {reader} was shown {seq} ({id}) twice in session {number}")
            }),
            Some(seq) if seq > entry.seq => found.add(Invariant::O, || {
                format!("{of}: {reader} was shown {} after {seq} in session {number}", entry.seq)
            }),
            // A new session may show again what the last one was shown.
            before => {
                let from = before.unwrap_or(seen_to);
                if let Some(skipped) = first_of_others(timeline, reader, from, entry.seq) {
                    found.add(Invariant::O, || {
                        format!(
                            "{of}: {reader} was shown {} after {from} in session {number}, and \
                             not {} between",
                            entry.seq, skipped.seq
                        )
                    });
                }
            }
        }
        session = Some((*number, entry.seq));
        seen_to = seen_to.max(entry.seq);
    }
}

/// D: who came back at the end was not shown anything again. They had been shown everything and left
/// with `LOGOUT`, and came back some times, so that what was shown to them had the time to be noted.
fn check_returns(journal: &Journal, found: &mut Found) {
    let mut last: BTreeMap<i64, (u32, usize)> = BTreeMap::new();
    for Return { of, session } in &journal.returns {
        let (last, returns) = last.entry(*of).or_default();
        (*last, *returns) = (*session, *returns + 1);
    }
    for (reader, (session, returns)) in last {
        let receipts = journal.receipts.iter().filter(|receipt| receipt.by == reader);
        let (now, before): (Vec<_>, Vec<_>) =
            receipts.partition(|receipt| receipt.session == session);
        let before: HashSet<i64> = before.iter().map(|receipt| receipt.id).collect();
        let again: Vec<_> = now.iter().filter(|receipt| before.contains(&receipt.id)).collect();
        if let [first, ..] = again[..] {
            found.add(Invariant::D, || {
                format!(
                    "{reader} has come back {returns} times and was shown {} messages again, first {} \
                     ({:?} in {})",
                    again.len(),
                    first.id,
                    first.text,
                    first.within
                )
            });
        }
    }
}

/// The first message of somebody else between two numbers that the reader may see.
fn first_of_others(timeline: &Timeline, reader: i64, after: i64, before: i64) -> Option<&Entry> {
    // A history that is out of order is a violation of its own, and makes this one only less exact.
    let start = timeline.entries.partition_point(|entry| entry.seq <= after);
    let mut between = timeline.entries[start..].iter().take_while(|entry| entry.seq < before);
    between.find(|entry| entry.from != reader && timeline.shows(entry.seq, reader))
}

/// L: the reader was shown everything of others up to the last acknowledged message. What nobody
/// knows the outcome of may be stored after that, and still be on its way.
fn check_complete(
    timeline: &Timeline,
    sent: &[&Sent],
    reader: i64,
    receipts: &[&Receipt],
    found: &mut Found,
) {
    let acknowledged =
        |entry: &&Entry| sent.iter().any(|sent| sent.outcome == Outcome::Acknowledged(entry.id));
    let last = timeline.entries.iter().filter(|entry| entry.from != reader);
    let Some(last) = last.rev().find(acknowledged) else {
        return;
    };
    let shown: HashSet<i64> = receipts.iter().map(|receipt| receipt.id).collect();
    for entry in &timeline.entries {
        if entry.seq <= last.seq && entry.from != reader && !shown.contains(&entry.id) {
            found.add(Invariant::L, || {
                format!("{}: {reader} was never shown {entry:?}", timeline.of)
            });
        }
    }
}
