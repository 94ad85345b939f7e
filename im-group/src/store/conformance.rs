//! What every adapter of [`GroupStore`] must do. An adapter's test gives [`run`] fresh stores.

mod pending;

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    Created, DueTime, Group, GroupStore, Joined, Left, Limits, Member, MemberKey, NewGroup,
    PendingChange, Role,
};

const NOW_MS: i64 = 1_700_000_000_000;
pub(super) const DUE_MS: i64 = NOW_MS + 2_000;
const CALLERS: i64 = 32;
pub(super) const LIMITS: Limits = Limits { members_max: 500, groups_per_user_max: 100 };

/// The stores of several instances on one database.
pub(super) type Instances<S> = Vec<Arc<S>>;

/// Runs the whole suite, each part on a database of its own.
pub(super) async fn run<S: GroupStore>(mut fresh: impl AsyncFnMut() -> Instances<S>) {
    a_group_is_what_was_created(&*fresh().await[0]).await;
    ids_are_dense_and_names_unique(&*fresh().await[0]).await;
    names_that_only_look_alike_are_different(&*fresh().await[0]).await;
    one_of_many_gets_a_name(&fresh().await).await;
    a_user_is_a_member_between_joining_and_leaving(&*fresh().await[0]).await;
    one_of_many_joins(&fresh().await).await;
    one_of_many_leaves(&fresh().await).await;
    a_group_is_never_too_full(&fresh().await).await;
    a_user_is_never_in_too_many_groups(&fresh().await).await;
    joining_and_leaving_at_once_keep_the_limit_and_one_creator(&fresh().await).await;
    the_creators_role_passes_to_the_longest_member(&*fresh().await[0]).await;
    pending::a_repeated_request_finds_its_pending_change(&*fresh().await[0]).await;
    pending::changes_of_a_member_are_pending_in_their_order(&*fresh().await[0]).await;
    pending::only_the_earliest_change_of_a_member_is_due(&*fresh().await[0]).await;
    pending::one_of_many_claims_what_is_due(&fresh().await).await;
    pending::a_confirmed_change_is_forgotten(&*fresh().await[0]).await;
    pending::change_ids_are_never_the_same(&fresh().await).await;
}

/// One group, membership and pending change, for an adapter to find again after a restart.
pub(super) async fn write_one_of_each(store: &impl GroupStore) {
    create(store, 7, "rust").await;
    let change = join(store, 1, 8).await;
    store.confirm(&change).await.unwrap();
}

/// What [`write_one_of_each`] wrote.
pub(super) async fn assert_one_of_each(store: &impl GroupStore) {
    assert_eq!(members(store, 1).await, [7, 8]);
    assert_eq!(due(store, DUE_MS, 10).await, [key(1, 7)]);
    assert_eq!(create(store, 7, "next").await.member.group_id, 2);
}

pub(super) fn key(group_id: i64, user_id: i64) -> MemberKey {
    MemberKey { group_id, user_id }
}

pub(super) fn new_group(creator_id: i64, name: &str) -> NewGroup {
    let description = format!("about {name}");
    NewGroup { creator_id, name: name.into(), description, now_ms: NOW_MS }
}

