//! Who shuts out whom.

use super::*;

const MANY: usize = 1_000;

async fn refused(store: &impl Timeline, entry: NewEntry) {
    let answer = try_put(store, entry).await;
    assert!(matches!(answer, Err(AppendError::Blocked)), "{answer:?}");
}

async fn block(store: &impl Timeline, by: i64, whom: i64) -> bool {
    store.block(by, whom, NOW_MS, MANY).await.unwrap()
}

pub(crate) async fn who_is_shut_out_is_refused_until_let_in_again<T: Timeline>(store: Arc<T>) {
    // From both sides: each has a bit of its own.
    for (by, whom) in [(1, 2), (4, 3)] {
        let conv = ConvId::pair(by, whom);
        put(&*store, text(conv, whom, "a", "hello")).await;
        // Twice is once, and so is an end.
        assert!(block(&*store, by, whom).await);
        assert!(block(&*store, by, whom).await);
        refused(&*store, text(conv, whom, "b", "are you there")).await;
        assert_eq!(put(&*store, text(conv, by, "c", "the other way it goes")).await.seq, 2);
        // Neither other conversations of the two, nor groups that both are in.
        put(&*store, text(ConvId::pair(whom, 9), whom, "d", "to another")).await;
        put(&*store, joined(GROUP, whom, "j")).await;
        put(&*store, text(GROUP, whom, "d", "to a group")).await;
        for _ in 0..2 {
            store.unblock(by, whom).await.unwrap();
        }
        assert_eq!(put(&*store, text(conv, whom, "b", "are you there")).await.seq, 3);
        // The end of one is not the end of the other.
        assert!(block(&*store, by, whom).await && block(&*store, whom, by).await);
        store.unblock(by, whom).await.unwrap();
        refused(&*store, text(conv, by, "e", "")).await;
        assert_eq!(put(&*store, text(conv, whom, "e", "")).await.seq, 4);
    }
    store.unblock(77, 78).await.unwrap();
    assert!(!store.exists(ConvId::pair(77, 78)).await.unwrap());
}

pub(crate) async fn what_was_accepted_before_a_block_is_given_its_numbers_again<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let sent = put(&*store, text(conv, 2, "k", "hello")).await;
    block(&*store, 1, 2).await;
    let batch = [
        text(conv, 2, "new", "after the block"),
        text(conv, 2, "k", "hello"),
        text(conv, 2, "k", "another text"),
        text(conv, 1, "fine", "of the other"),
        text(conv, 2, "new", "after the block"),
    ];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    assert!(matches!(answers[0], Err(AppendError::Blocked)), "{answers:?}");
    assert_eq!(*answers[1].as_ref().unwrap(), Appended { new: false, ..sent });
    assert!(matches!(answers[2], Err(AppendError::Conflict)), "{answers:?}");
    assert_eq!(answers[3].as_ref().unwrap().seq, 2);
    assert!(matches!(answers[4], Err(AppendError::Blocked)), "{answers:?}");
    assert_eq!(visible_seqs(&*store, 1, conv).await, [1, 2], "what was accepted stays");
}

pub(crate) async fn a_block_before_the_first_message_is_in_force_and_shows_nowhere<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    assert!(block(&*store, 2, 1).await);
    refused(&*store, text(conv, 1, "a", "hello")).await;
    assert!(!store.exists(conv).await.unwrap());
    assert_eq!(visible(&*store, 1, conv).await, None);
    assert!(members(&*store, conv).await.is_empty());
    assert_eq!(position(&*store, 1, conv).await, None);
    assert_eq!(store.behind(&reader(1), None, 9).await.unwrap().unwrap(), (vec![], false));
    // The refusal did not take it away.
    refused(&*store, text(conv, 1, "a", "hello")).await;
    store.unblock(2, 1).await.unwrap();
    assert_eq!(put(&*store, text(conv, 1, "a", "hello")).await.seq, 1);
    assert_eq!(members(&*store, conv).await, [1, 2]);
    assert_eq!(position(&*store, 2, conv).await, Some((0, 1)));
}

pub(crate) async fn only_so_many_can_be_shut_out_at_once<T: Timeline>(store: Arc<T>) {
    for whom in [5, 6] {
        assert!(store.block(1, whom, NOW_MS, 2).await.unwrap());
    }
    assert!(!store.block(1, 7, NOW_MS, 2).await.unwrap());
    assert_eq!(put(&*store, text(ConvId::pair(1, 7), 7, "a", "hello")).await.seq, 1);
    assert!(store.block(1, 6, NOW_MS, 2).await.unwrap(), "it is so already");
    assert!(store.block(2, 7, NOW_MS, 2).await.unwrap(), "the bound is each user's own");
    store.unblock(1, 5).await.unwrap();
    assert!(store.block(1, 7, NOW_MS, 2).await.unwrap());
    refused(&*store, text(ConvId::pair(1, 7), 7, "b", "hello")).await;
}

pub(crate) async fn who_is_shut_out_is_listed_page_by_page<T: Timeline>(store: Arc<T>) {
    for whom in [30, 4, 100, 7, 22] {
        block(&*store, 10, whom).await;
    }
    block(&*store, 11, 5).await;
    store.unblock(10, 22).await.unwrap();
    let page = async |after, limit| store.blocked(10, after, limit).await.unwrap();
    assert_eq!(page(0, 2).await, (vec![4, 7], true));
    assert_eq!(page(7, 2).await, (vec![30, 100], false));
    assert_eq!(page(100, 2).await, (vec![], false));
    assert_eq!(page(0, 9).await, (vec![4, 7, 30, 100], false));
}

pub(crate) async fn a_block_is_in_force_once_answered_while_messages_stream_in<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let flood = |thread: i64| {
        let store = store.clone();
        async move {
            let mut accepted = Vec::new();
            for n in 0..60 {
                let entry = text(conv, 2, &format!("{thread} {n}"), "");
                match try_put(&*store, entry).await {
                    Ok(appended) => accepted.push(appended.seq),
                    Err(AppendError::Blocked) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            accepted
        }
    };
    let floods: Vec<_> = (0..4).map(|thread| tokio::spawn(flood(thread))).collect();
    for round in 0..10 {
        block(&*store, 1, 2).await;
        let head = position(&*store, 1, conv).await.map_or(0, |(_, head)| head);
        // Whatever is refused now is refused for good: nothing slips in behind the answer.
        refused(&*store, text(conv, 2, &format!("late {round}"), "")).await;
        let later = position(&*store, 1, conv).await.map_or(0, |(_, head)| head);
        assert_eq!(head, later, "written after the block was answered");
        store.unblock(1, 2).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut accepted = Vec::new();
    for flood in floods {
        accepted.extend(flood.await.unwrap());
    }
    accepted.sort_unstable();
    let count = i64::try_from(accepted.len()).unwrap();
    assert_eq!(accepted, (1..=count).collect::<Vec<_>>(), "numbers stay dense");
}
