//! Cursors, and what the classic route was given.

use super::*;

async fn three_messages<T: Timeline>(store: &T) -> ConvId {
    let conv = ConvId::pair(1, 2);
    for key in ["a", "b", "c"] {
        put(store, text(conv, 1, key, "hello")).await;
    }
    conv
}

pub(crate) async fn cursors_only_grow_and_stop_at_the_head<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    for (to, expected) in [(2, 2), (1, 2), (-5, 2), (99, 3)] {
        store.advance_cursors(&reader(2), vec![(GROUP, 4), (conv, to)]).await.unwrap();
        assert_eq!(position(&*store, 2, conv).await, Some((expected, 3)), "moved to {to}");
    }
    assert_eq!(store.behind(&reader(2), None, 9).await.unwrap().unwrap().0, []);
    assert_eq!(position(&*store, 1, conv).await, Some((0, 3)), "the other user's");
    // 99 was not kept for later.
    put(&*store, text(conv, 1, "d", "hello")).await;
    assert_eq!(position(&*store, 2, conv).await, Some((3, 4)));
}

pub(crate) async fn moves_where_one_never_was_change_nothing<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    for uid in [1, 3] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    put(&*store, text(GROUP, 1, "a", "hello")).await;
    // A pair of others, a group that they are not in, and what nobody ever wrote to.
    let elsewhere = [ConvId::pair(3, 4), ConvId::Group(99)];
    let moves = |uid: i64| {
        let convs = [conv, GROUP].into_iter().chain(elsewhere);
        convs.map(|to| (reader(uid), to, i64::MAX)).collect::<Vec<_>>()
    };
    assert_eq!(store.advance_for_many(moves(5)).await.unwrap(), []);
    for (to, seq) in [(GROUP, 3), (elsewhere[0], 1), (elsewhere[1], 7)] {
        assert_eq!(store.advance_cursors(&reader(2), vec![(to, seq)]).await.unwrap(), []);
    }
    for uid in [2, 5] {
        assert_eq!(position(&*store, uid, GROUP).await, None, "{uid}");
    }
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)));
    assert_eq!(position(&*store, 3, GROUP).await, Some((1, 3)));
    for conv in elsewhere {
        assert!(!store.exists(conv).await.unwrap(), "{conv}");
    }
    // Nor was it kept for when they are there.
    put(&*store, joined(GROUP, 5, "j")).await;
    put(&*store, text(GROUP, 1, "b", "hello")).await;
    assert_eq!(position(&*store, 5, GROUP).await, Some((3, 5)));
    let tablet = Reader { uid: 5, device: "tablet".to_owned() };
    assert!(store.open_device(&tablet, 1).await.unwrap());
    let [begun] = store.positions(&tablet, vec![GROUP]).await.unwrap()[..] else { panic!() };
    assert_eq!((begun.cursor, begun.head), (3, 5), "their first device: no other has a cursor");
    put(&*store, text(elsewhere[0], 3, "c", "hello")).await;
    assert_eq!(position(&*store, 4, elsewhere[0]).await, Some((0, 1)));
}

pub(crate) async fn each_device_has_its_own_cursor<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    let tablet = Reader { uid: 2, device: "tablet".to_owned() };
    store.advance_cursors(&tablet, vec![(conv, 2)]).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)));
    let of_tablet = store.positions(&tablet, vec![conv]).await.unwrap();
    assert_eq!(of_tablet, [Position { conv, cursor: 2, head: 3 }]);
    store.advance_cursors(&tablet, vec![(conv, 3)]).await.unwrap();
    assert_eq!(store.behind(&tablet, None, 9).await.unwrap().unwrap().0, []);
    let behind = store.behind(&reader(2), None, 9).await.unwrap().unwrap().0;
    assert_eq!(behind, [Position { conv, cursor: 0, head: 3 }]);
}

pub(crate) async fn a_cursor_of_a_leaver_stops_where_they_left<T: Timeline>(store: Arc<T>) {
    for uid in [1, 2] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    put(&*store, left(GROUP, 2, "l")).await;
    put(&*store, text(GROUP, 1, "a", "after")).await;
    store.advance_cursors(&reader(2), vec![(GROUP, 4)]).await.unwrap();
    assert_eq!(position(&*store, 2, GROUP).await, Some((3, 3)));
}

pub(crate) async fn what_was_given_counts_only_once_confirmed<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    store.mark_given(&reader(2), vec![(conv, 2), (GROUP, 1)]).await.unwrap();
    store.mark_given(&reader(2), vec![(conv, 1)]).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)));
    store.confirm_given(&reader(1)).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)), "another user confirmed");
    store.confirm_given(&reader(2)).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((2, 3)));
    // A cursor that is further than what was given stays there.
    store.advance_cursors(&reader(2), vec![(conv, 3)]).await.unwrap();
    store.confirm_given(&reader(2)).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((3, 3)));
    store.mark_given(&reader(2), vec![(conv, 9)]).await.unwrap();
    store.confirm_given(&reader(2)).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((3, 3)), "not past the head");
}

pub(crate) async fn what_was_withdrawn_is_not_confirmed<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    store.mark_given(&reader(2), vec![(conv, 3)]).await.unwrap();
    store.advance_cursors(&reader(2), vec![(conv, 1)]).await.unwrap();
    store.withdraw_given(&reader(2)).await.unwrap();
    store.confirm_given(&reader(2)).await.unwrap();
    assert_eq!(position(&*store, 2, conv).await, Some((1, 3)));
}

pub(crate) async fn what_is_given_next_counts_only_without_a_gap<T: Timeline>(store: Arc<T>) {
    let conv = three_messages(&*store).await;
    let give = async |uid: i64, seq: i64| {
        let given = vec![(reader(uid), conv, seq), (reader(uid), GROUP, 1)];
        store.mark_given_next(given).await.unwrap();
    };
    let confirmed = async |uid: i64| {
        store.confirm_given(&reader(uid)).await.unwrap();
        position(&*store, uid, conv).await.unwrap().0
    };
    give(2, 2).await;
    assert_eq!(confirmed(2).await, 0, "1 was never given");
    give(2, 1).await;
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)), "not confirmed yet");
    give(2, 2).await;
    assert_eq!(confirmed(2).await, 2);
    give(2, 1).await;
    assert_eq!(confirmed(2).await, 2, "one that was given before");
    // Their own messages are no gap: nobody gives them.
    put(&*store, text(conv, 2, "e", "mine")).await;
    put(&*store, text(conv, 1, "f", "hello")).await;
    give(2, 5).await;
    assert_eq!(confirmed(2).await, 2, "3 is missing");
    give(2, 3).await;
    give(2, 5).await;
    assert_eq!(confirmed(2).await, 5);
    give(2, 99).await;
    assert_eq!(confirmed(2).await, 5, "there is nothing that far");
    assert_eq!(confirmed(1).await, 0, "the other user's");
}
