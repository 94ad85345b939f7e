//! What is no longer kept.

use super::*;

/// Everything below a seq.
fn below(below_seq: i64) -> Expired {
    Expired { before_ms: i64::MIN, below_seq, settled_before_ms: i64::MAX }
}

/// Everything from before a moment.
fn before(before_ms: i64) -> Expired {
    Expired { before_ms, below_seq: 0, settled_before_ms: i64::MIN }
}

async fn put_at(store: &impl Timeline, entry: NewEntry, now_ms: i64) -> Appended {
    store.append(Arc::from([entry]), now_ms).await.pop().unwrap().unwrap()
}

async fn say(store: &impl Timeline, conv: ConvId, texts: std::ops::RangeInclusive<i64>) {
    for n in texts {
        put(store, text(conv, 1, &n.to_string(), "12345678")).await;
    }
}

pub(crate) async fn the_front_of_a_conversation_goes_in_batches_and_numbers_go_on<T: Timeline>(
    store: Arc<T>,
) {
    let (conv, other) = (ConvId::pair(1, 2), ConvId::pair(1, 3));
    say(&*store, conv, 1..=10).await;
    say(&*store, other, 1..=3).await;
    let mut removed = Vec::new();
    for _ in 0..4 {
        removed.push(store.trim(conv, below(8), 3).await.unwrap());
    }
    assert_eq!(removed, [3, 3, 1, 0]);
    assert_eq!(visible_seqs(&*store, 2, conv).await, [8, 9, 10]);
    assert_eq!(visible(&*store, 2, conv).await.unwrap().first_seq, 8);
    assert_eq!(visible_seqs(&*store, 3, other).await, [1, 2, 3]);
    let next = put(&*store, text(conv, 2, "n", "next")).await;
    assert_eq!(next.seq, 11);
    assert_eq!(visible_seqs(&*store, 1, conv).await, [8, 9, 10, 11]);
    assert_eq!(store.trim(ConvId::pair(8, 9), below(5), 3).await.unwrap(), 0);
}

pub(crate) async fn what_is_all_gone_keeps_its_head_its_members_and_its_next_number<T: Timeline>(
    store: Arc<T>,
) {
    let pair = ConvId::pair(1, 2);
    say(&*store, pair, 1..=3).await;
    put(&*store, joined(GROUP, 1, "j")).await;
    say(&*store, GROUP, 1..=2).await;
    for conv in [pair, GROUP] {
        assert_eq!(store.trim(conv, below(i64::MAX), 100).await.unwrap(), 3);
        let range = visible(&*store, 1, conv).await.unwrap();
        assert_eq!(range, Range { entries: vec![], complete_to: 3, head: 3, first_seq: 4 });
        assert_eq!(position(&*store, 1, conv).await, Some((3, 3)));
        assert!(store.exists(conv).await.unwrap());
        assert_eq!(store.trim(conv, below(i64::MAX), 100).await.unwrap(), 0);
    }
    assert_eq!(members(&*store, GROUP).await, [1]);
    assert_eq!(store.behind(&reader(2), None, 9).await.unwrap().unwrap(), (vec![], false));
    assert_eq!(store.fronts(0, 9).await.unwrap(), []);
    assert_eq!(put(&*store, text(GROUP, 1, "n", "next")).await.seq, 4);
    let refused = try_put(&*store, joined(GROUP, 1, "again")).await;
    assert!(matches!(refused, Err(AppendError::AlreadyMember)), "{refused:?}");
    assert_eq!(put(&*store, text(pair, 1, "n", "next")).await.seq, 4);
    assert_eq!(visible_seqs(&*store, 2, pair).await, [4]);
    assert_eq!(members(&*store, pair).await, [1, 2]);
}

pub(crate) async fn what_is_kept_begins_at_the_first_that_has_not_expired<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    // Clocks of several instances: not in order.
    for (n, ts_ms) in [10, 20, 90, 30, 40].into_iter().enumerate() {
        put_at(&*store, text(conv, 1, &n.to_string(), ""), NOW_MS + ts_ms).await;
    }
    assert_eq!(store.trim(conv, before(NOW_MS + 50), 100).await.unwrap(), 2);
    assert_eq!(visible_seqs(&*store, 2, conv).await, [3, 4, 5], "no hole");
    let young = Expired { settled_before_ms: NOW_MS + 90, ..below(5) };
    assert_eq!(store.trim(conv, young, 100).await.unwrap(), 0, "it is not settled");
    let settled = Expired { settled_before_ms: NOW_MS + 91, ..below(5) };
    assert_eq!(store.trim(conv, settled, 100).await.unwrap(), 2);
    assert_eq!(visible_seqs(&*store, 2, conv).await, [5]);
}