pub(super) async fn create(store: &impl GroupStore, creator_id: i64, name: &str) -> PendingChange {
    match store.create(new_group(creator_id, name), LIMITS, DUE_MS).await.unwrap() {
        Created::Done(change) => change,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn join(store: &impl GroupStore, group_id: i64, user_id: i64) -> PendingChange {
    match store.join(key(group_id, user_id), LIMITS, DUE_MS).await.unwrap() {
        Joined::Done(change) => change,
        other => panic!("{other:?}"),
    }
}

async fn leave(store: &impl GroupStore, group_id: i64, user_id: i64) -> PendingChange {
    match store.leave(key(group_id, user_id), DUE_MS).await.unwrap() {
        Left::Done(change) => change,
        other => panic!("{other:?}"),
    }
}

/// Whose changes are due at a time to which no clock goes back.
async fn due(store: &impl GroupStore, now_ms: i64, limit: u32) -> Vec<MemberKey> {
    let changes = store.due(DueTime { now_ms, latest_ms: i64::MAX }, limit).await.unwrap();
    changes.iter().map(|change| change.member).collect()
}

pub(super) async fn members(store: &impl GroupStore, group_id: i64) -> Vec<i64> {
    let members = store.members(group_id).await.unwrap().unwrap();
    members.iter().map(|member| member.user_id).collect()
}

/// Calls `call` for 1 ..= CALLERS at once, spread over the instances.
async fn at_once<S, R, F>(stores: &Instances<S>, call: impl Fn(Arc<S>, i64) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut callers = JoinSet::new();
    for (caller, store) in (1..=CALLERS).zip(stores.iter().cycle()) {
        callers.spawn(call(Arc::clone(store), caller));
    }
    callers.join_all().await
}

async fn a_group_is_what_was_created(store: &impl GroupStore) {
    let change = create(store, 7, "rust").await;
    assert_eq!(change.member, key(1, 7));
    assert!(change.joins);
    assert_eq!(change.attempts, 0);
    let group = Group {
        group_id: 1,
        name: "rust".into(),
        description: "about rust".into(),
        creator_id: 7,
        created_at_ms: NOW_MS,
    };
    assert_eq!(store.group(1).await.unwrap(), Some(group));
    let creator = Member { user_id: 7, role: Role::Creator };
    assert_eq!(store.members(1).await.unwrap(), Some(vec![creator]));
    assert_eq!(store.groups_of(7).await.unwrap(), [1]);
    assert_eq!(store.group(2).await.unwrap(), None);
    assert_eq!(store.members(2).await.unwrap(), None);
}

async fn ids_are_dense_and_names_unique(store: &impl GroupStore) {
    create(store, 7, "one").await;
    let again = store.create(new_group(8, "one"), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Created::NameTaken);
    assert_eq!(create(store, 7, "ONE").await.member.group_id, 2, "names differ in case");
    assert_eq!(create(store, 7, "three").await.member.group_id, 3);
}

async fn names_that_only_look_alike_are_different(store: &impl GroupStore) {
    let names = ["e", "E", "\u{e9}", "e\u{301}", "ss", "\u{df}", "\u{1f980}", "\u{1f99e}"];
    for (group_id, name) in (1..).zip(names) {
        assert_eq!(create(store, 7, name).await.member.group_id, group_id, "{name}");
        assert_eq!(store.group(group_id).await.unwrap().unwrap().name, name);
    }
    let (name, description) = ("\u{1f980}".repeat(255), "\u{1f980}".repeat(4096));
    let longest = NewGroup { creator_id: 7, name, description, now_ms: NOW_MS };
    let created = store.create(longest.clone(), LIMITS, DUE_MS).await.unwrap();
    assert!(matches!(created, Created::Done(_)), "{created:?}");
    let stored = store.group(9).await.unwrap().unwrap();
    assert_eq!((stored.name, stored.description), (longest.name, longest.description));
}

async fn one_of_many_gets_a_name<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    let outcomes = at_once(stores, async |store: Arc<S>, user| {
        store.create(new_group(user, "same"), LIMITS, DUE_MS).await.unwrap()
    })
    .await;
    let created = outcomes.iter().filter(|outcome| matches!(outcome, Created::Done(_))).count();
    assert_eq!(created, 1, "{outcomes:?}");
    assert!(store.group(1).await.unwrap().is_some());
    assert!(store.group(2).await.unwrap().is_none());
}

async fn a_user_is_a_member_between_joining_and_leaving(store: &impl GroupStore) {
    create(store, 7, "one").await;
    create(store, 7, "two").await;
    let confirm = async |change: PendingChange| store.confirm(&change).await.unwrap();
    confirm(join(store, 1, 8).await).await;
    confirm(join(store, 2, 8).await).await;
    assert_eq!(members(store, 1).await, [7, 8]);
    assert_eq!(store.groups_of(8).await.unwrap(), [1, 2]);
    let again = store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(again, Joined::Already);

    confirm(leave(store, 1, 8).await).await;
    assert_eq!(members(store, 1).await, [7]);
    assert_eq!(store.groups_of(8).await.unwrap(), [2]);
    assert_eq!(store.leave(key(1, 8), DUE_MS).await.unwrap(), Left::NotMember);
    assert_eq!(store.leave(key(1, 99), DUE_MS).await.unwrap(), Left::NotMember);
    assert_eq!(store.leave(key(9, 8), DUE_MS).await.unwrap(), Left::NoSuchGroup);
    let nowhere = store.join(key(9, 8), LIMITS, DUE_MS).await.unwrap();
    assert_eq!(nowhere, Joined::NoSuchGroup);
}

async fn one_of_many_joins<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, 7, "one").await;
    let outcomes = at_once(stores, async |store: Arc<S>, _| {
        store.join(key(1, 8), LIMITS, DUE_MS).await.unwrap()
    })
    .await;
    let joined = outcomes.iter().filter(|outcome| matches!(outcome, Joined::Done(_))).count();
    assert_eq!(joined, 1, "{outcomes:?}");
    assert_eq!(members(store, 1).await, [7, 8]);
}

