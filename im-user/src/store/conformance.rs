//! What every adapter of [`UserStore`] must do. An adapter's test gives [`run`] fresh stores.

mod accounts;
mod api_keys;
mod at_once;
mod devices;
mod log_ins;

use std::sync::Arc;

use mpim_proto::Role;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;

use super::{Account, Befriended, Ending, Held, NewAccount, Profile, Shown, UserStore};
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
    log_ins::a_log_in_goes_on_with_each_secret_once(&*fresh().await[0]).await;
    log_ins::an_account_is_made_with_its_first_log_in(&*fresh().await[0]).await;
    at_once::a_log_in_ends_although_it_is_refreshed_meanwhile(&fresh().await).await;
    at_once::no_log_in_outlives_its_device_however_many_begin(&fresh().await).await;
    log_ins::a_secret_of_before_ends_its_log_in(&*fresh().await[0]).await;
    log_ins::a_secret_that_is_shown_again_too_late_or_after_the_next_ends_its_log_in(
        &*fresh().await[0],
    )
    .await;
    log_ins::who_refreshes_uses_their_device(&*fresh().await[0]).await;
    log_ins::of_many_who_show_one_secret_at_most_one_goes_on(&fresh().await).await;
    log_ins::a_log_in_goes_on_no_longer_than_its_token_would(&*fresh().await[0]).await;
    log_ins::another_log_in_of_a_device_ends_the_former_and_one_too_many_the_oldest(
        &*fresh().await[0],
    )
    .await;
    log_ins::nobody_has_too_many_log_ins_however_many_begin_at_once(&fresh().await).await;
    log_ins::a_log_in_that_ended_is_good_for_nothing_and_has_to_be_told(&*fresh().await[0]).await;
    log_ins::all_log_ins_end_at_once(&*fresh().await[0]).await;
    log_ins::who_is_put_out_is_told_first_and_then_whoever_waits_longest(&*fresh().await[0]).await;
    log_ins::all_log_ins_end_once_however_many_ask_for_it(&fresh().await).await;
    accounts::another_password_ends_all_log_ins_but_one(&*fresh().await[0]).await;
    accounts::of_many_who_change_a_password_at_once_one_does(&fresh().await).await;
    accounts::nobody_is_in_while_disabled(&*fresh().await[0]).await;
    api_keys::a_bot_has_no_password_and_is_let_in_by_its_keys(&*fresh().await[0]).await;
    api_keys::keys_are_for_bots_and_bounded(&*fresh().await[0]).await;
    api_keys::no_bot_has_too_many_keys_however_many_are_made_at_once(&fresh().await).await;
    api_keys::a_key_that_ended_is_gone_and_has_to_be_told(&*fresh().await[0]).await;
    log_ins::log_ins_that_expired_are_forgotten(&*fresh().await[0]).await;
    devices::a_token_is_as_good_as_its_device(&*fresh().await[0]).await;
}

/// One account, friendship, revocation, log-in, role and key, for an adapter to find again after a restart.
pub(super) async fn write_one_of_each(store: &impl UserStore) {
    let (alice, bob) = (create(store, "alice").await.unwrap(), create(store, "bob").await.unwrap());
    assert_eq!(store.befriend(alice, bob, 9, NOW_MS).await.unwrap(), Befriended::Added);
    revoke(store, "token", NOW_MS + 1, NOW_MS).await;
    log_ins::begin(store, log_ins::ONE).await;
    api_keys::make_one(store).await;
    assert!(store.end_all_log_ins(2, 1, NOW_MS).await.unwrap());
}

/// What [`write_one_of_each`] wrote.
pub(super) async fn assert_one_of_each(store: &impl UserStore) {
    assert_eq!(store.credentials("alice".into()).await.unwrap().unwrap().account.user_id, 1);
    assert_eq!(store.friends(1).await.unwrap(), [2]);
    assert!(revoked(store, "token").await);
    assert!(is_good(store, &held(log_ins::ONE)).await && api_keys::has_one(store).await);
    let bob = store.credentials("bob".into()).await.unwrap().unwrap().account;
    assert_eq!((bob.role, bob.epoch), (Role::Bot, 2));
    assert_eq!(devices::due(store).await.len(), 2, "whom to tell, of the token and of bob");
    assert_eq!(create(store, "carol").await, Some(3));
}

