//! Log-ins that refresh, and whatever ends them.

use super::devices::{TIME, begun as device, claimed, due};
use super::*;
use crate::store::{DueTime, EndedLogIns, FirstLogIn, NewLogIn, Revocation, Rotated, Rotation};

pub(super) const LATER_MS: i64 = NOW_MS + 1000;
/// Log-ins that refresh are told from others by the first digit.
pub(super) const ONE: &str = "1a";
pub(super) const TWO: &str = "1b";

pub(super) fn hash(secret: u8) -> [u8; 32] {
    [secret; 32]
}

pub(super) fn new(held: &Held) -> NewLogIn {
    NewLogIn {
        held: held.clone(),
        refresh_hash: hash(1),
        now_ms: NOW_MS,
        expires_at_ms: LATER_MS,
        replaces: false,
        per_user_max: 3,
        forget_before_ms: NOW_MS,
    }
}

pub(super) async fn begin(store: &impl UserStore, log_in_id: &str) -> Held {
    let held = held(log_in_id);
    assert_eq!(store.begin_log_in(new(&held)).await.unwrap(), Some(0));
    held
}

fn rotation(log_in_id: &str, shown: u8, next: u8) -> Rotation {
    Rotation {
        log_in_id: log_in_id.to_owned(),
        shown_hash: hash(shown),
        next_hash: hash(next),
        now_ms: NOW_MS,
        expires_at_ms: LATER_MS,
        again_ms: 10,
        noted_before_ms: NOW_MS,
    }
}

pub(super) async fn rotate(
    store: &impl UserStore,
    log_in_id: &str,
    shown: u8,
    next: u8,
) -> Rotated {
    store.rotate(rotation(log_in_id, shown, next)).await.unwrap()
}

fn ended(log_in_id: &str) -> Revocation {
    ended_by("logged out", log_in_id)
}

fn ended_by(reason: &str, log_in_id: &str) -> Revocation {
    let (log_in_id, reason) = (log_in_id.to_owned(), reason.to_owned());
    let except_log_in_id = String::new();
    Revocation::LogIns(EndedLogIns { user_id: 1, log_in_id, epoch: 0, except_log_in_id, reason })
}

pub(super) fn alice() -> Account {
    Account { user_id: 1, name: "alice".into(), role: Role::User, epoch: 1 }
}

pub(super) async fn a_log_in_goes_on_with_each_secret_once(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    assert_eq!(rotate(store, ONE, 1, 2).await, Rotated::Unknown, "it has not begun");
    let held = begin(store, ONE).await;
    assert_eq!(store.begin_log_in(new(&held)).await.unwrap(), Some(0), "it has");
    assert!(is_good(store, &held).await);
    for step in 1..5 {
        let done = Rotated::Done(held.clone(), alice(), LATER_MS);
        assert_eq!(rotate(store, ONE, step, step + 1).await, done);
        // Who was not answered asks again, maybe of one with another clock.
        for late_ms in [0, 10, -10] {
            let (now_ms, expires_at_ms) = (NOW_MS + late_ms, LATER_MS + late_ms);
            let again = Rotation { now_ms, expires_at_ms, ..rotation(ONE, step, step + 1) };
            assert_eq!(store.rotate(again).await.unwrap(), done);
        }
    }
    assert!(is_good(store, &held).await);
    let of_another = Held { user_id: 2, ..held };
    create(store, "bob").await.unwrap();
    assert!(!is_good(store, &of_another).await);
    assert_eq!(due(store).await, []);
}

pub(super) async fn an_account_is_made_with_its_first_log_in(store: &impl UserStore) {
    let first = |log_in_id: &str| FirstLogIn {
        log_in_id: log_in_id.to_owned(),
        refresh_hash: hash(1),
        expires_at_ms: LATER_MS,
    };
    let alice_of = |log_in_id| NewAccount { log_in: Some(first(log_in_id)), ..account("alice") };
    assert_eq!(store.create_account(alice_of(ONE)).await.unwrap(), Some(1));
    assert_eq!(store.create_account(alice_of(TWO)).await.unwrap(), None);
    assert!(is_good(store, &held(ONE)).await && !is_good(store, &held(TWO)).await);
    assert_eq!(rotate(store, ONE, 1, 2).await, Rotated::Done(held(ONE), alice(), LATER_MS));
}

