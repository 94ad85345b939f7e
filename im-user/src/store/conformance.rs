//! What every adapter of [`UserStore`] must do. An adapter's test gives [`run`] fresh stores.

mod devices;

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;

use super::{Befriended, NewAccount, Profile, UserStore};
use crate::username::Username;

const NOW_MS: i64 = 1_700_000_000_000;
const CALLERS: usize = 32;
const NOBODY: [i64; 0] = [];
const NO_LIMIT: u32 = 1_000_000;

/// The stores of several instances on one database.
pub(super) type Instances<S> = Vec<Arc<S>>;

/// Runs the whole suite, each part on a database of its own.
pub(super) async fn run<S: UserStore>(mut fresh: impl AsyncFnMut() -> Instances<S>) {
    ids_are_dense_and_names_unique(&*fresh().await[0]).await;
    one_of_many_gets_a_name(&fresh().await).await;
    credentials_are_found_by_key(&*fresh().await[0]).await;
    only_users_that_exist_have_profiles(&*fresh().await[0]).await;
    friendship_is_mutual(&*fresh().await[0]).await;
    friendship_begins_once(&fresh().await).await;
    nobody_has_too_many_friends(&fresh().await).await;
    a_revoked_token_stays_revoked(&*fresh().await[0]).await;
    expired_revocations_are_forgotten(&*fresh().await[0]).await;
    revocations_at_once_all_hold(&fresh().await).await;
    devices::an_account_has_its_device(&*fresh().await[0]).await;
    devices::a_device_begins_once_and_is_given_a_new_generation(&*fresh().await[0]).await;
    devices::nobody_has_too_many_devices(&*fresh().await[0]).await;
    devices::a_device_that_is_not_used_makes_room_for_another(&*fresh().await[0]).await;
    devices::a_device_that_many_log_in_with_begins_once(&fresh().await).await;
    devices::a_revoked_device_is_gone_and_has_to_be_told(&*fresh().await[0]).await;
    devices::a_revocation_is_told_by_one(&fresh().await).await;
    devices::a_token_is_as_good_as_its_device(&*fresh().await[0]).await;
}

/// One account, friendship and revocation, for an adapter to find again after a restart.
pub(super) async fn write_one_of_each(store: &impl UserStore) {
    let (alice, bob) = (create(store, "alice").await.unwrap(), create(store, "bob").await.unwrap());
    assert_eq!(store.befriend(alice, bob, 9, NOW_MS).await.unwrap(), Befriended::Added);
    store.revoke_token("token".into(), NOW_MS + 1, NOW_MS).await.unwrap();
}

/// What [`write_one_of_each`] wrote.
pub(super) async fn assert_one_of_each(store: &impl UserStore) {
    assert_eq!(store.credentials("alice".into()).await.unwrap().unwrap().user_id, 1);
    assert_eq!(store.friends(1).await.unwrap(), [2]);
    assert!(revoked(store, "token").await);
    assert_eq!(create(store, "carol").await, Some(3));
}

pub(super) async fn create(store: &impl UserStore, name: &str) -> Option<i64> {
    store.create_account(account(name)).await.unwrap()
}

pub(super) fn account(name: &str) -> NewAccount {
    NewAccount {
        name: Username::parse(name.as_bytes(), 32).unwrap(),
        password_hash: SecretString::from(format!("hash of {name}")),
        device: "text".to_owned(),
        now_ms: NOW_MS,
    }
}

async fn ids_are_dense_and_names_unique(store: &impl UserStore) {
    assert_eq!(create(store, "Alice").await, Some(1));
    assert_eq!(create(store, "Alice").await, None);
    assert_eq!(create(store, "aLICE").await, None, "names differ in more than case");
    assert_eq!(create(store, "bob").await, Some(2), "a refused name used up an id");
    assert_eq!(create(store, "alice ".trim()).await, None);
    assert_eq!(create(store, "alice_").await, Some(3));
}

async fn one_of_many_gets_a_name<S: UserStore>(stores: &Instances<S>) {
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        let name = if caller % 2 == 0 { "Same" } else { "same" };
        callers.spawn(async move { create(&*store, name).await });
    }
    let mut ids: Vec<i64> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids, [1], "one name, one account");

    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move { create(&*store, &format!("user{caller}")).await });
    }
    ids.extend(callers.join_all().await.into_iter().flatten());
    ids.sort_unstable();
    let dense: Vec<i64> = (1..).take(CALLERS + 1).collect();
    assert_eq!(ids, dense, "every name of its own got the next id");
}

async fn credentials_are_found_by_key(store: &impl UserStore) {
    create(store, "Alice").await.unwrap();
    let found = store.credentials("alice".into()).await.unwrap().unwrap();
    assert_eq!(found.user_id, 1);
    assert_eq!(found.password_hash.expose_secret(), "hash of Alice");
    for unknown in ["bob", "", "' OR '1'='1", "alic%"] {
        assert!(store.credentials(unknown.into()).await.unwrap().is_none(), "{unknown}");
    }
}