pub(crate) async fn a_reader_behind_what_is_gone_goes_on_from_what_is_left<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    say(&*store, conv, 1..=10).await;
    let (slow, quick) = (reader(2), Reader { uid: 2, device: "mobile:a".to_owned() });
    store.advance_cursors(&slow, vec![(conv, 2)]).await.unwrap();
    store.advance_cursors(&quick, vec![(conv, 9)]).await.unwrap();
    store.trim(conv, below(6), 100).await.unwrap();
    // Below it, at it, above it, and a device that was never there.
    assert_eq!(position(&*store, 2, conv).await, Some((5, 10)));
    assert_eq!(store.positions(&quick, vec![conv]).await.unwrap()[0].cursor, 9);
    let new = Reader { uid: 2, device: "web".to_owned() };
    assert_eq!(store.positions(&new, vec![conv]).await.unwrap()[0].cursor, 5);
    let (behind, _) = store.behind(&slow, None, 9).await.unwrap().unwrap();
    assert_eq!(behind, [Position { conv, cursor: 5, head: 10 }]);
    for after_seq in [0, 2, 5] {
        let range = store.range(2, conv, after_seq, EVERYTHING).await.unwrap().unwrap();
        let seqs: Vec<i64> = range.entries.iter().map(|entry| entry.seq).collect();
        assert_eq!((seqs, range.complete_to, range.first_seq), ((6..=10).collect(), 10, 6));
    }
    let limit = RangeLimit { entries_max: 2, ..EVERYTHING };
    let page = store.range(2, conv, 2, limit).await.unwrap().unwrap();
    assert_eq!(page.complete_to, 7);
    // The classic route's next one is not held up by what is gone.
    store.mark_given_next(vec![(slow.clone(), conv, 6)]).await.unwrap();
    store.confirm_given(&slow).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((6, 10)));
    store.trim(conv, below(i64::MAX), 100).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((10, 10)));
    assert_eq!(store.behind(&slow, None, 9).await.unwrap().unwrap(), (vec![], false));
}

pub(crate) async fn who_left_before_what_is_left_sees_nothing_and_lacks_nothing<T: Timeline>(
    store: Arc<T>,
) {
    for uid in [1, 2] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    say(&*store, GROUP, 1..=2).await;
    put(&*store, left(GROUP, 2, "l")).await;
    say(&*store, GROUP, 3..=6).await;
    store.trim(GROUP, below(8), 100).await.unwrap();
    let range = visible(&*store, 2, GROUP).await.unwrap();
    assert_eq!(range, Range { entries: vec![], complete_to: 5, head: 5, first_seq: 6 });
    assert_eq!(position(&*store, 2, GROUP).await, Some((5, 5)));
    assert_eq!(store.behind(&reader(2), None, 9).await.unwrap().unwrap(), (vec![], false));
    assert_eq!(visible_seqs(&*store, 1, GROUP).await, [8, 9]);
    put(&*store, joined(GROUP, 2, "again")).await;
    assert_eq!(visible_seqs(&*store, 2, GROUP).await, [10]);
}

pub(crate) async fn conversations_are_gone_through_in_order_and_page_by_page<T: Timeline>(
    store: Arc<T>,
) {
    let convs = [12, 3, 101, 20].map(|peer| ConvId::pair(1, peer));
    for conv in convs {
        say(&*store, conv, 1..=4).await;
    }
    store.block(1, 77, NOW_MS, 10).await.unwrap();
    store.trim(convs[1], below(3), 100).await.unwrap();
    store.trim(convs[2], below(i64::MAX), 100).await.unwrap();
    let mut found: Vec<Front> = Vec::new();
    loop {
        let after = found.last().map_or(0, |front| front.place);
        let page = store.fronts(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    let seen: Vec<_> =
        found.iter().map(|front| (front.conv, front.first_seq, front.last_seq)).collect();
    assert_eq!(seen, [(convs[0], 1, 4), (convs[1], 3, 4), (convs[3], 1, 4)]);
    assert!(found.iter().all(|front| front.first_ts_ms == NOW_MS));
}

pub(crate) async fn what_is_kept_is_recognised_and_what_is_gone_is_not<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    let gone = put(&*store, text(conv, 1, "a", "hello")).await;
    let kept = put(&*store, text(conv, 1, "b", "hello")).await;
    store.trim(conv, below(2), 100).await.unwrap();
    assert_eq!(put(&*store, text(conv, 1, "b", "hello")).await, Appended { new: false, ..kept });
    let again = put(&*store, text(conv, 1, "a", "hello")).await;
    assert_eq!((again.seq, again.new), (3, true));
    assert_eq!(store.locate(vec![gone.msg_id, again.msg_id]).await.unwrap(), [(conv, 3)]);
}

pub(crate) async fn what_expires_while_messages_stream_in_takes_no_number_with_it<T: Timeline>(
    store: Arc<T>,
) {
    const WRITERS: i64 = 4;
    const EACH: i64 = 50;
    let conv = ConvId::pair(1, 2);
    let writer = |writer: i64| {
        let store = store.clone();
        async move {
            let mut seqs = Vec::new();
            for n in 0..EACH {
                seqs.push(put(&*store, text(conv, 1, &format!("{writer} {n}"), "")).await.seq);
            }
            seqs
        }
    };
    let mut writers: Vec<_> = (0..WRITERS).map(|n| tokio::spawn(writer(n))).collect();
    // Two at once, as two instances may: neither removes more than all but the last three.
    let keeper = |store: Arc<T>| async move {
        loop {
            let head = position(&*store, 2, conv).await.map_or(0, |(_, head)| head);
            store.trim(conv, below(head - 2), 7).await.unwrap();
            if head == WRITERS * EACH {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let keepers = [tokio::spawn(keeper(store.clone())), tokio::spawn(keeper(store.clone()))];
    let mut seqs = Vec::new();
    for writer in &mut writers {
        seqs.extend(writer.await.unwrap());
    }
    for keeper in keepers {
        keeper.await.unwrap();
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=WRITERS * EACH).collect::<Vec<_>>());
    while store.trim(conv, below(WRITERS * EACH - 2), 100).await.unwrap() > 0 {}
    let left = visible_seqs(&*store, 2, conv).await;
    assert_eq!(left, (WRITERS * EACH - 2..=WRITERS * EACH).collect::<Vec<_>>());
}
