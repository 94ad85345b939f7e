//! Histories nobody thought of: the same random operations on the adapter and on the model.

use super::*;
use crate::store::model::Model;

/// Each is a history of its own, in the same store: the adapter sees many users and groups.
const HISTORIES: u64 = 20;
const STEPS: usize = 60;

pub(crate) async fn random_histories_agree_with_the_model<T: Timeline + ReadState>(store: Arc<T>) {
    histories(&*store, true).await;
}

/// As [`random_histories_agree_with_the_model`], but for the order in which conversations are listed,
/// which several instances keep to a second only.
pub(crate) async fn histories_of_several_instances_agree_with_the_model<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    histories(&*store, false).await;
}

/// Set to what a failure printed, it makes the same history again, the first of all.
const SEED: &str = "TEST_SEED";

/// What a random test begins with, another one each time unless it is given.
pub(super) fn seed() -> u64 {
    let given = std::env::var(SEED).ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect(SEED));
    println!("{SEED}={seed}");
    seed
}

async fn histories(store: &(impl Timeline + ReadState), in_order: bool) {
    let base = seed();
    for history in 0..HISTORIES {
        let seed = base.wrapping_add(history);
        println!("{SEED}={seed}");
        let model = Model::new();
        // Users and groups that no earlier history used.
        let first = i64::try_from(history).unwrap() * 10 + 1;
        let mut world = World { in_order, ..World::new(seed, first) };
        for step in 0..STEPS {
            world.step(store, &model, step).await;
        }
        // The next model knows nothing of them.
        store.forget_refusals(i64::MAX, usize::MAX >> 1).await.unwrap();
    }
}

/// Some users and groups, and what they might do.
pub(super) struct World {
    random: fastrand::Rng,
    /// The lowest id of theirs.
    first: i64,
    /// Whether the order in which conversations are listed is looked at.
    in_order: bool,
}

impl World {
    pub(super) fn new(seed: u64, first: i64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), first, in_order: true }
    }

    pub(super) fn groups(&self) -> [ConvId; 2] {
        [0, 1].map(|n| ConvId::Group(self.first + n))
    }

    pub(super) fn batch(&mut self) -> Arc<[NewEntry]> {
        let length = self.random.usize(1..8);
        (0..length).map(|_| self.entry()).collect()
    }

    fn uid(&mut self) -> i64 {
        self.first + self.random.i64(0..4)
    }

    fn conv(&mut self) -> ConvId {
        match self.random.bool() {
            true => ConvId::Group(self.first + self.random.i64(0..2)),
            false => ConvId::pair(self.uid(), self.uid()),
        }
    }

    /// Few keys and texts, so that repetitions and conflicts are common.
    fn entry(&mut self) -> NewEntry {
        let (conv, author) = (self.conv(), self.uid());
        let group = ConvId::Group(self.first + self.random.i64(0..2));
        let key = self.random.u8(0..30).to_string();
        match self.random.u8(0..10) {
            0..3 => joined(group, author, &key),
            3 => left(group, author, &key),
            _ => {
                let receipts = self.random.u8(0..4) == 0;
                let text = text(conv, author, &key, ["yes", "no"][self.random.usize(0..2)]);
                NewEntry { receipts, repeatable: self.random.bool(), ..text }
            }
        }
    }

    /// Some have two devices.
    fn reader(&mut self) -> Reader {
        let device = ["text", "mobile:a"][self.random.usize(0..2)];
        Reader { uid: self.uid(), device: device.to_owned() }
    }

    async fn step(&mut self, store: &(impl Timeline + ReadState), model: &Model, step: usize) {
        let (conv, reader) = (self.conv(), self.reader());
        let moves = vec![(conv, self.random.i64(0..9)), (self.conv(), self.random.i64(0..9))];
        match self.random.u8(0..15) {
            0..5 => {
                let batch = self.batch();
                let ours = store.append(batch.clone(), NOW_MS).await;
                let theirs = model.append(batch.clone(), NOW_MS).await;
                assert_eq!(shape(&ours), shape(&theirs), "step {step}: {batch:?}");
            }
            5 => {
                let ours = store.advance_cursors(&reader, moves.clone()).await.unwrap();
                let theirs = model.advance_cursors(&reader, moves.clone()).await.unwrap();
                assert_eq!(ours, theirs, "step {step}: {reader:?} {moves:?}");
            }
            6 => {
                store.mark_given(&reader, moves.clone()).await.unwrap();
                model.mark_given(&reader, moves).await.unwrap();
            }
            7 => {
                store.confirm_given(&reader).await.unwrap();
                model.confirm_given(&reader).await.unwrap();
            }
            8 => {
                store.withdraw_given(&reader).await.unwrap();
                model.withdraw_given(&reader).await.unwrap();
            }
            9 => {
                let (uid, (conv, seq)) = (reader.uid, moves[0]);
                let ours = store.mark_read(uid, conv, seq).await;
                let theirs = model.mark_read(uid, conv, seq).await;
                let shape = |outcome: Result<Marked, MarkReadError>| format!("{outcome:?}");
                assert_eq!(shape(ours), shape(theirs), "step {step}: {uid} {conv} {seq}");
            }
            10 => {
                let expired = Expired {
                    before_ms: i64::MIN,
                    below_seq: self.random.i64(0..12),
                    settled_before_ms: i64::MAX,
                };
                let most = self.random.usize(1..4);
                let ours = store.trim(conv, expired, most).await.unwrap();
                assert_eq!(ours, model.trim(conv, expired, most).await.unwrap(), "step {step}");
            }
            11 => {
                let generation = self.random.i64(1..5);
                let ours = store.open_device(&reader, generation).await.unwrap();
                let theirs = model.open_device(&reader, generation).await.unwrap();
                assert_eq!(ours, theirs, "step {step}: {reader:?} {generation}");
            }
            12 => {
                let generation = self.random.i64(1..5);
                store.forget_device(&reader, generation).await.unwrap();
                model.forget_device(&reader, generation).await.unwrap();
            }
            13 => {
                let ours = store.forget_refusals(NOW_MS + 1, 1_000).await.unwrap();
                let theirs = model.forget_refusals(NOW_MS + 1, 1_000).await.unwrap();
                assert_eq!(ours, theirs, "step {step}");
            }
            _ => {
                let (by, whom, max) = (reader.uid, self.uid(), self.random.usize(1..4));
                if self.random.bool() {
                    let ours = store.block(by, whom, NOW_MS, max).await.unwrap();
                    assert_eq!(ours, model.block(by, whom, NOW_MS, max).await.unwrap());
                } else {
                    store.unblock(by, whom).await.unwrap();
                    model.unblock(by, whom).await.unwrap();
                }
                let ours = store.blocked(by, 0, 2).await.unwrap();
                assert_eq!(ours, model.blocked(by, 0, 2).await.unwrap(), "step {step}");
            }
        }
        let limit = RangeLimit { entries_max: self.random.usize(1..6), bytes_max: 12 };
        let after = self.random.i64(0..6);
        assert_eq!(
            look(store, &reader, conv, (after, limit), self.in_order).await,
            look(model, &reader, conv, (after, limit), self.in_order).await,
            "step {step}: {reader:?} {conv} after {after} {limit:?}"
        );
        let uids: Vec<i64> = (self.first..self.first + 4).collect();
        assert_eq!(
            look_together(store, uids.clone(), conv, after, limit).await,
            look_together(model, uids, conv, after, limit).await,
            "step {step}: {conv} after {after} {limit:?}"
        );
        assert_eq!(
            read_state(store, &reader, conv, (after, limit), self.in_order).await,
            read_state(model, &reader, conv, (after, limit), self.in_order).await,
            "step {step}: {reader:?} {conv} before {after} {limit:?}"
        );
    }
}

