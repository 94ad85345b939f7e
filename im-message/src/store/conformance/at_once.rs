//! Cursors, read positions, blocks and retention, moved by many at once: whatever the order, they end
//! where the model does that is moved by one after the other, and on the way nothing goes back.

use tokio::sync::Barrier;

use super::random::{look, read_state, seed};
use super::*;
use crate::store::model::Model;

const MOVERS: u64 = 8;
const MOVES: i64 = 60;
const ENTRIES: i64 = 40;
const PEOPLE: [i64; 4] = [1, 2, 3, 4];
const DEVICES: [&str; 2] = ["text", "mobile:a"];

/// Of these the order does not matter, but for the blocks of one user, whom one mover has alone.
#[derive(Debug, Clone)]
enum Step {
    Advance(Vec<(Reader, ConvId, i64)>),
    Read(i64, ConvId, i64),
    Block(i64, i64),
    Unblock(i64, i64),
    Trim(ConvId, i64),
}

fn convs() -> [ConvId; 3] {
    [GROUP, ConvId::pair(1, 2), ConvId::pair(3, 4)]
}

fn steps(mover: u64, seed: u64) -> Vec<Step> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(mover));
    // Whom this mover blocks for; the others block nobody.
    let own = usize::try_from(mover).ok().and_then(|mover| PEOPLE.get(mover).copied());
    let step = |n: i64| {
        let conv = convs()[random.usize(0..3)];
        let uid = PEOPLE[random.usize(0..4)];
        // They rise together, so that there is something to move to the end.
        let seq = n * ENTRIES / MOVES / 2 + random.i64(0..4);
        match (random.u8(0..8), own) {
            (0..3, _) => {
                // Others in another order: whoever locks in the order of what was asked deadlocks.
                let mut moves = Vec::new();
                for uid in PEOPLE {
                    for device in DEVICES {
                        let reader = Reader { uid, device: device.to_owned() };
                        moves.push((reader, conv, seq + random.i64(0..4)));
                    }
                }
                random.shuffle(&mut moves);
                Step::Advance(moves)
            }
            (3..6, _) => {
                Step::Read(1 + uid % 2, [GROUP, ConvId::pair(1, 2)][random.usize(0..2)], seq)
            }
            (6, Some(own)) if uid != own => match random.bool() {
                true => Step::Block(own, uid),
                false => Step::Unblock(own, uid),
            },
            _ => Step::Trim(conv, random.i64(0..ENTRIES / 2)),
        }
    };
    (0..MOVES).map(step).collect()
}

/// What all movers begin at the same moment: each would take everybody to another place. Of those who write
/// what they decided from what they read before, the last one wins.
fn burst(mover: u64) -> Vec<Step> {
    let seq = ENTRIES - i64::try_from(mover).unwrap();
    let everywhere = PEOPLE.into_iter().flat_map(|uid| convs().map(|conv| (uid, conv)));
    everywhere.map(|(uid, conv)| Step::Read(uid, conv, seq)).collect()
}

/// No lock of another, and no deadlock, is any business of who asks.
async fn take(store: &(impl Timeline + ReadState), step: Step) {
    match step {
        Step::Advance(moves) => drop(store.advance_for_many(moves).await.unwrap()),
        Step::Read(uid, conv, seq) => {
            let outcome = store.mark_read(uid, conv, seq).await;
            assert!(!matches!(outcome, Err(MarkReadError::Store(_))), "{outcome:?}");
        }
        Step::Block(by, whom) => assert!(store.block(by, whom, NOW_MS, 9).await.unwrap()),
        Step::Unblock(by, whom) => store.unblock(by, whom).await.unwrap(),
        Step::Trim(conv, below_seq) => {
            let (before_ms, settled_before_ms) = (i64::MIN, i64::MAX);
            let expired = Expired { before_ms, below_seq, settled_before_ms };
            store.trim(conv, expired, 1_000).await.unwrap();
        }
    }
}

async fn talk(store: &impl Timeline) {
    for uid in PEOPLE {
        put(store, joined(GROUP, uid, "j")).await;
    }
    for n in 1..=ENTRIES {
        let says = |conv, author| text(conv, author, &n.to_string(), "hello");
        let [group, first, second] = convs();
        for entry in [says(group, 1 + n % 4), says(first, 1 + n % 2), says(second, 3 + n % 2)] {
            put(store, entry).await;
        }
    }
}

/// Everything that only grows, of everybody.
async fn grown(store: &(impl Timeline + ReadState)) -> Vec<(i64, ConvId, i64, i64, i64)> {
    let mut found = Vec::new();
    for uid in PEOPLE {
        for device in DEVICES {
            let reader = Reader { uid, device: device.to_owned() };
            let (listed, _) = store.conversations(&reader, None, 100).await.unwrap();
            found.extend(
                listed
                    .iter()
                    .map(|it| (uid, it.place.conv, it.position.cursor, it.read_seq, it.first_seq)),
            );
        }
    }
    found.sort_by_key(|(uid, conv, ..)| (*uid, *conv));
    found
}

pub(crate) async fn what_many_move_at_once_ends_where_it_would_in_turn<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let seed = seed();
    let model = Model::new();
    talk(&*store).await;
    talk(&model).await;
    let together = Arc::new(Barrier::new(usize::try_from(MOVERS).unwrap()));
    let moving: Vec<_> = (0..MOVERS)
        .map(|mover| {
            let (store, together) = (store.clone(), together.clone());
            tokio::spawn(async move {
                for step in steps(mover, seed) {
                    take(&*store, step).await;
                }
                for step in burst(mover) {
                    together.wait().await;
                    take(&*store, step).await;
                }
            })
        })
        .collect();
    let mut before = grown(&*store).await;
    while !moving.iter().all(|moving| moving.is_finished()) {
        let now = grown(&*store).await;
        for (before, now) in before.iter().zip(&now) {
            assert_eq!((before.0, before.1), (now.0, now.1));
            let grew = before.2 <= now.2 && before.3 <= now.3 && before.4 <= now.4;
            assert!(grew, "{before:?} went back to {now:?}");
        }
        before = now;
    }
    for moving in moving {
        moving.await.unwrap();
    }
    for mover in 0..MOVERS {
        for step in steps(mover, seed).into_iter().chain(burst(mover)) {
            take(&model, step).await;
        }
    }
    for uid in PEOPLE {
        assert_eq!(
            store.blocked(uid, 0, 9).await.unwrap(),
            model.blocked(uid, 0, 9).await.unwrap()
        );
        for device in DEVICES {
            let reader = Reader { uid, device: device.to_owned() };
            for conv in convs() {
                let whole = (0, EVERYTHING);
                let ours = look(&*store, &reader, conv, whole, false).await;
                assert_eq!(
                    ours,
                    look(&model, &reader, conv, whole, false).await,
                    "{reader:?} {conv}"
                );
                let back = (i64::MAX, RangeLimit { entries_max: 50, ..EVERYTHING });
                let ours = read_state(&*store, &reader, conv, back, false).await;
                let theirs = read_state(&model, &reader, conv, back, false).await;
                assert_eq!(ours, theirs, "{reader:?} {conv}");
            }
        }
    }
}