pub(super) async fn a_secret_of_before_ends_its_log_in(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    let [one, two] = [begin(store, ONE).await, begin(store, TWO).await];
    rotate(store, ONE, 1, 2).await;
    assert_eq!(rotate(store, ONE, 1, 3).await, Rotated::Reused(1));
    assert!(!is_good(store, &one).await && is_good(store, &two).await);
    assert_eq!(due(store).await, [ended_by("refresh token reused", ONE)]);
    for secret in [1, 2, 3] {
        assert_eq!(rotate(store, ONE, secret, 4).await, Rotated::Unknown);
    }
    assert_eq!(rotate(store, TWO, 9, 4).await, Rotated::Reused(1), "or one that never was");
    assert!(!is_good(store, &two).await);
}

pub(super) async fn a_secret_that_is_shown_again_too_late_or_after_the_next_ends_its_log_in(
    store: &impl UserStore,
) {
    create(store, "alice").await.unwrap();
    for (id, late_ms) in [(ONE, 11), (TWO, -11)] {
        begin(store, id).await;
        rotate(store, id, 1, 2).await;
        let late = Rotation { now_ms: NOW_MS + late_ms, ..rotation(id, 1, 2) };
        assert_eq!(store.rotate(late).await.unwrap(), Rotated::Reused(1), "{late_ms}");
    }
    begin(store, "1c").await;
    rotate(store, "1c", 1, 2).await;
    rotate(store, "1c", 2, 3).await;
    assert_eq!(rotate(store, "1c", 1, 2).await, Rotated::Reused(1));
}

pub(super) async fn who_refreshes_uses_their_device(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    begin(store, ONE).await;
    let last = async || store.device(1, "text".into()).await.unwrap().unwrap().last_login_ms;
    let later = |late_ms, step| Rotation {
        now_ms: NOW_MS + late_ms,
        noted_before_ms: NOW_MS + late_ms - 5,
        ..rotation(ONE, step, step + 1)
    };
    for (late_ms, step, noted) in [(5, 1, 0), (6, 2, 6), (7, 3, 6)] {
        store.rotate(later(late_ms, step)).await.unwrap();
        assert_eq!(last().await, NOW_MS + noted, "{late_ms}");
    }
}

pub(super) async fn of_many_who_show_one_secret_at_most_one_goes_on<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    let held = begin(&*stores[0], ONE).await;
    let mut callers = JoinSet::new();
    for (next, store) in (2..).take(CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move { rotate(&*store, ONE, 1, next).await });
    }
    let outcomes = callers.join_all().await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Rotated::Done(..))).count();
    let reused = outcomes.iter().filter(|outcome| matches!(outcome, Rotated::Reused(1))).count();
    assert_eq!((done, reused), (1, 1), "{outcomes:?}");
    assert!(!is_good(&*stores[0], &held).await);
    assert_eq!(due(&*stores[0]).await, [ended_by("refresh token reused", ONE)]);
}

pub(super) async fn a_log_in_goes_on_no_longer_than_its_token_would(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    begin(store, ONE).await;
    let late = Rotation { now_ms: LATER_MS, ..rotation(ONE, 1, 2) };
    assert_eq!(store.rotate(late).await.unwrap(), Rotated::Unknown, "expired");
    let longer = Rotation { expires_at_ms: LATER_MS + 1, ..rotation(ONE, 1, 2) };
    assert!(matches!(store.rotate(longer).await.unwrap(), Rotated::Done(..)));
    let late = Rotation { now_ms: LATER_MS, ..rotation(ONE, 2, 3) };
    assert!(matches!(store.rotate(late).await.unwrap(), Rotated::Done(..)), "it was put off");

    // A device that is put out takes its log-ins along.
    let generation = device(store, "mobile:a").await;
    let phone = Held { device: "mobile:a".into(), generation, ..held(TWO) };
    store.begin_log_in(new(&phone)).await.unwrap();
    assert!(is_good(store, &phone).await);
    assert!(store.revoke_device(1, "mobile:a".into(), NOW_MS).await.unwrap());
    assert!(!is_good(store, &phone).await);
    assert_eq!(rotate(store, TWO, 1, 2).await, Rotated::Unknown);
    // One that was proved before and would be noted after.
    assert_eq!(store.begin_log_in(new(&phone)).await.unwrap(), None);
    assert_eq!(rotate(store, TWO, 1, 2).await, Rotated::Unknown);
    assert!(!is_good(store, &phone).await);
}

