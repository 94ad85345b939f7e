//! Keys of bots.

use super::devices::due;
use super::log_ins::hash;
use super::*;
use crate::store::{
    ApiKey, EndedLogIns, HeldKey, KEY_EXPIRED, KEY_REVOKED, KeyMade, NewApiKey, Revocation,
};

const BOT: i64 = 1;

async fn bot(store: &impl UserStore) {
    let bot = NewAccount { password_hash: None, role: Role::Bot, ..account("bot") };
    assert_eq!(store.create_account(bot).await.unwrap(), Some(BOT));
}

/// Ids of keys are told from others by the first digit.
fn new(key_id: &str) -> NewApiKey {
    let key = ApiKey {
        key_id: key_id.to_owned(),
        user_id: BOT,
        device: "text".to_owned(),
        created_at_ms: NOW_MS,
        expires_at_ms: 0,
        last_used_at_ms: 0,
    };
    NewApiKey { key, secret_hash: hash(7), per_bot_max: 3 }
}

async fn make(store: &impl UserStore, made: NewApiKey) -> KeyMade {
    store.make_key(made).await.unwrap()
}

fn told(key_id: &str, reason: &str) -> Revocation {
    let (log_in_id, except_log_in_id) = (key_id.to_owned(), String::new());
    let reason = reason.to_owned();
    Revocation::LogIns(EndedLogIns { user_id: BOT, log_in_id, epoch: 0, except_log_in_id, reason })
}

/// One for the second user, who is a bot now.
pub(super) async fn make_one(store: &impl UserStore) {
    assert!(store.set_role(2, Role::Bot).await.unwrap());
    let made = new("2a");
    let made = NewApiKey { key: ApiKey { user_id: 2, ..made.key.clone() }, ..made };
    assert_eq!(make(store, made).await, KeyMade::Made);
}

pub(super) async fn has_one(store: &impl UserStore) -> bool {
    store.key("2a".into()).await.unwrap().is_some_and(|known| known.key.user_id == 2)
}

pub(super) async fn a_bot_has_no_password_and_is_let_in_by_its_keys(store: &impl UserStore) {
    bot(store).await;
    let known = store.credentials("bot".into()).await.unwrap().unwrap();
    assert!(known.password_hash.is_none() && known.account.role == Role::Bot);
    let one = new("2a");
    assert!(!is_good(store, &held("2a")).await && store.key("2a".into()).await.unwrap().is_none());
    for _ in 0..2 {
        assert_eq!(make(store, one.clone()).await, KeyMade::Made);
    }
    let account = Account { user_id: BOT, name: "bot".into(), role: Role::Bot, epoch: 1 };
    let (key, secret_hash) = (one.key.clone(), hash(7));
    let known = HeldKey { key, secret_hash, account: account.clone(), disabled: false };
    assert_eq!(store.key("2a".into()).await.unwrap(), Some(known));
    assert!(is_good(store, &held("2a")).await);
    assert!(!is_good(store, &held("2b")).await);
    create(store, "alice").await.unwrap();
    let of_alice = Held { user_id: 2, ..held("2a") };
    assert!(!is_good(store, &of_alice).await, "nobody else's");
    for at_ms in [NOW_MS + 5, NOW_MS + 3] {
        store.key_used("2a".into(), at_ms).await.unwrap();
    }
    store.key_used("2b".into(), NOW_MS).await.unwrap();
    let used = ApiKey { last_used_at_ms: NOW_MS + 5, ..one.key };
    assert_eq!(store.keys(BOT).await.unwrap(), [used]);
    assert_eq!(store.keys(2).await.unwrap(), []);

    // What it has open ends with all of its log-ins, and the key stays.
    assert!(store.end_all_log_ins(BOT, 1, NOW_MS).await.unwrap());
    assert!(!is_good(store, &held("2a")).await);
    assert!(is_good(store, &Held { epoch: 2, ..held("2a") }).await);
    assert!(store.set_disabled(BOT, true, NOW_MS).await.unwrap());
    assert!(store.key("2a".into()).await.unwrap().unwrap().disabled);
}

