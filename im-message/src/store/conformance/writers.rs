//! What many did at once must be something that the model could have done, one after the other.
//!
//! Each conversation is looked at by itself. Its new entries have an order, their seqs; the model goes
//! through it. What a batch was answered must be what the model answers at one point of that order,
//! which is neither before something that was acknowledged when the batch began nor behind something
//! that began when it had been answered.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::random::{World, seed, shape};
use super::*;
use crate::store::model::Model;

const WRITERS: u64 = 8;
const BATCHES: usize = 12;
/// A member of both groups from the beginning on, and nobody's author.
const READER: i64 = 9;

/// A batch, and when.
struct Call {
    batch: Arc<[NewEntry]>,
    answers: Vec<Result<Appended, AppendError>>,
    /// Moments of one clock for all: what ended before another began has a smaller one.
    began: u64,
    ended: u64,
}

/// What a call asked of one conversation, in the order in which it asked.
struct Part<'c> {
    call: &'c Call,
    entries: Vec<NewEntry>,
    answers: Vec<Result<Appended, AppendError>>,
}

pub(crate) async fn what_many_write_at_once_could_have_been_written_in_turn<T: Timeline>(
    store: Arc<T>,
) {
    let seed = seed();
    let clock = Arc::new(AtomicU64::new(0));
    let groups = World::new(seed, 1).groups();
    let joining: Arc<[NewEntry]> = groups.iter().map(|&group| joined(group, READER, "j")).collect();
    let mut calls = vec![call(&*store, joining, &clock).await];
    let writing: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, clock) = (store.clone(), clock.clone());
            let mut world = World::new(seed.wrapping_add(writer), 1);
            tokio::spawn(async move {
                let mut calls = Vec::new();
                for _ in 0..BATCHES {
                    // A key that a refusal uses up has no seq, which would tell when that was.
                    let once = |entry: &NewEntry| NewEntry { repeatable: false, ..entry.clone() };
                    let batch = world.batch().iter().map(once).collect();
                    calls.push(call(&*store, batch, &clock).await);
                }
                calls
            })
        })
        .collect();
    let reading = groups.map(|group| tokio::spawn(follow(store.clone(), group)));
    for writer in writing {
        calls.extend(writer.await.unwrap());
    }
    let convs: HashSet<ConvId> =
        calls.iter().flat_map(|call| call.batch.iter().map(|entry| entry.conv)).collect();
    for conv in convs {
        let model = check(conv, &calls).await;
        for uid in 1..=READER {
            assert_eq!(
                seen(&*store, uid, conv).await,
                seen(&model, uid, conv).await,
                "{uid} {conv}"
            );
        }
        assert_eq!(members(&*store, conv).await, members(&model, conv).await, "{conv}");
    }
    let mut msg_ids = HashSet::new();
    let new = calls.iter().flat_map(|call| call.answers.iter().flatten()).filter(|it| it.new);
    new.for_each(|it| assert!(msg_ids.insert(it.msg_id), "{} was given twice", it.msg_id));
    for (group, reading) in groups.into_iter().zip(reading) {
        // The last entry tells the one who reads that there is nothing more.
        put(&*store, left(group, READER, "l")).await;
        let stored = visible(&*store, READER, group).await.unwrap().entries;
        assert_eq!(reading.await.unwrap(), stored, "what was read along is what is there");
    }
}

async fn call<T: Timeline>(store: &T, batch: Arc<[NewEntry]>, clock: &AtomicU64) -> Call {
    let began = clock.fetch_add(1, Ordering::SeqCst);
    let answers = store.append(batch.clone(), NOW_MS).await;
    let ended = clock.fetch_add(1, Ordering::SeqCst);
    for (entry, answer) in batch.iter().zip(&answers) {
        // Deadlocks and their like are the store's own business.
        assert!(!matches!(answer, Err(AppendError::Store(_))), "{entry:?}: {answer:?}");
    }
    Call { batch, answers, began, ended }
}

/// Reads a conversation while it is written, until [`READER`] leaves it: each read must go on exactly
/// where the last one ended.
async fn follow<T: Timeline>(store: Arc<T>, conv: ConvId) -> Vec<Entry> {
    let mut read: Vec<Entry> = Vec::new();
    let limit = RangeLimit { entries_max: 7, bytes_max: usize::MAX };
    while read.last().is_none_or(|entry| (entry.author, &entry.content) != (READER, &Content::Left))
    {
        let after = read.last().map_or(0, |entry| entry.seq);
        let range = store.range(READER, conv, after, limit).await.unwrap().unwrap();
        assert!(range.head >= range.complete_to, "{range:?}");
        for entry in range.entries {
            let next = read.last().map_or(entry.seq, |before| before.seq + 1);
            assert_eq!(entry.seq, next, "a hole, or something that came later");
            read.push(entry);
        }
        tokio::task::yield_now().await;
    }
    read
}

