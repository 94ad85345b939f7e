use proptest::prelude::*;

use super::*;

fn conv(name: &str) -> ConvId {
    Arc::from(name)
}

/// Timelines with one conversation, in which the session stands at `position`.
fn at(position: i64) -> (Timelines, ConvId) {
    let mut timelines = Timelines::default();
    let c = conv("c");
    timelines.place(&c, position, position);
    (timelines, c)
}

#[test]
fn the_next_entry_is_shown_and_an_older_one_is_not() {
    let (mut timelines, c) = at(4);
    assert_eq!(timelines.offer(&c, 5, true), Verdict::Next);
    assert_eq!(timelines.offer(&c, 5, true), Verdict::Known);
    assert_eq!(timelines.offer(&c, 2, true), Verdict::Known);
    assert_eq!(timelines.position(&c), Some(5));
    assert_eq!(timelines.next_wish(), None);
}

#[test]
fn while_it_is_behind_a_push_does_not_say_what_comes_next() {
    let (mut timelines, c) = (Timelines::default(), conv("c"));
    // Whoever was away from 5 to 7 stands at 4: 5 is not theirs, but may be pushed late.
    timelines.place(&c, 4, 8);
    assert_eq!(timelines.offer(&c, 5, true), Verdict::Behind);
    timelines.next_wish();
    assert_eq!(timelines.offer(&c, 5, true), Verdict::Behind);
    assert_eq!(timelines.fetched(&c, 8), Verdict::Next);
    timelines.page_end(&c, Some(8), 8);
    assert_eq!(timelines.offer(&c, 9, true), Verdict::Next);
}

#[test]
fn who_has_left_is_shown_nothing_that_is_pushed_until_a_page_says_that_they_are_back() {
    let (mut timelines, c) = at(4);
    assert_eq!(timelines.offer(&c, 5, true), Verdict::Next);
    timelines.left(&c);
    assert_eq!(timelines.offer(&c, 6, true), Verdict::Behind);
    assert!(timelines.next_wish().is_some());
    timelines.page_end(&c, Some(5), 5);
    assert_eq!(timelines.offer(&c, 6, true), Verdict::Behind, "they are still away");
    assert!(timelines.next_wish().is_some());
    assert_eq!(timelines.fetched(&c, 7), Verdict::Next);
    timelines.page_end(&c, Some(7), 7);
    assert_eq!(timelines.offer(&c, 8, true), Verdict::Next);
}

#[test]
fn a_gap_is_fetched_once_from_the_position_on() {
    let (mut timelines, c) = at(4);
    assert_eq!(timelines.offer(&c, 7, true), Verdict::Behind);
    assert_eq!(timelines.offer(&c, 9, true), Verdict::Behind);
    let wish = Wish::Fetch { conv_id: Arc::clone(&c), after_seq: 4 };
    assert_eq!(timelines.next_wish(), Some(wish));
    assert_eq!(timelines.offer(&c, 10, true), Verdict::Behind);
    assert_eq!(timelines.next_wish(), None, "one fetch at a time");
    for seq in 5..=9 {
        assert_eq!(timelines.fetched(&c, seq), Verdict::Next);
    }
    timelines.page_end(&c, Some(9), 9);
    let wish = Wish::Fetch { conv_id: Arc::clone(&c), after_seq: 9 };
    assert_eq!(timelines.next_wish(), Some(wish), "10 came while the page was on its way");
}

#[test]
fn in_an_unknown_conversation_the_position_is_asked_for_first() {
    let (mut timelines, c) = (Timelines::default(), conv("c"));
    assert_eq!(timelines.offer(&c, 8, true), Verdict::Behind);
    assert_eq!(timelines.next_wish(), Some(Wish::Position(Arc::clone(&c))));
    timelines.place(&c, 7, 8);
    let wish = Wish::Fetch { conv_id: Arc::clone(&c), after_seq: 7 };
    assert_eq!(timelines.next_wish(), Some(wish));
}

#[test]
fn a_cursor_that_lags_does_not_take_the_position_back() {
    let (mut timelines, c) = at(4);
    timelines.offer(&c, 5, true);
    timelines.place(&c, 4, 5);
    assert_eq!(timelines.position(&c), Some(5));
    assert_eq!(timelines.next_wish(), None);
}

#[test]
fn without_room_an_entry_is_only_remembered() {
    let (mut timelines, c) = at(0);
    assert_eq!(timelines.offer(&c, 1, false), Verdict::Behind);
    let wish = Wish::Fetch { conv_id: Arc::clone(&c), after_seq: 0 };
    assert_eq!(timelines.next_wish(), Some(wish));
}

