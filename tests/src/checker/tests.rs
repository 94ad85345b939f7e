//! Each invariant, broken on purpose.

use std::time::Duration;

use super::*;
use crate::journal::{Attempt, Change, Conversation, Journal, Read, State};

const ADA: i64 = 1;
const BOB: i64 = 2;

/// Ada sends 1 to 4 to bob, who has two sessions: the first is shown 1 to 3, the second 3 and 4.
/// Between them, 5 is bob's own.
fn good() -> Run {
    let of = Conversation::pair(BOB, ADA);
    let entry = |seq: i64| Entry {
        seq,
        id: 10 * seq,
        from: if seq == 5 { BOB } else { ADA },
        text: format!("text {seq}"),
    };
    let sent = |seq: i64| Sent {
        by: entry(seq).from,
        session: 1,
        to: of,
        text: entry(seq).text,
        outcome: Outcome::Acknowledged(entry(seq).id),
        at: Duration::ZERO,
        answered_at: None,
    };
    let receipt = |session: u32, seq: i64| Receipt {
        by: BOB,
        session,
        within: of,
        id: entry(seq).id,
        text: entry(seq).text,
        at: Duration::ZERO,
    };
    Run {
        journal: Journal {
            sent: (1..=5).map(sent).collect(),
            receipts: [(1, 1), (1, 2), (1, 3), (2, 3), (2, 4)]
                .map(|(session, seq)| receipt(session, seq))
                .into(),
            errors: Vec::new(),
            endings: Vec::new(),
            returns: vec![Return { of: BOB, session: 3 }],
            ..Journal::default()
        },
        timelines: vec![Timeline {
            of,
            entries: (1..=5).map(entry).collect(),
            hidden: Default::default(),
            readers: vec![BOB],
            spans: Default::default(),
        }],
    }
}

/// The invariants that are broken after `spoil`.
fn broken(spoil: impl FnOnce(&mut Run)) -> Vec<Invariant> {
    let mut run = good();
    spoil(&mut run);
    let mut broken: Vec<_> = run.violations().iter().map(|violation| violation.invariant).collect();
    broken.dedup();
    broken
}

#[test]
fn a_good_run_has_no_violations() {
    assert_eq!(good().violations(), []);
}

#[test]
fn an_acknowledged_message_that_is_not_stored_breaks_l() {
    let found = broken(|run| {
        run.timelines[0].entries.pop();
    });
    assert_eq!(found, [Invariant::L]);
}

#[test]
fn a_message_that_is_stored_twice_breaks_l() {
    let found = broken(|run| {
        let copy = Entry { seq: 6, id: 60, ..run.timelines[0].entries[4].clone() };
        run.timelines[0].entries.push(copy);
    });
    assert_eq!(found, [Invariant::L]);
}

#[test]
fn a_message_under_another_id_or_sender_breaks_l() {
    let found = broken(|run| run.journal.sent[4].outcome = Outcome::Acknowledged(51));
    assert_eq!(found, [Invariant::L]);
    let found = broken(|run| run.timelines[0].entries[4].from = ADA);
    assert!(found.contains(&Invariant::L));
}

#[test]
fn a_message_that_nobody_sent_breaks_l() {
    let found = broken(|run| {
        run.journal.sent.pop();
    });
    assert_eq!(found, [Invariant::L]);
}

#[test]
fn a_refused_message_that_is_stored_breaks_l() {
    let found = broken(|run| run.journal.sent[4].outcome = Outcome::Refused);
    assert_eq!(found, [Invariant::L]);
}

#[test]
fn a_message_of_unknown_outcome_may_be_stored_or_not() {
    assert_eq!(broken(|run| run.journal.sent[4].outcome = Outcome::Unknown), []);
    let found = broken(|run| {
        run.journal.sent[4].outcome = Outcome::Unknown;
        run.timelines[0].entries.pop();
    });
    assert_eq!(found, []);
}

#[test]
fn a_message_that_its_reader_never_saw_breaks_l() {
    let found = broken(|run| {
        run.journal.receipts.pop();
    });
    assert_eq!(found, [Invariant::L]);
}

#[test]
fn a_reader_who_saw_nothing_breaks_l() {
    assert_eq!(broken(|run| run.journal.receipts.clear()), [Invariant::L]);
}

#[test]
fn a_message_that_is_shown_twice_in_a_session_breaks_d() {
    let found = broken(|run| {
        let again = run.journal.receipts[1].clone();
        run.journal.receipts.insert(2, again);
    });
    assert_eq!(found, [Invariant::D]);
}