async fn one_of_many_leaves<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, 7, "one").await;
    join(store, 1, 8).await;
    let outcomes =
        at_once(stores, async |store: Arc<S>, _| store.leave(key(1, 8), DUE_MS).await.unwrap())
            .await;
    let left = outcomes.iter().filter(|outcome| matches!(outcome, Left::Done(_))).count();
    assert_eq!(left, 1, "{outcomes:?}");
}

async fn a_group_is_never_too_full<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    create(store, 1000, "one").await;
    let limits = Limits { members_max: 5, ..LIMITS };
    let outcomes = at_once(stores, move |store, user| async move {
        store.join(key(1, user), limits, DUE_MS).await.unwrap()
    })
    .await;
    let joined = outcomes.iter().filter(|outcome| matches!(outcome, Joined::Done(_))).count();
    assert_eq!(joined, 4, "the creator is the fifth: {outcomes:?}");
    assert_eq!(members(store, 1).await.len(), 5);
}

async fn a_user_is_never_in_too_many_groups<S: GroupStore>(stores: &Instances<S>) {
    let store = &*stores[0];
    for group in 1..=CALLERS {
        create(store, 1000, &group.to_string()).await;
    }
    let limits = Limits { groups_per_user_max: 5, ..LIMITS };
    let outcomes = at_once(stores, move |store, group| async move {
        store.join(key(group, 8), limits, DUE_MS).await.unwrap()
    })
    .await;
    let joined = outcomes.iter().filter(|outcome| matches!(outcome, Joined::Done(_))).count();
    assert_eq!(joined, 5, "{outcomes:?}");
    assert_eq!(store.groups_of(8).await.unwrap().len(), 5);
    let created = store.create(new_group(8, "sixth"), limits, DUE_MS).await.unwrap();
    assert_eq!(created, Created::TooManyGroups);
}

async fn joining_and_leaving_at_once_keep_the_limit_and_one_creator<S: GroupStore>(
    stores: &Instances<S>,
) {
    let store = &*stores[0];
    create(store, 1, "one").await;
    let limits = Limits { members_max: 5, ..LIMITS };
    at_once(stores, move |store, user| async move {
        for _ in 0..10 {
            store.join(key(1, user), limits, DUE_MS).await.unwrap();
            let members = store.members(1).await.unwrap().unwrap();
            assert!(members.len() <= 5, "{members:?}");
            let is_creator = |member: &&Member| member.role == Role::Creator;
            let creators = members.iter().filter(is_creator).count();
            assert_eq!(creators, usize::from(!members.is_empty()), "{members:?}");
            store.leave(key(1, user), DUE_MS).await.unwrap();
        }
    })
    .await;
    assert_eq!(members(store, 1).await, [] as [i64; 0]);
}

async fn the_creators_role_passes_to_the_longest_member(store: &impl GroupStore) {
    create(store, 7, "one").await;
    join(store, 1, 9).await;
    join(store, 1, 8).await;
    leave(store, 1, 7).await;
    let member = |user_id, role| Member { user_id, role };
    let expected = vec![member(9, Role::Creator), member(8, Role::Member)];
    assert_eq!(store.members(1).await.unwrap(), Some(expected));
    // Who comes back is a member like any other; who made the group stays known.
    join(store, 1, 7).await;
    let last = store.members(1).await.unwrap().unwrap().pop();
    assert_eq!(last, Some(member(7, Role::Member)));
    assert_eq!(store.group(1).await.unwrap().unwrap().creator_id, 7);

    for user in [9, 8, 7] {
        leave(store, 1, user).await;
    }
    assert_eq!(store.members(1).await.unwrap(), Some(Vec::new()), "an empty group stays");
    join(store, 1, 8).await;
    let expected = vec![member(8, Role::Creator)];
    assert_eq!(store.members(1).await.unwrap(), Some(expected));
}
