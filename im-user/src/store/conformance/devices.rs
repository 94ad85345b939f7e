//! Devices, and those that were revoked.

use super::*;
use crate::store::{Device, DueTime, Noted, Revocation, RevokedDevice, Room};

pub(super) const TIME: DueTime = DueTime { now_ms: NOW_MS, latest_ms: NOW_MS + 1000 };

const ROOM: Room = Room { devices_max: 3, unused_before_ms: NOW_MS };

async fn log_in(store: &impl UserStore, name: &str, now_ms: i64) -> Noted {
    store.note_log_in(1, name.to_owned(), ROOM, now_ms).await.unwrap()
}

/// The generation of a device that has logged in.
pub(super) async fn begun(store: &impl UserStore, name: &str) -> i64 {
    match log_in(store, name, NOW_MS).await {
        Noted::Device(device) => device.generation,
        noted @ (Noted::Instead(..) | Noted::TooMany) => panic!("{noted:?}"),
    }
}

async fn put_out(store: &impl UserStore, name: &str) -> bool {
    store.revoke_device(1, name.to_owned(), NOW_MS).await.unwrap()
}

pub(super) async fn due(store: &impl UserStore) -> Vec<Revocation> {
    store.due_revocations(TIME, 9).await.unwrap()
}

fn on(name: &str, generation: i64) -> Held {
    Held { device: name.to_owned(), generation, ..held("token") }
}

fn revoked(name: &str, generation: i64) -> Revocation {
    Revocation::Device(RevokedDevice { user_id: 1, name: name.to_owned(), generation })
}

fn device(name: &str, generation: i64, opened: bool) -> Device {
    let name = name.to_owned();
    Device { name, generation, opened, since_ms: NOW_MS, last_login_ms: NOW_MS }
}

pub(super) async fn an_account_has_its_device(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert_eq!(store.devices(1).await.unwrap(), [device("text", 1, true)]);
    assert_eq!(store.device(1, "text".into()).await.unwrap(), Some(device("text", 1, true)));
    for (user_id, name) in [(2, "text"), (1, "text:"), (1, "TEXT"), (1, "")] {
        assert_eq!(store.device(user_id, name.into()).await.unwrap(), None, "{user_id} {name}");
    }
    assert_eq!(store.devices(2).await.unwrap(), []);
}

pub(super) async fn a_device_begins_once_and_is_given_a_new_generation(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    let phone = device("mobile:a", 2, false);
    assert_eq!(log_in(store, "mobile:a", NOW_MS).await, Noted::Device(phone.clone()));
    let later = Device { last_login_ms: NOW_MS + 5, ..phone };
    assert_eq!(log_in(store, "mobile:a", NOW_MS + 5).await, Noted::Device(later.clone()));
    assert_eq!(log_in(store, "mobile:a", NOW_MS).await, Noted::Device(later.clone()));
    store.device_opened(1, "mobile:a".into(), 1).await.unwrap();
    assert_eq!(store.device(1, "mobile:a".into()).await.unwrap(), Some(later.clone()), "another");
    store.device_opened(1, "mobile:a".into(), 2).await.unwrap();
    let opened = Device { opened: true, ..later };
    assert_eq!(store.devices(1).await.unwrap(), [opened, device("text", 1, true)]);
    assert!(put_out(store, "mobile:a").await);
    assert_eq!(begun(store, "mobile:a").await, 3);
    assert!(put_out(store, "mobile:a").await && put_out(store, "text").await);
    assert_eq!(begun(store, "web").await, 4, "none is ever given again");
}

pub(super) async fn nobody_has_too_many_devices(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert_eq!((begun(store, "web:1").await, begun(store, "web:2").await), (2, 3));
    assert_eq!(log_in(store, "web:3", NOW_MS).await, Noted::TooMany);
    assert_eq!(begun(store, "web:2").await, 3, "one that is known");
    assert!(put_out(store, "text").await);
    assert_eq!(begun(store, "web:3").await, 4, "what was refused used up none");
}

