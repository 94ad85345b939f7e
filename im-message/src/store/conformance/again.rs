//! Tries again: while an earlier try may still be on its way, a refusal has to be the last word.

use super::*;

fn again(entry: NewEntry) -> NewEntry {
    NewEntry { again: true, ..entry }
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
    let batch = [again(late()), again(late()), text(conv, 1, "fine", "of the other")];
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
    blocked(&*store, again(text(conv, 2, "late", "hello"))).await;
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
    not_member(again(late())).await;
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
    let answer = put(&*store, again(text(conv, 2, "k", "hello"))).await;
    assert_eq!(answer, Appended { new: false, ..written });
    store.unblock(1, 2).await.unwrap();
    let answer = put(&*store, again(text(conv, 2, "new", "never refused"))).await;
    assert_eq!((answer.seq, answer.new), (2, true));
}