pub(super) async fn create(store: &impl UserStore, name: &str) -> Option<i64> {
    store.create_account(account(name)).await.unwrap()
}

pub(super) fn account(name: &str) -> NewAccount {
    NewAccount {
        name: Username::parse(name.as_bytes(), 32).unwrap(),
        password_hash: Some(SecretString::from(format!("hash of {name}"))),
        role: Role::User,
        device: "text".to_owned(),
        log_in: None,
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
    let account = Account { user_id: 1, name: "Alice".into(), role: Role::User, epoch: 1 };
    assert_eq!(found.account, account);
    assert_eq!(found.password_hash.unwrap().expose_secret(), "hash of Alice");
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
    let keys = ["alice", "nobody", "bob", "Alice", "", "' OR '1'='1"].map(str::to_owned);
    let mut found = store.profiles_of(keys.to_vec()).await.unwrap();
    found.sort_by_key(|profile| profile.user_id);
    assert_eq!(found, [profile(1, "Alice"), profile(2, "bob")]);
    assert_eq!(store.profiles_of(Vec::new()).await.unwrap(), []);
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

/// A log-in of the first user on their first device.
fn held(log_in_id: &str) -> Held {
    let (device, log_in_id) = ("text".to_owned(), log_in_id.to_owned());
    Held { user_id: 1, device, generation: 1, log_in_id, epoch: 1 }
}

async fn is_good(store: &impl UserStore, held: &Held) -> bool {
    let [token, session] = [Shown::Token, Shown::Session]
        .map(|shown| async move { store.account_of(held.clone(), shown).await.unwrap().is_some() });
    let (token, session) = (token.await, session.await);
    assert_eq!(token, session, "{held:?}");
    token
}

/// Whether the first user's log-in of that id, which does not refresh, has ended.
async fn revoked(store: &impl UserStore, log_in_id: &str) -> bool {
    !is_good(store, &held(log_in_id)).await
}

/// Ends a log-in of the first user; whether this did it.
async fn revoke(
    store: &impl UserStore,
    log_in_id: &str,
    expires_at_ms: i64,
    forget_before_ms: i64,
) -> bool {
    let (user_id, log_in_id, due_at_ms) = (1, log_in_id.to_owned(), Some(NOW_MS));
    let ending = Ending { user_id, log_in_id, expires_at_ms, forget_before_ms, due_at_ms };
    store.end_log_in(ending).await.unwrap()
}

async fn a_revoked_token_stays_revoked(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert!(!revoked(store, "one").await);
    assert!(revoke(store, "one", NOW_MS + 1000, NOW_MS).await);
    assert!(!revoke(store, "one", NOW_MS + 1000, NOW_MS).await, "it was before");
    assert!(revoke(store, "two", NOW_MS + 1000, NOW_MS + 999).await);
    assert!(revoked(store, "one").await);
    assert!(!revoked(store, "three").await);
}

async fn expired_revocations_are_forgotten(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    for token in 0..10 {
        revoke(store, &format!("old{token}"), NOW_MS + 10, NOW_MS).await;
    }
    let mut calls = 0;
    while revoked(store, "old0").await || revoked(store, "old9").await {
        calls += 1;
        assert!(calls <= 5, "fewer are forgotten than are added");
        revoke(store, &format!("new{calls}"), NOW_MS + 1000, NOW_MS + 20).await;
    }
    assert!(revoked(store, "new1").await);
}

async fn revocations_at_once_all_hold<S: UserStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, "alice").await.unwrap();
    for token in 0..CALLERS {
        revoke(store, &format!("old{token}"), NOW_MS + 10, NOW_MS).await;
    }
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        // Each is revoked twice, and all forget the same old ones.
        let token = format!("new{}", caller / 2);
        callers.spawn(async move {
            revoke(&*store, &token, NOW_MS + 1000, NOW_MS + 20).await;
        });
    }
    callers.join_all().await;
    for token in 0..CALLERS / 2 {
        assert!(revoked(store, &format!("new{token}")).await, "{token}");
    }
    assert!(!revoked(store, "old0").await);
}