pub(super) async fn another_log_in_of_a_device_ends_the_former_and_one_too_many_the_oldest(
    store: &impl UserStore,
) {
    create(store, "alice").await.unwrap();
    let generation = device(store, "mobile:a").await;
    let phone =
        |id: &str| Held { device: "mobile:a".into(), generation, ..held(&format!("1phone{id}")) };
    let replacing = |held: &Held| NewLogIn { replaces: true, ..new(held) };
    let text = begin(store, ONE).await;
    assert_eq!(store.begin_log_in(replacing(&phone("1"))).await.unwrap(), Some(0));
    assert_eq!(store.begin_log_in(replacing(&phone("2"))).await.unwrap(), Some(1));
    assert_eq!(store.begin_log_in(replacing(&phone("2"))).await.unwrap(), Some(0));
    assert!(!is_good(store, &phone("1")).await && is_good(store, &phone("2")).await);
    let overtaken = Held { epoch: 0, ..phone("3") };
    assert_eq!(store.begin_log_in(replacing(&overtaken)).await.unwrap(), None);
    assert!(is_good(store, &phone("2")).await, "and no other ended for it");
    assert!(is_good(store, &text).await, "another device");
    assert_eq!(due(store).await, [ended_by("logged in elsewhere", "1phone1")]);

    // The phone's has not gone on since, and the one of text has.
    let later = Rotation { now_ms: NOW_MS + 5, ..rotation(ONE, 1, 2) };
    assert!(matches!(store.rotate(later).await.unwrap(), Rotated::Done(..)));
    let third = NewLogIn { now_ms: NOW_MS + 6, ..new(&held(TWO)) };
    assert_eq!(store.begin_log_in(third).await.unwrap(), Some(0));
    let fourth = NewLogIn { now_ms: NOW_MS + 7, ..new(&held("1c")) };
    assert_eq!(store.begin_log_in(fourth).await.unwrap(), Some(1));
    assert!(!is_good(store, &phone("2")).await);
    for id in [ONE, TWO, "1c"] {
        assert!(is_good(store, &held(id)).await, "{id}");
    }
}

pub(super) async fn nobody_has_too_many_log_ins_however_many_begin_at_once<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move {
            store.begin_log_in(new(&held(&format!("1{caller}")))).await.unwrap()
        });
    }
    let ended: u32 = callers.join_all().await.into_iter().flatten().sum();
    let mut good = 0;
    for caller in 0..CALLERS {
        good += usize::from(is_good(&*stores[0], &held(&format!("1{caller}"))).await);
    }
    assert_eq!((good, ended as usize), (3, CALLERS - 3));
}

pub(super) async fn a_log_in_that_ended_is_good_for_nothing_and_has_to_be_told(
    store: &impl UserStore,
) {
    create(store, "alice").await.unwrap();
    create(store, "bob").await.unwrap();
    let held = begin(store, ONE).await;
    let of_bob = Ending {
        user_id: 2,
        log_in_id: ONE.into(),
        expires_at_ms: LATER_MS,
        forget_before_ms: NOW_MS,
        due_at_ms: Some(NOW_MS),
    };
    assert!(!store.end_log_in(of_bob).await.unwrap() && is_good(store, &held).await);
    assert!(revoke(store, ONE, LATER_MS, NOW_MS).await);
    assert!(!revoke(store, ONE, LATER_MS, NOW_MS).await, "it has ended");
    assert!(!is_good(store, &held).await);
    assert_eq!(rotate(store, ONE, 1, 2).await, Rotated::Unknown);
    assert!(revoke(store, "0text", LATER_MS, NOW_MS).await);
    let mut told = due(store).await;
    told.sort_by_key(|it| format!("{it:?}"));
    assert_eq!(told, [ended("0text"), ended(ONE)]);
    assert!(claimed(store, ended(ONE)).await && !claimed(store, ended(ONE)).await);
    for _ in 0..2 {
        store.revocations_told(vec![ended("0text")]).await.unwrap();
    }
    assert_eq!(due(store).await, []);
    let untold = Ending {
        user_id: 1,
        log_in_id: "0quiet".into(),
        expires_at_ms: LATER_MS,
        forget_before_ms: NOW_MS,
        due_at_ms: None,
    };
    assert!(store.end_log_in(untold).await.unwrap());
    assert!(revoked(store, "0quiet").await && due(store).await.is_empty());
    let later = DueTime { now_ms: NOW_MS + 500, latest_ms: NOW_MS + 1500 };
    assert_eq!(store.due_revocations(later, 9).await.unwrap(), [ended(ONE)]);
}

