//! Ranges, pages, and finding things.

use super::*;

pub(crate) async fn a_range_ends_at_its_limits_and_goes_on_from_there<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    for n in 1..=7 {
        put(&*store, text(conv, 1, &n.to_string(), "12345678")).await;
    }
    for limit in [
        RangeLimit { entries_max: 3, ..EVERYTHING },
        RangeLimit { bytes_max: 3 * 8 + 7, ..EVERYTHING },
    ] {
        let mut ends = Vec::new();
        let mut at = 0;
        while at < 7 {
            let range = store.range(2, conv, at, limit).await.unwrap().unwrap();
            let seqs: Vec<i64> = range.entries.iter().map(|entry| entry.seq).collect();
            assert_eq!(seqs, (at + 1..=range.complete_to).collect::<Vec<_>>(), "{limit:?}");
            assert_eq!(range.head, 7);
            at = range.complete_to;
            ends.push(at);
        }
        assert_eq!(ends, [3, 6, 7], "{limit:?}");
    }
    for beyond in [9, i64::MAX] {
        let nothing = store.range(2, conv, beyond, EVERYTHING).await.unwrap().unwrap();
        assert_eq!(nothing, Range { entries: vec![], complete_to: beyond, head: 7, first_seq: 1 });
    }
}

pub(crate) async fn a_range_gives_its_first_entry_however_long<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 1, "a", &"long ".repeat(2_000))).await;
    put(&*store, text(conv, 1, "b", "short")).await;
    let limit = RangeLimit { bytes_max: 1, ..EVERYTHING };
    let range = store.range(2, conv, 0, limit).await.unwrap().unwrap();
    assert_eq!((range.entries.len(), range.complete_to), (1, 1));
}

pub(crate) async fn a_range_backwards_ends_at_its_limits_and_goes_on_from_there<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    for n in 1..=7 {
        put(&*store, text(conv, 1, &n.to_string(), "12345678")).await;
    }
    for limit in [
        RangeLimit { entries_max: 3, ..EVERYTHING },
        RangeLimit { bytes_max: 3 * 8 + 7, ..EVERYTHING },
    ] {
        let mut ends = Vec::new();
        let mut at = i64::MAX;
        while at > 1 {
            let range = store.range_before(2, conv, at, limit).await.unwrap().unwrap();
            let seqs: Vec<i64> = range.entries.iter().map(|entry| entry.seq).collect();
            assert_eq!(seqs, (range.complete_from..at.min(8)).collect::<Vec<_>>(), "{limit:?}");
            assert_eq!((range.head, range.first_seq), (7, 1));
            at = range.complete_from;
            ends.push(at);
        }
        assert_eq!(ends, [5, 2, 1], "{limit:?}");
    }
    let exact = RangeLimit { entries_max: 7, ..EVERYTHING };
    assert_eq!(store.range_before(2, conv, 8, exact).await.unwrap().unwrap().complete_from, 1);
    for nothing in [1, 0, i64::MIN] {
        let range = store.range_before(2, conv, nothing, EVERYTHING).await.unwrap().unwrap();
        let expected = Earlier { entries: vec![], complete_from: nothing, first_seq: 1, head: 7 };
        assert_eq!(range, expected);
    }
    assert_eq!(store.range_before(3, conv, 8, EVERYTHING).await.unwrap(), None);
    assert_eq!(store.range_before(2, GROUP, 8, EVERYTHING).await.unwrap(), None);
}

pub(crate) async fn a_range_backwards_gives_its_newest_entry_however_long<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 1, "a", "short")).await;
    put(&*store, text(conv, 1, "b", &"long ".repeat(2_000))).await;
    let limit = RangeLimit { bytes_max: 1, ..EVERYTHING };
    let range = store.range_before(2, conv, 3, limit).await.unwrap().unwrap();
    assert_eq!((range.entries.len(), range.complete_from), (1, 2));
}

pub(crate) async fn a_range_backwards_passes_over_what_one_does_not_see<T: Timeline>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, joined(GROUP, 2, "j2")).await;
    put(&*store, left(GROUP, 2, "l2")).await;
    put(&*store, text(GROUP, 1, "a", "without them")).await;
    put(&*store, joined(GROUP, 2, "j2 again")).await;
    put(&*store, text(GROUP, 1, "b", "with them")).await;
    put(&*store, left(GROUP, 2, "l2 again")).await;
    put(&*store, text(GROUP, 1, "c", "without them")).await;
    let mut found = Vec::new();
    let mut at = i64::MAX;
    while at > 2 {
        let limit = RangeLimit { entries_max: 2, ..EVERYTHING };
        let range = store.range_before(2, GROUP, at, limit).await.unwrap().unwrap();
        assert_eq!((range.first_seq, range.head), (2, 7));
        found.push(range.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
        at = range.complete_from;
    }
    assert_eq!(found, [vec![6, 7], vec![3, 5], vec![2]]);
}

pub(crate) async fn an_unknown_conversation_has_no_range_no_members_and_no_position<T: Timeline>(
    store: Arc<T>,
) {
    for conv in [GROUP, ConvId::pair(1, 2)] {
        assert!(!store.exists(conv).await.unwrap());
        assert_eq!(visible(&*store, 1, conv).await, None);
        assert!(members(&*store, conv).await.is_empty());
        assert_eq!(position(&*store, 1, conv).await, None);
    }
}

pub(crate) async fn what_is_behind_is_paged_without_hole_or_repetition<T: Timeline>(store: Arc<T>) {
    // Begun in an order that is neither that of their numbers nor of their names.
    let order = [12, 3, 101, 20, 1].map(|peer| ConvId::pair(50, peer));
    for conv in order {
        put(&*store, text(conv, 50, "a", "hello")).await;
    }
    let reader = reader(50);
    store.advance_cursors(&reader, vec![(order[1], 1)]).await.unwrap();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let (page, more) = store.behind(&reader, after, 2).await.unwrap().unwrap();
        found.extend(page.iter().map(|position| position.conv));
        after = found.last().copied();
        assert!(page.len() <= 2);
        if !more {
            break;
        }
        // It begins while somebody goes through the pages.
        put(&*store, text(ConvId::pair(50, 7), 7, "a", "hello")).await;
    }
    assert_eq!(found, [order[0], order[2], order[3], order[4], ConvId::pair(50, 7)]);
    let whole = store.behind(&reader, None, 5).await.unwrap().unwrap();
    assert_eq!((whole.0.len(), whole.1), (5, false));
    for unknown in [GROUP, ConvId::pair(50, 51)] {
        assert_eq!(store.behind(&reader, Some(unknown), 5).await.unwrap(), None);
    }
}

pub(crate) async fn entries_are_located_by_msg_id<T: Timeline>(store: Arc<T>) {
    let pair = ConvId::pair(1, 2);
    put(&*store, joined(GROUP, 1, "j")).await;
    let in_group = put(&*store, text(GROUP, 1, "a", "hello")).await;
    let in_pair = put(&*store, text(pair, 1, "a", "hello")).await;
    let asked = vec![in_pair.msg_id, 5, in_group.msg_id];
    assert_eq!(store.locate(asked).await.unwrap(), [(pair, 1), (GROUP, 2)]);
}
