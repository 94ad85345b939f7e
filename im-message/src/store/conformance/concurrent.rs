//! Many at once.

use std::collections::{BTreeMap, HashSet};

use super::*;

pub(crate) async fn concurrent_appenders_leave_no_hole_and_lose_nothing<T: Timeline>(
    store: Arc<T>,
) {
    const APPENDERS: i64 = 16;
    const BATCHES: i64 = 12;
    let pairs: Vec<ConvId> = (1..=4).map(|peer| ConvId::pair(100, peer)).collect();
    for uid in 0..APPENDERS {
        put(&*store, joined(GROUP, 1_000 + uid, "j")).await;
    }
    let appender = |uid: i64| {
        let (store, pairs) = (store.clone(), pairs.clone());
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..BATCHES {
                // Conversations in another order in each batch: whoever locks in order of
                // appearance deadlocks here.
                let mut batch = vec![text(GROUP, 1_000 + uid, &n.to_string(), "group")];
                batch.extend(pairs.iter().map(|&pair| text(pair, 100, &format!("{uid} {n}"), "")));
                let shift = usize::try_from(uid + n).unwrap() % batch.len();
                batch.rotate_left(shift);
                let batch: Arc<[NewEntry]> = Arc::from(batch);
                let answers = store.append(batch.clone(), NOW_MS).await;
                for (entry, answer) in batch.iter().zip(answers) {
                    acknowledged.push((entry.conv, entry.author, answer.unwrap()));
                }
            }
            acknowledged
        }
    };
    let tasks: Vec<_> = (0..APPENDERS).map(|uid| tokio::spawn(appender(uid))).collect();
    let mut acknowledged: BTreeMap<ConvId, Vec<(i64, i64, i64)>> = BTreeMap::new();
    let mut msg_ids = HashSet::new();
    for task in tasks {
        for (conv, author, appended) in task.await.unwrap() {
            assert!(msg_ids.insert(appended.msg_id), "{} was given twice", appended.msg_id);
            let of_conv = acknowledged.entry(conv).or_default();
            of_conv.push((appended.seq, appended.msg_id, author));
        }
    }
    for (conv, mut acknowledged) in acknowledged {
        acknowledged.sort_unstable();
        let uid = if conv == GROUP { 1_000 } else { 100 };
        let stored = visible(&*store, uid, conv).await.unwrap().entries;
        let seqs: Vec<i64> = stored.iter().map(|entry| entry.seq).collect();
        let count = i64::try_from(stored.len()).unwrap();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "{conv}");
        assert!(stored.is_sorted_by_key(|entry| entry.msg_id), "{conv}");
        let texts = stored.iter().filter(|entry| entry.content != Content::Joined);
        let texts: Vec<_> = texts.map(|entry| (entry.seq, entry.msg_id, entry.author)).collect();
        assert_eq!(texts, acknowledged, "{conv}");
    }
}

pub(crate) async fn concurrent_repetitions_become_one_message<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    let sender = |n: usize| {
        let store = store.clone();
        async move {
            let noise = text(conv, 2, &n.to_string(), "noise");
            let batch = Arc::from([noise, text(conv, 1, "k", "hello")]);
            let answers = store.append(batch, NOW_MS).await;
            *answers[1].as_ref().unwrap()
        }
    };
    let tasks: Vec<_> = (0..24).map(|n| tokio::spawn(sender(n))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    let numbers: HashSet<_> = answers.iter().map(|answer| (answer.seq, answer.msg_id)).collect();
    assert_eq!(numbers.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.new).count(), 1);
    assert_eq!(visible_seqs(&*store, 1, conv).await, (1..=25).collect::<Vec<_>>());
}

pub(crate) async fn a_message_that_races_with_membership_is_within_a_span<T: Timeline>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j")).await;
    let changing = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..20 {
                put(&*store, joined(GROUP, 2, &format!("j{n}"))).await;
                tokio::task::yield_now().await;
                put(&*store, left(GROUP, 2, &format!("l{n}"))).await;
            }
        }
    });
    let mut tries = 0;
    while !changing.is_finished() {
        tries += 1;
        let batch = [
            text(GROUP, 1, &format!("of a member {tries}"), ""),
            text(GROUP, 2, &format!("of a guest {tries}"), ""),
        ];
        let answers = store.append(Arc::from(batch), NOW_MS).await;
        assert!(answers[0].is_ok(), "{answers:?}");
        let as_expected = matches!(answers[1], Ok(_) | Err(AppendError::NotMember));
        assert!(as_expected, "{answers:?}");
    }
    changing.await.unwrap();
    let mut is_member = false;
    let mut theirs = Vec::new();
    for entry in visible(&*store, 1, GROUP).await.unwrap().entries {
        match (entry.author, &entry.content) {
            (2, Content::Joined) => is_member = true,
            (2, Content::Text(_)) => assert!(is_member, "seq {} is outside", entry.seq),
            _ => {}
        }
        if is_member {
            theirs.push(entry.seq);
        }
        is_member &= (entry.author, &entry.content) != (2, &Content::Left);
    }
    assert_eq!(visible_seqs(&*store, 2, GROUP).await, theirs);
}