pub(super) async fn all_log_ins_end_at_once(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    create(store, "bob").await.unwrap();
    let one = begin(store, ONE).await;
    let text = held("0text");
    for epoch in 1..4 {
        assert!(!store.end_all_log_ins(1, epoch + 1, NOW_MS).await.unwrap(), "not yet");
        assert!(store.end_all_log_ins(1, epoch, NOW_MS).await.unwrap());
        assert!(!store.end_all_log_ins(1, epoch, NOW_MS).await.unwrap(), "they have");
        let nameless = Held { epoch, ..held("") };
        assert!(store.account_of(nameless, Shown::Session).await.unwrap().is_none());
        assert!(!is_good(store, &one).await && !is_good(store, &text).await);
        assert_eq!(rotate(store, ONE, 1, 2).await, Rotated::Unknown);
        let credentials = store.credentials("alice".into()).await.unwrap().unwrap();
        assert_eq!(credentials.account, Account { epoch: epoch + 1, ..alice() });
        assert!(is_good(store, &Held { epoch: epoch + 1, ..held("0new") }).await);
        let all = Revocation::LogIns(EndedLogIns {
            user_id: 1,
            log_in_id: String::new(),
            epoch,
            except_log_in_id: String::new(),
            reason: "logged out everywhere".into(),
        });
        assert_eq!(due(store).await, std::slice::from_ref(&all));
        store.revocations_told(vec![all]).await.unwrap();
    }
    // One that was proved before and would be noted after.
    assert_eq!(store.begin_log_in(new(&held(TWO))).await.unwrap(), None);
    assert!(!is_good(store, &held(TWO)).await);
    assert_eq!(rotate(store, TWO, 1, 2).await, Rotated::Unknown);
    let of_bob = Held { user_id: 2, ..held("0text") };
    assert!(is_good(store, &of_bob).await, "nobody else's");
}

pub(super) async fn all_log_ins_end_once_however_many_ask_for_it<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move {
            if caller % 2 == 0 {
                return store.end_all_log_ins(1, 1, NOW_MS).await.unwrap();
            }
            // Whether it was before or after: it does not outlive the others.
            store.begin_log_in(new(&held(&format!("1{caller}")))).await.unwrap();
            false
        });
    }
    let ended = callers.join_all().await.into_iter().filter(|ended| *ended).count();
    assert_eq!(ended, 1);
    for caller in 0..CALLERS {
        assert!(!is_good(&*stores[0], &held(&format!("1{caller}"))).await, "{caller}");
    }
}

pub(super) async fn who_is_put_out_is_told_first_and_then_whoever_waits_longest(
    store: &impl UserStore,
) {
    create(store, "alice").await.unwrap();
    let at = |log_in_id: &str, due_at_ms| Ending {
        user_id: 1,
        log_in_id: log_in_id.to_owned(),
        expires_at_ms: LATER_MS,
        forget_before_ms: NOW_MS,
        due_at_ms: Some(due_at_ms),
    };
    store.end_log_in(at("0a", NOW_MS - 7)).await.unwrap();
    store.end_log_in(at("0b", NOW_MS - 8)).await.unwrap();
    assert!(store.end_all_log_ins(1, 1, NOW_MS - 1).await.unwrap());
    store.revoke_device(1, "text".into(), NOW_MS - 3).await.unwrap();
    let all = due(store).await;
    assert!(matches!(all[0], Revocation::Device(_)), "{all:?}");
    assert!(matches!(&all[1], Revocation::LogIns(all) if all.epoch == 1), "{all:?}");
    assert_eq!(all[2..], [ended("0b"), ended("0a")]);
    assert_eq!(store.due_revocations(TIME, 2).await.unwrap(), all[..2]);
}

pub(super) async fn log_ins_that_expired_are_forgotten(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    for id in 0..10 {
        let old = NewLogIn {
            expires_at_ms: NOW_MS + 10,
            per_user_max: 99,
            ..new(&held(&format!("1old{id}")))
        };
        store.begin_log_in(old).await.unwrap();
    }
    for begun in 0..5 {
        let another = NewLogIn {
            per_user_max: 99,
            forget_before_ms: NOW_MS + 20,
            ..new(&held(&format!("1new{begun}")))
        };
        store.begin_log_in(another).await.unwrap();
    }
    for id in 0..10 {
        assert!(!is_good(store, &held(&format!("1old{id}"))).await, "{id}");
    }
    assert!(is_good(store, &held("1new0")).await);
    // What they still have open ends with them.
    let mut told = store.due_revocations(TIME, 99).await.unwrap();
    told.sort();
    assert_eq!(told, (0..10).map(|id| ended(&format!("1old{id}"))).collect::<Vec<_>>());
}
