//! Changes that im-message has not confirmed.

use std::collections::HashSet;
use std::sync::Arc;

use super::{CALLERS, DUE_MS, LIMITS, NOW_MS, at_once, create, join, key, leave, new_group};
use crate::store::{Created, GroupStore, Joined, Left};

pub(super) async fn a_repeated_request_finds_its_pending_change(store: &impl GroupStore) {
    let created = create(store, 7, "one").await;
    let again = store.create(new_group(7, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Created::Unfinished(created.clone()));
    let others = store.create(new_group(8, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(others, Created::NameTaken);
    store.confirm(created.number).await.unwrap();
    let again = store.create(new_group(7, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Created::NameTaken);

    let joined = join(store, 1, 8).await;
    let again = store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Joined::Unfinished(joined));
    let left = leave(store, 1, 8).await;
    let again = store.leave(key(1, 8), DUE_MS).await.unwrap();
    assert_eq!(again, Left::Unfinished(left));
}

pub(super) async fn changes_of_a_member_are_pending_in_their_order(store: &impl GroupStore) {
    let created = create(store, 7, "one").await;
    let changes = [join(store, 1, 8).await, leave(store, 1, 8).await, join(store, 1, 8).await];
    assert_eq!(changes.each_ref().map(|change| change.joins), [true, false, true]);
    assert!(changes.is_sorted_by_key(|change| change.number));
    for change in changes {
        let earliest = store.earliest_pending(key(1, 8)).await.unwrap();
        assert_eq!(earliest, Some(change.clone()));
        store.confirm(change.number).await.unwrap();
    }
    assert_eq!(store.earliest_pending(key(1, 8)).await.unwrap(), None);
    assert_eq!(store.earliest_pending(key(1, 7)).await.unwrap(), Some(created));
}

pub(super) async fn only_the_earliest_change_of_a_member_is_due(store: &impl GroupStore) {
    let created = create(store, 7, "one").await;
    let joined = join(store, 1, 8).await;
    leave(store, 1, 8).await;
    let due = async |now_ms, limit| store.due(now_ms, i64::MAX, limit).await.unwrap();
    assert_eq!(due(DUE_MS - 1, 10).await, []);
    assert_eq!(due(DUE_MS, 10).await, [key(1, 7), key(1, 8)], "each member once");
    assert_eq!(due(DUE_MS, 1).await, [key(1, 7)]);
    let after_the_clock_went_back = store.due(0, DUE_MS - 1, 10).await.unwrap();
    assert_eq!(after_the_clock_went_back, [key(1, 7), key(1, 8)]);

    // The leave is due, but the join before it is not.
    store.postpone(joined.number, DUE_MS + 500).await.unwrap();
    assert_eq!(due(DUE_MS, 10).await, [key(1, 7)]);
    let postponed = store.earliest_pending(key(1, 8)).await.unwrap().unwrap();
    assert_eq!((postponed.number, postponed.attempts), (joined.number, 1));
    store.postpone(created.number, DUE_MS + 600).await.unwrap();
    assert_eq!(due(DUE_MS + 600, 10).await, [key(1, 8), key(1, 7)], "due longest first");
}

pub(super) async fn a_confirmed_change_is_forgotten(store: &impl GroupStore) {
    let change = create(store, 7, "one").await;
    store.confirm(change.number).await.unwrap();
    store.confirm(change.number).await.unwrap();
    store.postpone(change.number, NOW_MS).await.unwrap();
    assert_eq!(store.earliest_pending(change.member).await.unwrap(), None);
    assert_eq!(store.due(i64::MAX, i64::MAX, 10).await.unwrap(), []);
    let next = join(store, 1, 8).await;
    assert!(next.number > change.number, "a number came back");
}

pub(super) async fn change_ids_are_never_the_same<S: GroupStore>(store: Arc<S>) {
    create(&*store, 1000, "one").await;
    let changes = at_once(&store, async |store: Arc<S>, user| join(&*store, 1, user).await).await;
    let ids: HashSet<_> = changes.into_iter().map(|change| change.change_id).collect();
    assert_eq!(i64::try_from(ids.len()), Ok(CALLERS));
    assert!(ids.iter().all(|id| id.len() >= 16), "too short to be unique: {ids:?}");
}