#[test]
fn what_the_user_may_not_see_is_passed_over() {
    let (mut timelines, c) = at(4);
    timelines.offer(&c, 9, true);
    timelines.next_wish();
    assert_eq!(timelines.fetched(&c, 7), Verdict::Next);
    timelines.page_end(&c, Some(9), 9);
    assert_eq!(timelines.position(&c), Some(9));
    assert_eq!(timelines.next_wish(), None);
}

#[test]
fn a_head_that_nothing_leads_to_is_not_asked_for_for_ever() {
    let (mut timelines, c) = at(4);
    timelines.offer(&c, 9, true);
    timelines.next_wish();
    timelines.page_end(&c, Some(4), 4);
    assert_eq!(timelines.next_wish(), None);
    assert!(timelines.has_reached(&c, 9), "nobody waits for it either");
}

#[test]
fn a_page_that_was_cut_short_is_fetched_again_from_where_it_was_cut() {
    let (mut timelines, c) = at(0);
    timelines.raise(&c, 3);
    timelines.next_wish();
    timelines.fetched(&c, 1);
    timelines.page_end(&c, None, 3);
    let wish = Wish::Fetch { conv_id: Arc::clone(&c), after_seq: 1 };
    assert_eq!(timelines.next_wish(), Some(wish));
}

#[test]
fn only_idle_conversations_that_may_be_found_again_are_forgotten() {
    let mut timelines = Timelines::default();
    let (idle, behind, unsaved) = (conv("idle"), conv("behind"), conv("unsaved"));
    timelines.place(&idle, 1, 1);
    timelines.place(&behind, 1, 2);
    timelines.place(&unsaved, 1, 1);
    timelines.forget_idle(3, |_, _| true);
    assert_eq!(timelines.timelines.len(), 3, "there is room");
    timelines.forget_idle(2, |conv_id, _| *conv_id != unsaved);
    assert!(!timelines.timelines.contains_key(&idle));
    assert_eq!(timelines.timelines.len(), 2);
}

const CONVERSATIONS: usize = 3;
const LENGTH: i64 = 12;

/// What can happen to a session, in any order.
#[derive(Clone, Debug)]
enum Event {
    /// Another entry is committed.
    Commit(usize),
    /// A push of a committed entry arrives: perhaps again, perhaps late.
    Push {
        conv: usize,
        back: i64,
        room: bool,
    },
    /// im-message is asked for the next thing.
    Ask,
    /// The answer to one of the open questions was made now, or arrives, or is an error.
    Read(usize),
    Answer {
        which: usize,
        room: usize,
    },
    Fail(usize),
    /// All heads are compared.
    Resync,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..CONVERSATIONS).prop_map(Event::Commit),
        6 => (0..CONVERSATIONS, 0..4i64, prop::bool::weighted(0.8))
            .prop_map(|(conv, back, room)| Event::Push { conv, back, room }),
        3 => Just(Event::Ask),
        3 => (0..4usize).prop_map(Event::Read),
        3 => (0..4usize, 0..6usize).prop_map(|(which, room)| Event::Answer { which, room }),
        1 => (0..4usize).prop_map(Event::Fail),
        1 => Just(Event::Resync),
    ];
    prop::collection::vec(event, 0..200)
}

/// The truth, the session under test and what it has shown.
struct Model {
    timelines: Timelines,
    heads: [i64; CONVERSATIONS],
    cursors: [i64; CONVERSATIONS],
    hidden: Vec<bool>,
    shown: [Vec<i64>; CONVERSATIONS],
    open: Vec<(Wish, Option<Read>)>,
}

/// What im-message answered, at the time when it read the database.
#[derive(Clone, Debug)]
enum Read {
    Position { cursor: i64, head: i64 },
    Page { seqs: Vec<i64>, complete_to: i64, head: i64 },
}

impl Model {
    const PAGE: usize = 3;

    fn new(cursors: [i64; CONVERSATIONS], hidden: Vec<bool>) -> Self {
        Self {
            timelines: Timelines::default(),
            heads: cursors,
            cursors,
            hidden,
            shown: Default::default(),
            open: Vec::new(),
        }
    }

    fn name(conv: usize) -> ConvId {
        Arc::from(conv.to_string())
    }

    fn index(conv_id: &ConvId) -> usize {
        conv_id.parse().unwrap()
    }

    fn is_hidden(&self, conv: usize, seq: i64) -> bool {
        let index = conv * usize::try_from(LENGTH).unwrap() + usize::try_from(seq).unwrap() - 1;
        self.hidden[index]
    }

