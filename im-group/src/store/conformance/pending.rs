//! Changes that im-message has not confirmed.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    CALLERS, DUE_MS, Instances, LIMITS, NOW_MS, at_once, create, due, join, key, leave, new_group,
};
use crate::store::{Created, DueTime, GroupStore, Joined, Left};

pub(super) async fn a_repeated_request_finds_its_pending_change(store: &impl GroupStore) {
    let created = create(store, 7, "one").await;
    let again = store.create(new_group(7, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Created::Unfinished(created.clone()));
    let others = store.create(new_group(8, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(others, Created::NameTaken);
    store.confirm(&created).await.unwrap();
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
        store.confirm(&change).await.unwrap();
    }
    assert_eq!(store.earliest_pending(key(1, 8)).await.unwrap(), None);
    assert_eq!(store.earliest_pending(key(1, 7)).await.unwrap(), Some(created));
}

pub(super) async fn only_the_earliest_change_of_a_member_is_due(store: &impl GroupStore) {
    let created = create(store, 7, "one").await;
    let joined = join(store, 1, 8).await;
    leave(store, 1, 8).await;
    let due = async |now_ms, limit| due(store, now_ms, limit).await;
    assert_eq!(due(DUE_MS - 1, 10).await, []);
    assert_eq!(due(DUE_MS, 10).await, [key(1, 7), key(1, 8)], "each member once");
    assert_eq!(due(DUE_MS, 1).await, [key(1, 7)]);
    let clock_went_back = DueTime { now_ms: 0, latest_ms: DUE_MS - 1 };
    let due_then = store.due(clock_went_back, 10).await.unwrap();
    assert_eq!(due_then, [created.clone(), joined.clone()]);

    // The leave is due, but the join before it is not.
    store.postpone(&joined, DUE_MS + 500).await.unwrap();
    assert_eq!(due(DUE_MS, 10).await, [key(1, 7)]);
    let postponed = store.earliest_pending(key(1, 8)).await.unwrap().unwrap();
    assert_eq!((postponed.number, postponed.attempts), (joined.number, 1));
    store.postpone(&created, DUE_MS + 600).await.unwrap();
    assert_eq!(due(DUE_MS + 600, 10).await, [key(1, 8), key(1, 7)], "due longest first");
}

pub(super) async fn one_of_many_claims_what_is_due<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    let change = create(store, 7, "one").await;
    let time = |now_ms| DueTime { now_ms, latest_ms: i64::MAX };
    assert!(!store.claim(&change, time(DUE_MS - 1), DUE_MS + 500).await.unwrap(), "too early");
    let claimed = at_once(stores, {
        let change = change.clone();
        move |store, _| {
            let change = change.clone();
            async move { store.claim(&change, time(DUE_MS), DUE_MS + 500).await.unwrap() }
        }
    })
    .await;
    assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1, "{claimed:?}");
    assert_eq!(due(store, DUE_MS + 499, 10).await, []);
    assert_eq!(due(store, DUE_MS + 500, 10).await, [change.member], "a claim has an end");
    assert_eq!(store.earliest_pending(change.member).await.unwrap(), Some(change.clone()));

    // What a claim of before the clock went back has put off is due.
    let clock_went_back = DueTime { now_ms: 0, latest_ms: DUE_MS };
    assert!(store.claim(&change, clock_went_back, 1_000).await.unwrap());
    store.confirm(&change).await.unwrap();
    assert!(!store.claim(&change, time(i64::MAX), i64::MAX).await.unwrap(), "nothing is left");
}

pub(super) async fn a_confirmed_change_is_forgotten(store: &impl GroupStore) {
    let change = create(store, 7, "one").await;
    store.confirm(&change).await.unwrap();
    store.confirm(&change).await.unwrap();
    store.postpone(&change, NOW_MS).await.unwrap();
    assert_eq!(store.earliest_pending(change.member).await.unwrap(), None);
    assert_eq!(due(store, i64::MAX, 10).await, []);
    let next = join(store, 1, 8).await;
    assert!(next.number > change.number, "a number came back");
}

pub(super) async fn change_ids_are_never_the_same<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, 1000, "one").await;
    let changes = at_once(stores, async |store: Arc<S>, user| join(&*store, 1, user).await).await;
    let ids: HashSet<_> = changes.into_iter().map(|change| change.change_id).collect();
    assert_eq!(i64::try_from(ids.len()), Ok(CALLERS));
    assert!(ids.iter().all(|id| id.len() >= 16), "too short to be unique: {ids:?}");
}