pub(super) async fn keys_are_for_bots_and_bounded(store: &impl UserStore) {
    bot(store).await;
    create(store, "alice").await.unwrap();
    let of = |user_id| {
        let made = new("2a");
        NewApiKey { key: ApiKey { user_id, ..made.key.clone() }, ..made }
    };
    assert_eq!(make(store, of(9)).await, KeyMade::NoSuchUser);
    assert_eq!(make(store, of(2)).await, KeyMade::NoBot);
    assert!(store.set_role(2, Role::Admin).await.unwrap());
    assert_eq!(make(store, of(2)).await, KeyMade::NoBot);
    for key_id in ["2a", "2b", "2c", "2a"] {
        assert_eq!(make(store, new(key_id)).await, KeyMade::Made, "{key_id}");
    }
    assert_eq!(make(store, new("2d")).await, KeyMade::TooMany);
    assert!(store.end_key("2b".into(), KEY_REVOKED, NOW_MS).await.unwrap());
    assert_eq!(make(store, new("2d")).await, KeyMade::Made);
    let ids: Vec<_> = store.keys(BOT).await.unwrap().into_iter().map(|key| key.key_id).collect();
    assert_eq!(ids, ["2a", "2c", "2d"]);
}

pub(super) async fn no_bot_has_too_many_keys_however_many_are_made_at_once<S: UserStore>(
    stores: &Instances<S>,
) {
    bot(&*stores[0]).await;
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move { make(&*store, new(&format!("2{caller}"))).await });
    }
    let outcomes = callers.join_all().await;
    let made = outcomes.iter().filter(|outcome| **outcome == KeyMade::Made).count();
    assert_eq!((made, stores[0].keys(BOT).await.unwrap().len()), (3, 3), "{outcomes:?}");
}

pub(super) async fn a_key_that_ended_is_gone_and_has_to_be_told(store: &impl UserStore) {
    bot(store).await;
    let until = |key_id: &str, expires_at_ms| {
        let made = new(key_id);
        NewApiKey { key: ApiKey { expires_at_ms, ..made.key.clone() }, ..made }
    };
    for (key_id, expires_at_ms) in [("2a", 0), ("2b", NOW_MS + 2), ("2c", NOW_MS + 1)] {
        assert_eq!(make(store, until(key_id, expires_at_ms)).await, KeyMade::Made);
    }
    let over = async |at_ms, limit| store.keys_over(at_ms, limit).await.unwrap();
    assert_eq!(over(NOW_MS, 9).await, [""; 0]);
    assert_eq!(over(NOW_MS + 1, 9).await, ["2c"]);
    assert_eq!(over(NOW_MS + 2, 9).await, ["2c", "2b"]);
    assert_eq!(over(NOW_MS + 2, 1).await, ["2c"]);
    assert!(!store.end_key("2d".into(), KEY_REVOKED, NOW_MS).await.unwrap());
    assert!(store.end_key("2c".into(), KEY_EXPIRED, NOW_MS - 1).await.unwrap());
    assert!(store.end_key("2a".into(), KEY_REVOKED, NOW_MS).await.unwrap());
    assert!(!store.end_key("2a".into(), KEY_REVOKED, NOW_MS).await.unwrap(), "it was before");
    for (key_id, is_there) in [("2a", false), ("2b", true), ("2c", false)] {
        assert_eq!(store.key(key_id.into()).await.unwrap().is_some(), is_there, "{key_id}");
        assert_eq!(is_good(store, &held(key_id)).await, is_there, "{key_id}");
    }
    assert_eq!(due(store).await, [told("2c", "key expired"), told("2a", "key revoked")]);
    // A log-out says nothing of a key.
    assert!(!revoke(store, "2b", NOW_MS, NOW_MS).await && is_good(store, &held("2b")).await);
}