    fn read(&self, wish: &Wish) -> Read {
        match wish {
            Wish::Position(conv_id) => {
                let conv = Self::index(conv_id);
                Read::Position { cursor: self.cursors[conv], head: self.heads[conv] }
            }
            Wish::Fetch { conv_id, after_seq } => {
                let conv = Self::index(conv_id);
                let head = self.heads[conv];
                let seqs = (after_seq + 1..=head).filter(|seq| !self.is_hidden(conv, *seq));
                let seqs: Vec<i64> = seqs.take(Self::PAGE).collect();
                let full = seqs.len() == Self::PAGE;
                let complete_to = if full { seqs[Self::PAGE - 1] } else { head };
                Read::Page { seqs, complete_to, head }
            }
        }
    }

    fn answer(&mut self, wish: &Wish, read: Read, room: usize) {
        match (wish, read) {
            (Wish::Position(conv_id), Read::Position { cursor, head }) => {
                self.timelines.place(conv_id, cursor, head);
            }
            (Wish::Fetch { conv_id, .. }, Read::Page { seqs, complete_to, head }) => {
                for (index, seq) in seqs.into_iter().enumerate() {
                    if index == room {
                        self.timelines.page_end(conv_id, None, head);
                        return;
                    }
                    if self.timelines.fetched(conv_id, seq) == Verdict::Next {
                        self.shown[Self::index(conv_id)].push(seq);
                    }
                }
                self.timelines.page_end(conv_id, Some(complete_to), head);
            }
            other => panic!("{other:?}"),
        }
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Commit(conv) => self.heads[conv] = (self.heads[conv] + 1).min(LENGTH),
            Event::Push { conv, back, room } => {
                let seq = self.heads[conv] - back;
                if seq > 0
                    && !self.is_hidden(conv, seq)
                    && self.timelines.offer(&Self::name(conv), seq, room) == Verdict::Next
                {
                    self.shown[conv].push(seq);
                }
            }
            Event::Ask => self.open.extend(self.timelines.next_wish().map(|wish| (wish, None))),
            Event::Read(which) => {
                if let Some((wish, None)) = self.open.get(which).cloned() {
                    self.open[which].1 = Some(self.read(&wish));
                }
            }
            Event::Answer { which, room } => {
                if let Some((wish, Some(read))) = self.open.get(which).cloned() {
                    self.open.remove(which);
                    self.answer(&wish, read, room);
                }
            }
            Event::Fail(which) => {
                if which < self.open.len() {
                    match self.open.remove(which).0 {
                        Wish::Position(conv_id) | Wish::Fetch { conv_id, .. } => {
                            self.timelines.failed(&conv_id);
                        }
                    }
                }
            }
            Event::Resync => {
                for conv in 0..CONVERSATIONS {
                    if self.heads[conv] > self.cursors[conv] {
                        let (cursor, head) = (self.cursors[conv], self.heads[conv]);
                        self.timelines.place(&Self::name(conv), cursor, head);
                    }
                }
            }
        }
    }

    /// Everything open is answered, heads are compared, and so on until nothing is wished for.
    fn settle(&mut self) {
        self.apply(&Event::Resync);
        for (wish, read) in std::mem::take(&mut self.open) {
            let read = read.unwrap_or_else(|| self.read(&wish));
            self.answer(&wish, read, usize::MAX);
        }
        self.apply(&Event::Resync);
        let mut rounds = 0;
        while let Some(wish) = self.timelines.next_wish() {
            let read = self.read(&wish);
            self.answer(&wish, read, usize::MAX);
            rounds += 1;
            assert!(rounds < 100, "asks for ever");
        }
    }

    fn visible(&self, conv: usize, to: i64) -> Vec<i64> {
        let all = self.cursors[conv] + 1..=to;
        all.filter(|seq| !self.is_hidden(conv, *seq)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is pushed, doubled, lost, late, refused for lack of room, failed or cut short: what
    /// is shown is at each moment the beginning of the conversation as the user may see it, and
    /// after heads were compared all of it.
    #[test]
    fn every_session_is_shown_each_conversation_in_order_without_holes_or_doubles(
        cursors in [0..4i64, 0..4i64, 0..4i64],
        hidden in prop::collection::vec(prop::bool::weighted(0.2), CONVERSATIONS * 12),
        events in events(),
    ) {
        let mut model = Model::new(cursors, hidden);
        for event in &events {
            model.apply(event);
            for conv in 0..CONVERSATIONS {
                let all = model.visible(conv, model.heads[conv]);
                prop_assert!(all.starts_with(&model.shown[conv]), "{:?} of {all:?}", model.shown[conv]);
            }
        }
        model.settle();
        for conv in 0..CONVERSATIONS {
            prop_assert_eq!(&model.shown[conv], &model.visible(conv, model.heads[conv]));
        }
    }
}
