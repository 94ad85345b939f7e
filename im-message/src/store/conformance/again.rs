//! Tries of the same: while another may still be on its way, a refusal has to be the last word.

use super::*;

fn repeatable(entry: NewEntry) -> NewEntry {
    NewEntry { repeatable: true, ..entry }
}

async fn block(store: &impl Timeline, by: i64, whom: i64) {
    assert!(store.block(by, whom, NOW_MS, 9).await.unwrap());
}

async fn blocked(store: &impl Timeline, entry: NewEntry) {
    let answer = try_put(store, entry).await;
    assert!(matches!(answer, Err(AppendError::Blocked)), "{answer:?}");
}

pub(crate) async fn what_is_refused_when_it_is_tried_again_stays_refused<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let late = || text(conv, 2, "late", "are you there");
    put(&*store, text(conv, 2, "first", "hello")).await;
    block(&*store, 1, 2).await;
    let batch = [repeatable(late()), repeatable(late()), text(conv, 1, "fine", "of the other")];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    assert!(matches!(answers[0], Err(AppendError::Blocked)), "{answers:?}");
    assert!(matches!(answers[1], Err(AppendError::Blocked)), "{answers:?}");
    assert_eq!(answers[2].as_ref().unwrap().seq, 2);
    store.unblock(1, 2).await.unwrap();
    // The earlier try comes now, alone and with others.
    blocked(&*store, late()).await;
    let batch = [text(conv, 2, "next", "and this"), late(), text(conv, 2, "last", "and that")];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    assert!(matches!(answers[1], Err(AppendError::Blocked)), "{answers:?}");
    let seqs = [0, 2].map(|at: usize| answers[at].as_ref().unwrap().seq);
    assert_eq!(seqs, [3, 4], "the history has no hole");
    assert_eq!(visible_seqs(&*store, 1, conv).await, [1, 2, 3, 4]);
    // Another user's key of the same name is another key.
    assert_eq!(put(&*store, text(conv, 1, "late", "mine")).await.seq, 5);
}

/// Their conversation has nothing but who shuts out whom.
pub(crate) async fn a_first_message_that_is_refused_when_it_is_tried_again_stays_refused<
    T: Timeline,
>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    block(&*store, 1, 2).await;
    blocked(&*store, repeatable(text(conv, 2, "late", "hello"))).await;
    store.unblock(1, 2).await.unwrap();
    assert!(!store.exists(conv).await.unwrap());
    blocked(&*store, text(conv, 2, "late", "hello")).await;
    blocked(&*store, text(conv, 2, "late", "hello")).await;
    assert_eq!(put(&*store, text(conv, 2, "next", "hello")).await.seq, 1);
    blocked(&*store, text(conv, 2, "late", "hello")).await;
    assert_eq!(visible_seqs(&*store, 1, conv).await, [1]);
}

pub(crate) async fn who_is_no_member_when_they_try_again_stays_refused<T: Timeline>(store: Arc<T>) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    let late = || text(GROUP, 2, "late", "too early");
    let not_member = async |entry| {
        let answer = try_put(&*store, entry).await;
        assert!(matches!(answer, Err(AppendError::NotMember)), "{answer:?}");
    };
    not_member(late()).await;
    not_member(repeatable(late())).await;
    put(&*store, joined(GROUP, 2, "j2")).await;
    not_member(late()).await;
    assert_eq!(put(&*store, text(GROUP, 2, "next", "in time")).await.seq, 3);
    assert_eq!(visible_seqs(&*store, 1, GROUP).await, [1, 2, 3]);
}

pub(crate) async fn what_was_written_is_answered_to_another_try_also_after_a_block<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let written = put(&*store, text(conv, 2, "k", "hello")).await;
    block(&*store, 1, 2).await;
    let answer = put(&*store, repeatable(text(conv, 2, "k", "hello"))).await;
    assert_eq!(answer, Appended { new: false, ..written });
    store.unblock(1, 2).await.unwrap();
    let answer = put(&*store, repeatable(text(conv, 2, "new", "never refused"))).await;
    assert_eq!((answer.seq, answer.new), (2, true));
}