/// Checks one conversation; the model after everything.
async fn check(conv: ConvId, calls: &[Call]) -> Model {
    let parts: Vec<Part<'_>> = calls.iter().filter_map(|call| part(conv, call)).collect();
    let news = in_order(&parts);
    // The model after 0, 1, 2 … new entries.
    let mut models = vec![Model::new()];
    for (entry, appended, _) in news.values() {
        let model = models.last().unwrap().fork();
        let again = model.append(Arc::from([(*entry).clone()]), NOW_MS).await;
        assert_eq!(shape(&again), shape(&[Ok(*appended)]), "{entry:?}");
        models.push(model);
    }
    for part in &parts {
        let mut possible = false;
        for before in points(part, &news) {
            let model = models[before].fork();
            let answers = model.append(Arc::from(part.entries.clone()), NOW_MS).await;
            possible |= shape(&answers) == shape(&part.answers);
        }
        assert!(possible, "{conv}: {:?} was answered {:?}", part.entries, part.answers);
        for answer in part.answers.iter().flatten() {
            assert_eq!(answer.msg_id, news[&answer.seq].1.msg_id, "a repetition has its numbers");
        }
    }
    models.pop().unwrap()
}

fn part(conv: ConvId, call: &Call) -> Option<Part<'_>> {
    let both = call.batch.iter().zip(&call.answers).filter(|(entry, _)| entry.conv == conv);
    let (entries, answers): (Vec<_>, Vec<_>) =
        both.map(|(entry, answer)| (entry.clone(), answer.clone())).unzip();
    (!entries.is_empty()).then_some(Part { call, entries, answers })
}

type News<'p> = BTreeMap<i64, (&'p NewEntry, Appended, &'p Call)>;

/// What is new, by seq: without holes, with msg_ids that grow, and nothing before what was
/// acknowledged when it began.
fn in_order<'p>(parts: &'p [Part<'p>]) -> News<'p> {
    let mut news = News::new();
    for part in parts {
        for (entry, answer) in part.entries.iter().zip(&part.answers) {
            if let Ok(appended @ Appended { seq, new: true, .. }) = answer {
                let twice = news.insert(*seq, (entry, *appended, part.call));
                assert!(
                    twice.is_none(),
                    "{seq} was given twice: {entry:?} and {twice:?}",
                    twice = twice.map(|it| it.0)
                );
            }
        }
    }
    assert!(news.keys().copied().eq(1..=i64::try_from(news.len()).unwrap()), "{:?}", news.keys());
    assert!(news.values().is_sorted_by_key(|(_, appended, _)| appended.msg_id));
    let mut latest = 0;
    for (seq, (_, _, call)) in &news {
        assert!(call.ended > latest, "{seq} stands behind what began after it was acknowledged");
        latest = latest.max(call.began);
    }
    news
}

/// Behind how many new entries a part can have been decided.
fn points(part: &Part<'_>, news: &News<'_>) -> std::ops::RangeInclusive<usize> {
    let own = part.answers.iter().flatten().filter(|appended| appended.new).map(|it| it.seq);
    if let Some(first) = own.min() {
        let before = usize::try_from(first).unwrap() - 1;
        return before..=before;
    }
    let acknowledged = news.values().filter(|(.., call)| call.ended < part.call.began);
    let least = acknowledged.map(|(_, appended, _)| appended.seq).max().unwrap_or(0);
    let begun_later = news.values().filter(|(.., call)| call.began > part.call.ended);
    let most = begun_later.map(|(_, appended, _)| appended.seq - 1).min();
    usize::try_from(least).unwrap()..=most.map_or(news.len(), |most| usize::try_from(most).unwrap())
}

/// What a user sees, but for the numbers that the model gives in its own way.
async fn seen(store: &impl Timeline, uid: i64, conv: ConvId) -> Option<Range> {
    let mut range = visible(store, uid, conv).await?;
    range.entries.iter_mut().for_each(|entry| entry.msg_id = 0);
    Some(range)
}
