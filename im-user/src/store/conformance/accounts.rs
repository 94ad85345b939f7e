//! Accounts that change: another password, or nobody may log in.

use super::devices::due;
use super::log_ins::{LATER_MS, ONE, TWO, alice, begin, hash, rotate};
use super::*;
use crate::store::{Change, EndedLogIns, Revocation, Rotated};

fn change(old: &str, new: &str, log_in_id: &str) -> Change {
    let [old_hash, new_hash] = [old, new].map(SecretString::from);
    Change {
        user_id: 1,
        old_hash,
        new_hash,
        log_in_id: log_in_id.to_owned(),
        refresh_hash: hash(7),
        expires_at_ms: LATER_MS,
        now_ms: NOW_MS,
    }
}

pub(super) async fn another_password_ends_all_log_ins_but_one(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    let [one, two] = [begin(store, ONE).await, begin(store, TWO).await];
    let wrong = change("another", "new", ONE);
    assert_eq!(store.change_password(wrong).await.unwrap(), None);
    assert!(is_good(store, &two).await, "nothing was changed");
    let right = change("hash of alice", "new", ONE);
    assert_eq!(store.change_password(right.clone()).await.unwrap(), Some(2));
    assert_eq!(store.change_password(right).await.unwrap(), None, "it is another one");
    let known = store.credentials_of(1).await.unwrap().unwrap();
    assert_eq!(known.password_hash.unwrap().expose_secret(), "new");
    assert_eq!(known.account, Account { epoch: 2, ..alice() });
    assert!(!is_good(store, &two).await);
    let goes_on =
        async |held: &Held, shown| store.account_of(held.clone(), shown).await.unwrap().is_some();
    assert!(goes_on(&one, Shown::Session).await && !goes_on(&one, Shown::Token).await);
    let now = Held { epoch: 2, ..one.clone() };
    assert!(is_good(store, &now).await);
    let account = Account { epoch: 2, ..alice() };
    assert_eq!(rotate(store, ONE, 7, 8).await, Rotated::Done(now, account, LATER_MS));
    let all = EndedLogIns {
        user_id: 1,
        log_in_id: String::new(),
        epoch: 1,
        except_log_in_id: ONE.into(),
        reason: "password changed".into(),
    };
    assert_eq!(due(store).await, [Revocation::LogIns(all)]);
    // The next one of them all keeps none.
    assert!(store.end_all_log_ins(1, 2, NOW_MS).await.unwrap());
    assert!(!goes_on(&one, Shown::Session).await);
}

pub(super) async fn of_many_who_change_a_password_at_once_one_does<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let change = change("hash of alice", &format!("new{caller}"), "0");
            store.change_password(change).await.unwrap()
        });
    }
    let epochs: Vec<i64> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(epochs, [2]);
}

pub(super) async fn nobody_is_in_while_disabled(store: &impl UserStore) {
    create(store, "alice").await.unwrap();
    let one = begin(store, ONE).await;
    assert!(!store.set_disabled(2, true, NOW_MS).await.unwrap());
    assert!(store.set_disabled(1, false, NOW_MS).await.unwrap());
    assert!(is_good(store, &one).await);
    assert!(store.set_disabled(1, true, NOW_MS).await.unwrap());
    let disabled = async || store.credentials("alice".into()).await.unwrap().unwrap().disabled;
    assert!(disabled().await && !is_good(store, &one).await);
    let next = Held { epoch: 2, ..held("0") };
    assert!(!is_good(store, &next).await, "nor who was about to log in");
    assert_eq!(rotate(store, ONE, 1, 2).await, Rotated::Unknown);
    assert!(store.set_disabled(1, false, NOW_MS).await.unwrap());
    assert!(!disabled().await && is_good(store, &next).await && !is_good(store, &one).await);
}
