//! What is read and written for many users at once.

use super::*;

/// A group of which three users have seen different parts, one of them twice.
async fn comings_and_goings<T: Timeline>(store: &T) {
    put(store, joined(GROUP, 1, "j")).await;
    let say = async |keys: &[&str]| {
        for key in keys {
            put(store, text(GROUP, 1, key, "12345678")).await;
        }
    };
    say(&["a", "b"]).await;
    put(store, joined(GROUP, 2, "j")).await;
    say(&["c", "d"]).await;
    put(store, left(GROUP, 2, "l")).await;
    put(store, joined(GROUP, 3, "j")).await;
    say(&["e"]).await;
    put(store, left(GROUP, 3, "l")).await;
    say(&["f", "g"]).await;
    put(store, joined(GROUP, 2, "again")).await;
    say(&["h"]).await;
}

pub(crate) async fn users_of_a_shared_range_see_what_each_would_see_alone<T: Timeline>(
    store: Arc<T>,
) {
    comings_and_goings(&*store).await;
    let limits = [
        EVERYTHING,
        RangeLimit { entries_max: 1, ..EVERYTHING },
        RangeLimit { entries_max: 3, ..EVERYTHING },
        RangeLimit { bytes_max: 17, ..EVERYTHING },
    ];
    for uids in [vec![1, 2, 3, 4], vec![2], vec![3, 2], vec![4], vec![2, 1, 2]] {
        for (limit, after_seq) in limits.into_iter().flat_map(|it| (0..16).map(move |at| (it, at)))
        {
            let shared = store.range_for_many(uids.clone(), GROUP, after_seq, limit).await.unwrap();
            assert!(shared.entries.len() <= limit.entries_max);
            assert!(shared.entries.is_sorted_by_key(|entry| entry.seq));
            assert_eq!(shared.sights.len(), uids.len());
            for (uid, sight) in uids.iter().zip(&shared.sights) {
                let what = format!("{uid} after {after_seq}, {limit:?}");
                let alone = store.range(*uid, GROUP, after_seq, EVERYTHING).await.unwrap();
                assert_eq!(sight.is_some(), alone.is_some(), "{what}");
                let (Some(sight), Some(alone)) = (sight, alone) else { continue };
                assert_eq!(sight.head, alone.head, "{what}");
                assert!(sight.complete_to >= after_seq, "{what}");
                let within =
                    |seq| sight.spans.iter().any(|(from, to)| (*from..=*to).contains(&seq));
                let own = shared.entries.iter().filter(|entry| within(entry.seq));
                let due = alone.entries.iter().filter(|entry| entry.seq <= sight.complete_to);
                assert_eq!(own.collect::<Vec<_>>(), due.collect::<Vec<_>>(), "{what}");
                // Whoever asks again from there comes to the end.
                let rest = alone.entries.iter().any(|entry| entry.seq > after_seq);
                assert!(!rest || sight.complete_to > after_seq, "{what}");
            }
        }
    }
}

pub(crate) async fn a_shared_range_of_nobody_or_nothing_is_empty<T: Timeline>(store: Arc<T>) {
    let nothing = SharedRange { entries: vec![], sights: vec![None, None] };
    assert_eq!(store.range_for_many(vec![1, 2], GROUP, 0, EVERYTHING).await.unwrap(), nothing);
    comings_and_goings(&*store).await;
    let nobody = SharedRange { entries: vec![], sights: vec![] };
    assert_eq!(store.range_for_many(vec![], GROUP, 0, EVERYTHING).await.unwrap(), nobody);
    let beyond = store.range_for_many(vec![1], GROUP, i64::MAX, EVERYTHING).await.unwrap();
    let sight = Sight { spans: vec![], complete_to: i64::MAX, head: 14 };
    assert_eq!(beyond, SharedRange { entries: vec![], sights: vec![Some(sight)] });
}

pub(crate) async fn cursors_of_many_devices_move_together<T: Timeline>(store: Arc<T>) {
    comings_and_goings(&*store).await;
    let pair = ConvId::pair(1, 2);
    put(&*store, text(pair, 1, "a", "hello")).await;
    let tablet = Reader { uid: 2, device: "tablet".to_owned() };
    let moves = vec![
        (reader(1), GROUP, 5),
        (reader(2), GROUP, 99),
        (reader(2), pair, 1),
        (tablet.clone(), GROUP, 6),
        (reader(3), GROUP, 99),
        (reader(4), GROUP, 3),
        (reader(1), ConvId::Group(99), 3),
        // The same one twice: the further one counts.
        (reader(1), GROUP, 4),
    ];
    store.advance_for_many(moves).await.unwrap();
    assert_eq!(position(&*store, 1, GROUP).await, Some((5, 14)));
    assert_eq!(position(&*store, 2, GROUP).await, Some((14, 14)));
    assert_eq!(position(&*store, 2, pair).await, Some((1, 1)));
    assert_eq!(position(&*store, 3, GROUP).await, Some((10, 10)), "not past where they left");
    assert_eq!(position(&*store, 4, GROUP).await, None);
    let of_tablet = store.positions(&tablet, vec![GROUP, pair]).await.unwrap();
    let at = |conv, cursor, head| Position { conv, cursor, head };
    assert_eq!(of_tablet, [at(GROUP, 6, 14), at(pair, 0, 1)]);
}