async fn only_users_that_exist_have_profiles(store: &impl UserStore) {
    create(store, "Alice").await.unwrap();
    create(store, "bob").await.unwrap();
    let found = store.profiles(vec![2, 99, 1, 2, -1, 0, i64::MAX]).await.unwrap();
    let profile = |user_id, name: &str| Profile { user_id, name: name.into() };
    assert_eq!(found, [profile(1, "Alice"), profile(2, "bob")]);
    assert_eq!(store.profiles(Vec::new()).await.unwrap(), []);
}

async fn friendship_is_mutual(store: &impl UserStore) {
    for name in ["alice", "bob", "carol"] {
        create(store, name).await.unwrap();
    }
    let befriend = async |user, friend| store.befriend(user, friend, 9, NOW_MS).await.unwrap();
    assert_eq!(befriend(1, 3).await, Befriended::Added);
    assert_eq!(befriend(2, 1).await, Befriended::Added);
    assert_eq!(befriend(1, 2).await, Befriended::Already);
    assert_eq!(befriend(1, 99).await, Befriended::NoSuchUser);
    assert_eq!(befriend(99, 1).await, Befriended::NoSuchUser);
    assert_eq!(store.friends(1).await.unwrap(), [2, 3]);
    assert_eq!(store.friends(2).await.unwrap(), [1]);
    assert_eq!(store.friends(99).await.unwrap(), NOBODY);

    assert!(store.unfriend(1, 2).await.unwrap());
    assert!(!store.unfriend(2, 1).await.unwrap());
    assert_eq!(store.friends(1).await.unwrap(), [3]);
    assert_eq!(store.friends(2).await.unwrap(), NOBODY);
    assert_eq!(befriend(2, 1).await, Befriended::Added, "friends again");
}

async fn friendship_begins_once<S: UserStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, "alice").await.unwrap();
    create(store, "bob").await.unwrap();
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        // Half from each side: an adapter that locks in the order named would deadlock here.
        let (user, friend) = if caller % 2 == 0 { (1, 2) } else { (2, 1) };
        callers.spawn(async move { store.befriend(user, friend, NO_LIMIT, NOW_MS).await.unwrap() });
    }
    let outcomes = callers.join_all().await;
    let added = outcomes.iter().filter(|outcome| **outcome == Befriended::Added).count();
    assert_eq!(added, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|o| matches!(o, Befriended::Added | Befriended::Already)));
}

async fn nobody_has_too_many_friends<S: UserStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    for user in 0..CALLERS {
        create(store, &format!("user{user}")).await.unwrap();
    }
    let mut callers = JoinSet::new();
    for (friend, store) in (2..).take(CALLERS - 1).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        let (user, friend) = if friend % 2 == 0 { (1, friend) } else { (friend, 1) };
        callers.spawn(async move { store.befriend(user, friend, 5, NOW_MS).await.unwrap() });
    }
    let outcomes = callers.join_all().await;
    let added = outcomes.iter().filter(|outcome| **outcome == Befriended::Added).count();
    assert_eq!(added, 5, "{outcomes:?}");
    assert_eq!(store.friends(1).await.unwrap().len(), 5);
}

/// Whether the first user has a good token of that id.
async fn revoked(store: &impl UserStore, token_id: &str) -> bool {
    !store.is_good(token_id.to_owned(), 1, "text".to_owned(), 1).await.unwrap()
}

async fn a_revoked_token_stays_revoked(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert!(!revoked(store, "one").await);
    store.revoke_token("one".into(), NOW_MS + 1000, NOW_MS).await.unwrap();
    store.revoke_token("one".into(), NOW_MS + 1000, NOW_MS).await.unwrap();
    store.revoke_token("two".into(), NOW_MS + 1000, NOW_MS + 999).await.unwrap();
    assert!(revoked(store, "one").await);
    assert!(!revoked(store, "three").await);
}

async fn expired_revocations_are_forgotten(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    for token in 0..10 {
        store.revoke_token(format!("old{token}"), NOW_MS + 10, NOW_MS).await.unwrap();
    }
    let mut calls = 0;
    while revoked(store, "old0").await || revoked(store, "old9").await {
        calls += 1;
        assert!(calls <= 5, "fewer are forgotten than are added");
        store.revoke_token(format!("new{calls}"), NOW_MS + 1000, NOW_MS + 20).await.unwrap();
    }
    assert!(revoked(store, "new1").await);
}

async fn revocations_at_once_all_hold<S: UserStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, "alice").await.unwrap();
    for token in 0..CALLERS {
        store.revoke_token(format!("old{token}"), NOW_MS + 10, NOW_MS).await.unwrap();
    }
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        // Each is revoked twice, and all forget the same old ones.
        let token = format!("new{}", caller / 2);
        callers.spawn(async move {
            store.revoke_token(token, NOW_MS + 1000, NOW_MS + 20).await.unwrap();
        });
    }
    callers.join_all().await;
    for token in 0..CALLERS / 2 {
        assert!(revoked(store, &format!("new{token}")).await, "{token}");
    }
    assert!(!revoked(store, "old0").await);
}