#[test]
fn a_message_that_is_shown_with_another_text_or_to_its_sender_breaks_d() {
    let found = broken(|run| run.journal.receipts[0].text = "other".to_owned());
    assert_eq!(found, [Invariant::D]);
    let found = broken(|run| {
        let own = Receipt { id: 50, text: "text 5".to_owned(), ..run.journal.receipts[4].clone() };
        run.journal.receipts.push(own);
    });
    assert_eq!(found, [Invariant::D]);
}

#[test]
fn a_hole_in_the_numbers_breaks_o() {
    let found = broken(|run| {
        run.timelines[0].entries[4].seq = 6;
    });
    assert_eq!(found, [Invariant::O]);
    let found = broken(|run| {
        run.timelines[0].entries[4].seq = 6;
        run.timelines[0].hidden.insert(5);
    });
    assert_eq!(found, [], "a join has a number and no line");
}

#[test]
fn messages_that_are_shown_in_another_order_break_o() {
    assert_eq!(broken(|run| run.journal.receipts.swap(0, 1)), [Invariant::O]);
}

#[test]
fn a_message_that_is_left_out_breaks_o() {
    let found = broken(|run| {
        run.journal.receipts.remove(1);
    });
    assert!(found.contains(&Invariant::O));
}

#[test]
fn a_session_that_goes_on_too_late_breaks_o() {
    let found = broken(|run| {
        // The first session ends after 2, and the second begins with 4.
        run.journal.receipts.drain(2..4);
    });
    assert!(found.contains(&Invariant::O));
}

#[test]
fn a_session_that_begins_before_where_the_one_before_it_began_breaks_d() {
    let began_with = |run: &mut Run, seqs: &[(u32, usize)]| {
        let receipts = run.journal.receipts.clone();
        let at = |&(session, seq): &(u32, usize)| {
            let place = if seq == 4 { 4 } else { seq - 1 };
            Receipt { session, ..receipts[place].clone() }
        };
        run.journal.receipts = seqs.iter().map(at).collect();
    };
    let found = broken(|run| began_with(run, &[(1, 1), (1, 2), (2, 2), (2, 3), (4, 1), (4, 2)]));
    assert!(found.contains(&Invariant::D), "{found:?}");
    let same = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (4, 4)];
    assert_eq!(broken(|run| began_with(run, &same)), [], "nothing that arrived was noted yet");
}

#[test]
fn who_is_shown_something_again_after_all_is_said_breaks_d() {
    let again = |run: &mut Run, session| {
        let receipt = Receipt { session, ..run.journal.receipts[4].clone() };
        run.journal.receipts.push(receipt);
    };
    assert_eq!(broken(|run| again(run, 3)), [Invariant::D]);
    let found = broken(|run| {
        again(run, 3);
        run.journal.returns.push(Return { of: BOB, session: 4 });
    });
    assert_eq!(found, [], "it was noted by the next time");
    let found = broken(|run| run.journal.receipts[4].session = 3);
    assert_eq!(found, [], "what comes late is new");
}

const CARL: i64 = 3;

/// In a group ada says 2, 4 and 6, a second each; carl comes with 3 and leaves with 5, and is shown 4.
fn group() -> Run {
    let of = Conversation::Group(7);
    let entry = |seq: i64| Entry { seq, id: 10 * seq, from: ADA, text: format!("text {seq}") };
    let sent = |seq: i64| Sent {
        by: ADA,
        session: 1,
        to: of,
        text: entry(seq).text,
        outcome: Outcome::Acknowledged(10 * seq),
        at: s(seq),
        answered_at: Some(s(seq) + s(1) / 2),
    };
    let change = |seq: i64, on: bool| Change {
        by: CARL,
        to: State::Member(7),
        on,
        asked: s(seq),
        answered: Some(s(seq) + s(1) / 2),
    };
    let shown = Receipt {
        by: CARL,
        session: 1,
        within: of,
        id: 40,
        text: entry(4).text,
        at: Duration::ZERO,
    };
    Run {
        journal: Journal {
            sent: [2, 4, 6].map(sent).into(),
            receipts: vec![shown],
            changes: vec![change(3, true), change(5, false)],
            ..Journal::default()
        },
        timelines: vec![Timeline {
            of,
            entries: [2, 4, 6].map(entry).into(),
            hidden: [1, 3, 5].into(),
            readers: Vec::new(),
            spans: [(CARL, vec![(3, 5)])].into(),
        }],
    }
}

