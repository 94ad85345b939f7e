//! Who has come past what was written with receipts.

use super::*;

fn with_receipts(entry: NewEntry) -> NewEntry {
    NewEntry { receipts: true, ..entry }
}

fn progress(uid: i64, conv: ConvId, after_seq: i64, seq: i64) -> Progress {
    Progress { uid, conv, after_seq, seq }
}

/// Moves one cursor.
async fn advance(store: &impl Timeline, reader: &Reader, conv: ConvId, seq: i64) -> Vec<Progress> {
    store.advance_cursors(reader, vec![(conv, seq)]).await.unwrap()
}

pub(crate) async fn who_asked_for_no_receipts_is_told_nothing<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 1, "a", "hello")).await;
    assert_eq!(advance(&*store, &reader(2), conv, 1).await, []);
    let marked = store.mark_read(2, conv, 1).await.unwrap();
    assert_eq!(marked, Marked { moved: true, progress: None });
    // A repetition that asks for them changes nothing.
    put(&*store, with_receipts(text(conv, 1, "a", "hello"))).await;
    put(&*store, text(conv, 1, "b", "hello")).await;
    assert_eq!(advance(&*store, &reader(2), conv, 2).await, []);
}

pub(crate) async fn what_was_written_with_receipts_is_come_past_once<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 1, "a", "hello")).await;
    put(&*store, with_receipts(text(conv, 1, "b", "hello"))).await;
    put(&*store, text(conv, 1, "c", "hello")).await;
    assert_eq!(advance(&*store, &reader(2), conv, 1).await, [progress(2, conv, 0, 1)]);
    assert_eq!(advance(&*store, &reader(2), conv, 1).await, [], "no step forward");
    assert_eq!(advance(&*store, &reader(2), conv, 99).await, [progress(2, conv, 1, 3)]);
    put(&*store, text(conv, 1, "d", "hello")).await;
    assert_eq!(advance(&*store, &reader(2), conv, 4).await, [], "nothing that asks for it");
    let marks = [(2, Some(progress(2, conv, 0, 2))), (3, None), (4, None)];
    for (seq, expected) in marks {
        let marked = store.mark_read(2, conv, seq).await.unwrap();
        assert_eq!(marked, Marked { moved: true, progress: expected }, "read up to {seq}");
    }
    put(&*store, with_receipts(text(conv, 1, "e", "hello"))).await;
    assert_eq!(advance(&*store, &reader(2), conv, 5).await, [progress(2, conv, 4, 5)]);
}

pub(crate) async fn a_device_that_began_at_the_head_has_nothing_of_what_is_before<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    for key in ["a", "b", "c", "d"] {
        put(&*store, with_receipts(text(conv, 1, key, "hello"))).await;
    }
    let (older, newer) = (reader(2), Reader { uid: 2, device: "mobile:a".to_owned() });
    assert!(store.open_device(&newer, 2).await.unwrap());
    assert_eq!(advance(&*store, &newer, conv, 4).await, [], "it is there, and has got nothing");
    assert_eq!(advance(&*store, &older, conv, 1).await, [progress(2, conv, 0, 1)]);
    let moves = vec![(older.clone(), conv, 2), (newer.clone(), conv, 4)];
    let both = store.advance_for_many(moves).await.unwrap();
    assert_eq!(both, [progress(2, conv, 1, 2)], "told together");
    put(&*store, with_receipts(text(conv, 1, "e", "hello"))).await;
    assert_eq!(advance(&*store, &newer, conv, 5).await, [progress(2, conv, 2, 5)]);
    assert_eq!(advance(&*store, &older, conv, 3).await, [], "they have what the newer one got");
}

pub(crate) async fn a_user_has_what_one_of_their_devices_has<T: Timeline>(store: Arc<T>) {
    for uid in [1, 2, 3] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    for key in ["a", "b", "c"] {
        put(&*store, with_receipts(text(GROUP, 1, key, "hello"))).await;
    }
    let tablet = Reader { uid: 2, device: "tablet".to_owned() };
    // Who joined as the second does not lack what was before.
    assert_eq!(advance(&*store, &reader(2), GROUP, 5).await, [progress(2, GROUP, 1, 5)]);
    assert_eq!(advance(&*store, &tablet, GROUP, 4).await, [], "they had it");
    assert_eq!(advance(&*store, &tablet, GROUP, 6).await, [progress(2, GROUP, 5, 6)]);
    // In one call, each user once.
    let moves = vec![(reader(3), GROUP, 4), (reader(2), GROUP, 6), (reader(3), GROUP, 5)];
    let all = store.advance_for_many(moves).await.unwrap();
    assert_eq!(all, [progress(3, GROUP, 2, 5)]);
}