pub(crate) async fn refusals_are_forgotten_by_their_age_and_a_few_at_a_time<T: Timeline>(
    store: Arc<T>,
) {
    let (pair, empty) = (ConvId::pair(1, 2), ConvId::pair(3, 2));
    put(&*store, text(pair, 2, "first", "hello")).await;
    for by in [1, 3] {
        block(&*store, by, 2).await;
    }
    // The oldest is neither in the first conversation nor the first that was refused.
    let tries = [(pair, "b", 20), (empty, "a", 10), (pair, "c", 30), (empty, "d", 40)];
    for (conv, key, ms) in tries {
        let batch = Arc::from([repeatable(text(conv, 2, key, "hello"))]);
        let answers = store.append(batch, NOW_MS + ms).await;
        assert!(matches!(answers[0], Err(AppendError::Blocked)), "{answers:?}");
    }
    for by in [1, 3] {
        store.unblock(by, 2).await.unwrap();
    }
    assert_eq!(store.forget_refusals(NOW_MS + 10, 9).await.unwrap(), 0, "none is older");
    assert_eq!(store.forget_refusals(NOW_MS + 40, 2).await.unwrap(), 2);
    // The oldest two are.
    blocked(&*store, text(pair, 2, "c", "hello")).await;
    assert_eq!(put(&*store, text(empty, 2, "a", "hello")).await.seq, 1);
    assert_eq!(put(&*store, text(pair, 2, "b", "hello")).await.seq, 2);
    let everything = Expired { before_ms: i64::MAX, below_seq: 0, settled_before_ms: 0 };
    store.trim(pair, everything, 9).await.unwrap();
    blocked(&*store, text(pair, 2, "c", "hello")).await;
    assert_eq!(store.forget_refusals(NOW_MS + 40, 2).await.unwrap(), 1);
    assert_eq!(store.forget_refusals(NOW_MS + 40, 2).await.unwrap(), 0);
    assert_eq!(put(&*store, text(pair, 2, "c", "hello")).await.seq, 3);
    blocked(&*store, text(empty, 2, "d", "hello")).await;
    assert_eq!(visible_seqs(&*store, 2, empty).await, [1]);
}

pub(crate) async fn what_was_refused_is_not_located<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    block(&*store, 1, 2).await;
    let batch = [text(conv, 1, "k", "hello"), repeatable(text(conv, 2, "k", "hello"))];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    let msg_id = answers[0].as_ref().unwrap().msg_id;
    assert!(matches!(answers[1], Err(AppendError::Blocked)), "{answers:?}");
    let located = store.locate(vec![msg_id, msg_id + 1]).await.unwrap();
    assert_eq!(located, [(conv, 1)]);
}

/// Whichever of them comes first, and however blocks come between them.
pub(crate) async fn tries_of_the_same_at_once_are_all_accepted_or_all_refused<T: Timeline>(
    store: Arc<T>,
) {
    const KEYS: usize = 60;
    let conv = ConvId::pair(1, 2);
    let entry = move |key: usize| repeatable(text(conv, 2, &key.to_string(), &key.to_string()));
    let tries: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut keys: Vec<usize> = (0..KEYS).collect();
                fastrand::shuffle(&mut keys);
                let mut accepted = vec![None; KEYS];
                for keys in keys.chunks(3) {
                    let batch = keys.iter().map(|key| entry(*key)).collect();
                    for (key, answer) in keys.iter().zip(store.append(batch, NOW_MS).await) {
                        let refused = matches!(answer, Err(AppendError::Blocked));
                        assert!(refused || answer.is_ok(), "{answer:?}");
                        accepted[*key] = answer.ok().map(|appended| appended.seq);
                    }
                }
                accepted
            })
        })
        .collect();
    while !tries.iter().all(|it| it.is_finished()) {
        block(&*store, 1, 2).await;
        store.unblock(1, 2).await.unwrap();
    }
    let mut answers = Vec::new();
    for tried in tries {
        answers.push(tried.await.unwrap());
    }
    assert!(answers.iter().all(|other| *other == answers[0]), "{answers:?}");
    let mut accepted: Vec<_> = answers.swap_remove(0).into_iter().flatten().collect();
    accepted.sort_unstable();
    assert_eq!(accepted, visible_seqs(&*store, 1, conv).await);
}