/// What all users see of a conversation, but for its msg_ids.
async fn look_together(
    store: &impl Timeline,
    uids: Vec<i64>,
    conv: ConvId,
    after: i64,
    limit: RangeLimit,
) -> SharedRange {
    let mut shared = store.range_for_many(uids, conv, after, limit).await.unwrap();
    shared.entries.iter_mut().for_each(|entry| entry.msg_id = 0);
    shared
}

/// An answer without its msg_id: the adapter's histories share one row of those.
pub(super) fn shape(answers: &[Result<Appended, AppendError>]) -> Vec<Result<(i64, bool), String>> {
    let shape = |answer: &Result<Appended, AppendError>| match answer {
        Ok(appended) => Ok((appended.seq, appended.new)),
        Err(error) => Err(error.to_string()),
    };
    answers.iter().map(shape).collect()
}

/// Everything that can be seen from outside.
pub(super) async fn look(
    store: &(impl Timeline + ReadState),
    reader: &Reader,
    conv: ConvId,
    (after, limit): (i64, RangeLimit),
    in_order: bool,
) -> (Vec<Position>, (Vec<Position>, bool), Option<Range>, Vec<i64>, bool) {
    let mut range = store.range(reader.uid, conv, after, limit).await.unwrap();
    let entries = range.iter_mut().flat_map(|range| &mut range.entries);
    entries.for_each(|entry| entry.msg_id = 0);
    let page = if in_order { 3 } else { 1_000 };
    let mut behind = store.behind(reader, None, page).await.unwrap().unwrap();
    if !in_order {
        behind.0.sort_by_key(|position| position.conv);
    }
    (
        store.positions(reader, vec![conv]).await.unwrap(),
        behind,
        range,
        members(store, conv).await,
        store.exists(conv).await.unwrap(),
    )
}

/// What users have read, and ways back: what [`look`] does not show.
pub(super) async fn read_state(
    store: &(impl Timeline + ReadState),
    reader: &Reader,
    conv: ConvId,
    (before, limit): (i64, RangeLimit),
    in_order: bool,
) -> (Vec<Conversation>, Option<Earlier>, Option<(Vec<Receipt>, bool)>) {
    let mut listed: Vec<Conversation> = Vec::new();
    loop {
        let after = listed.last().map(|last| last.place.clone());
        let (page, more) = store.conversations(reader, after, 2).await.unwrap();
        listed.extend(page);
        if !more {
            break;
        }
    }
    if !in_order {
        listed.sort_by_key(|listed| listed.place.conv);
    }
    for found in &mut listed {
        found.place.last_msg_id = 0;
        found.last.iter_mut().for_each(|entry| entry.msg_id = 0);
    }
    let mut earlier = store.range_before(reader.uid, conv, before, limit).await.unwrap();
    let entries = earlier.iter_mut().flat_map(|earlier| &mut earlier.entries);
    entries.for_each(|entry| entry.msg_id = 0);
    let receipts = store.receipts(reader.uid, conv, before, limit.entries_max).await.unwrap();
    (listed, earlier, receipts)
}