fn s(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// The same as `broken`, in the group.
fn broken_in_group(spoil: impl FnOnce(&mut Run)) -> Vec<Invariant> {
    let mut run = group();
    spoil(&mut run);
    let mut broken: Vec<_> = run.violations().iter().map(|violation| violation.invariant).collect();
    broken.dedup();
    broken
}

#[test]
fn who_comes_and_goes_is_shown_what_was_said_meanwhile() {
    assert_eq!(group().violations(), []);
}

#[test]
fn a_member_who_is_not_shown_something_breaks_m() {
    assert_eq!(broken_in_group(|run| run.journal.receipts.clear()), [Invariant::M]);
}

#[test]
fn who_is_shown_what_was_said_before_they_came_or_after_they_left_breaks_m() {
    let shown = |run: &mut Run, at: usize, seq: i64| {
        let text = format!("text {seq}");
        let receipt = Receipt { id: 10 * seq, text, ..run.journal.receipts[0].clone() };
        run.journal.receipts.insert(at, receipt);
    };
    assert_eq!(broken_in_group(|run| shown(run, 0, 2)), [Invariant::M]);
    assert_eq!(broken_in_group(|run| shown(run, 1, 6)), [Invariant::M]);
}

#[test]
fn a_change_that_was_acknowledged_and_did_not_happen_breaks_m() {
    // The answer to the leave came before 6 was sent.
    let stays = |run: &mut Run| {
        run.timelines[0].spans.insert(CARL, vec![(3, 6)]);
        let text = "text 6".to_owned();
        let receipt = Receipt { id: 60, text, ..run.journal.receipts[0].clone() };
        run.journal.receipts.push(receipt);
    };
    assert_eq!(broken_in_group(stays), [Invariant::M]);
    let comes_late = |run: &mut Run| {
        run.timelines[0].spans.insert(CARL, vec![(5, 5)]);
        run.journal.receipts.clear();
    };
    assert_eq!(broken_in_group(comes_late), [Invariant::M]);
    let found = broken_in_group(|run| {
        stays(run);
        run.journal.changes[1].answered = None;
    });
    assert_eq!(found, [], "nobody knows whether they left");
    let found = broken_in_group(|run| {
        stays(run);
        run.journal.sent[2].at = s(5);
    });
    assert_eq!(found, [], "it was sent while they left");
}

#[test]
fn a_block_that_is_not_in_force_or_still_is_breaks_b() {
    let attempt = |seconds: i64, was_let_in: bool| {
        broken(|run| {
            let change = |asked: i64, on: bool| Change {
                by: ADA,
                to: State::ShutsOut(BOB),
                on,
                asked: s(asked),
                answered: Some(s(asked + 1)),
            };
            run.journal.changes = vec![change(10, true), change(20, false)];
            let (asked, answered) = (s(seconds), s(seconds + 1));
            run.journal.attempts = vec![Attempt { by: BOB, to: ADA, asked, answered, was_let_in }];
        })
    };
    for (seconds, was_let_in) in [(5, true), (15, false), (25, true)] {
        assert_eq!(attempt(seconds, was_let_in), [], "{seconds} s");
        assert_eq!(attempt(seconds, !was_let_in), [Invariant::B], "{seconds} s");
    }
    for seconds in [10, 11, 19, 20, 21] {
        assert_eq!(attempt(seconds, true), [], "{seconds} s");
        assert_eq!(attempt(seconds, false), [], "{seconds} s");
    }
}

#[test]
fn a_read_position_that_goes_back_breaks_p() {
    let told = |seq: i64, asked: i64| {
        broken(|run| {
            let read = |seq: i64, said: bool, asked: i64| Read {
                by: BOB,
                within: Conversation::pair(ADA, BOB),
                seq,
                said,
                asked: s(asked),
                answered: s(asked + 1),
            };
            run.journal.reads = vec![read(3, true, 10), read(seq, false, asked)];
        })
    };
    assert_eq!(told(3, 12), []);
    assert_eq!(told(2, 12), [Invariant::P]);
    assert_eq!(told(2, 11), [], "at the same time");
}

#[test]
fn messages_of_one_session_in_another_order_than_sent_break_s() {
    assert_eq!(broken(|run| run.journal.sent.swap(1, 2)), [Invariant::S]);
    let found = broken(|run| {
        run.journal.sent.swap(1, 2);
        run.journal.sent[1].session = 2;
    });
    assert_eq!(found, [], "two sessions may overtake each other");
}

#[test]
fn a_conversation_that_was_not_read_back_is_no_success() {
    assert_eq!(broken(|run| run.timelines.clear()), [Invariant::L]);
}