pub(super) async fn a_device_that_is_not_used_makes_room_for_another(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert_eq!((begun(store, "web:1").await, begun(store, "web:2").await), (2, 3));
    // All have logged in at the same time, and the others again since.
    for name in ["text", "web:2"] {
        log_in(store, name, NOW_MS + 10).await;
    }
    let room = |unused_before_ms| Room { unused_before_ms, ..ROOM };
    let another = async |unused_before_ms| {
        store.note_log_in(1, "web:3".into(), room(unused_before_ms), NOW_MS + 20).await.unwrap()
    };
    assert_eq!(another(NOW_MS).await, Noted::TooMany);
    assert_eq!(due(store).await, [], "nothing was changed");
    let since_ms = NOW_MS + 20;
    let begun = Device { since_ms, last_login_ms: since_ms, ..device("web:3", 4, false) };
    assert_eq!(another(NOW_MS + 20).await, Noted::Instead(begun.clone(), "web:1".into()));
    assert_eq!(another(NOW_MS + 20).await, Noted::Device(begun), "it is known now");
    let names: Vec<_> = store.devices(1).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["text", "web:2", "web:3"]);
    assert!(!is_good(store, &on("web:1", 2)).await);
    let later = DueTime { now_ms: NOW_MS + 20, latest_ms: NOW_MS + 1020 };
    let told = revoked("web:1", 2);
    assert_eq!(store.due_revocations(later, 9).await.unwrap(), [told], "others are told");
    // Of two that were not used for as long, the older device goes.
    let other = store.note_log_in(1, "web:4".into(), room(NOW_MS + 11), NOW_MS + 20).await;
    assert!(matches!(other.unwrap(), Noted::Instead(_, gone) if gone == "text"));
}

pub(super) async fn a_device_that_many_log_in_with_begins_once<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move { begun(&*store, ["web:1", "web:2"][caller % 2]).await });
    }
    let mut generations = callers.join_all().await;
    generations.sort_unstable();
    let expected = [[2; CALLERS / 2], [3; CALLERS / 2]].concat();
    assert_eq!(generations, expected);
}

pub(super) async fn a_revoked_device_is_gone_and_has_to_be_told(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert!(!put_out(store, "mobile:a").await, "they have none");
    assert!(!store.revoke_device(2, "text".into(), NOW_MS).await.unwrap());
    assert_eq!(due(store).await, []);
    begun(store, "mobile:a").await;
    assert!(put_out(store, "mobile:a").await);
    assert!(!put_out(store, "mobile:a").await, "it is gone");
    assert_eq!(begun(store, "mobile:a").await, 3);
    assert!(put_out(store, "mobile:a").await);
    let of = |generation| revoked("mobile:a", generation);
    assert_eq!(due(store).await, [of(2), of(3)], "each is told for itself");
    assert!(claimed(store, of(2)).await && !claimed(store, of(2)).await);
    assert_eq!(due(store).await, [of(3)]);
    let later = DueTime { now_ms: NOW_MS + 500, latest_ms: NOW_MS + 1500 };
    assert_eq!(store.due_revocations(later, 9).await.unwrap(), [of(3), of(2)]);
    assert_eq!(store.due_revocations(later, 1).await.unwrap(), [of(3)]);
    let before = DueTime { now_ms: NOW_MS - 9000, latest_ms: NOW_MS - 8000 };
    assert_eq!(store.due_revocations(before, 9).await.unwrap().len(), 2, "a clock went back");
    for _ in 0..2 {
        store.revocations_told(vec![of(3)]).await.unwrap();
    }
    assert_eq!(store.due_revocations(later, 9).await.unwrap(), [of(2)]);
}

pub(super) async fn a_revocation_is_told_by_one<S: UserStore>(stores: &Instances<S>) {
    create(&*stores[0], "alice").await.unwrap();
    assert!(put_out(&*stores[0], "text").await);
    for number in 0..5 {
        revoke(&*stores[0], &format!("0{number}"), NOW_MS + 1, NOW_MS).await;
    }
    assert_eq!(stores[0].revocations_untold().await.unwrap(), 6);
    let all = due(&*stores[0]).await;
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let (store, mut all) = (Arc::clone(store), all.clone());
        all.rotate_left(caller % 6);
        callers
            .spawn(async move { store.claim_revocations(all, TIME, NOW_MS + 500).await.unwrap() });
    }
    let mut claimed = callers.join_all().await.concat();
    claimed.sort_unstable();
    let mut expected = all.clone();
    expected.sort_unstable();
    assert_eq!(claimed, expected);
    assert_eq!(stores[0].revocations_untold().await.unwrap(), 6, "put off is not told");
    stores[0].revocations_told(all).await.unwrap();
    assert_eq!(stores[0].revocations_untold().await.unwrap(), 0);
}

/// Whether it was still due.
pub(super) async fn claimed(store: &impl UserStore, revocation: Revocation) -> bool {
    let one = vec![revocation];
    store.claim_revocations(one.clone(), TIME, NOW_MS + 500).await.unwrap() == one
}

pub(super) async fn a_token_is_as_good_as_its_device(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    let good = async |name: &str, generation| is_good(store, &on(name, generation)).await;
    assert!(good("text", 1).await);
    assert!(!good("text", 2).await && !good("mobile:a", 1).await && !good("", 0).await);
    assert!(put_out(store, "text").await);
    assert!(!good("text", 1).await);
    assert_eq!(begun(store, "text").await, 2);
    assert!(good("text", 2).await && !good("text", 1).await);
    revoke(store, "token", NOW_MS + 1, NOW_MS).await;
    assert!(!good("text", 2).await);
}
