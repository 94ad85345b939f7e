//! Log-ins that go on, begin and end at once, on several instances.

use super::devices::begun as device;
use super::log_ins::{LATER_MS, ONE, begin, new, rotate};
use super::*;
use crate::store::{NewLogIn, Rotated};

/// Whatever comes first: a log-in that was ended does not go on.
pub(super) async fn a_log_in_ends_although_it_is_refreshed_meanwhile<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    for round in 0..4 {
        let ids: Vec<String> = (0..CALLERS).map(|caller| format!("1{round}x{caller}")).collect();
        for id in &ids {
            let begun = NewLogIn { per_user_max: NO_LIMIT, ..new(&at_epoch(id, round + 1)) };
            assert_eq!(stores[0].begin_log_in(begun).await.unwrap(), Some(0));
        }
        let mut callers = JoinSet::new();
        for (id, store) in ids.iter().zip(stores.iter().cycle()) {
            let (id, to_end, store) = (id.clone(), id.clone(), Arc::clone(store));
            let other = Arc::clone(&stores[stores.len() - 1]);
            callers.spawn(async move {
                rotate(&*store, &id, 1, 2).await;
            });
            // One by one, or all of them.
            callers.spawn(async move {
                if round % 2 == 0 {
                    revoke(&*other, &to_end, LATER_MS, NOW_MS).await;
                } else {
                    other.end_all_log_ins(1, round + 1, NOW_MS).await.unwrap();
                }
            });
        }
        callers.join_all().await;
        if round % 2 == 0 {
            assert!(stores[0].end_all_log_ins(1, round + 1, NOW_MS).await.unwrap());
        }
        for id in ids {
            assert_eq!(rotate(&*stores[0], &id, 2, 3).await, Rotated::Unknown, "{id}");
            assert!(!is_good(&*stores[0], &at_epoch(&id, round + 2)).await, "{id}");
        }
    }
}

fn at_epoch(log_in_id: &str, epoch: i64) -> Held {
    Held { epoch, ..held(log_in_id) }
}

/// Whether it began before or after: a log-in of a device that is revoked is good for nothing, and ends none
/// that is.
pub(super) async fn no_log_in_outlives_its_device_however_many_begin<S: UserStore>(
    stores: &Instances<S>,
) {
    create(&*stores[0], "alice").await.unwrap();
    begin(&*stores[0], ONE).await;
    let generation = device(&*stores[0], "mobile:a").await;
    let phone = move |id: usize| Held {
        device: "mobile:a".into(),
        generation,
        ..held(&format!("1phone{id}"))
    };
    let mut callers = JoinSet::new();
    for (caller, store) in (0..CALLERS).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        callers.spawn(async move {
            if caller == CALLERS / 2 {
                assert!(store.revoke_device(1, "mobile:a".into(), NOW_MS).await.unwrap());
            } else {
                let begun = NewLogIn { per_user_max: NO_LIMIT, ..new(&phone(caller)) };
                store.begin_log_in(begun).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    for caller in 0..CALLERS {
        let id = phone(caller).log_in_id;
        assert_eq!(rotate(&*stores[0], &id, 1, 2).await, Rotated::Unknown, "{id}");
    }
    assert!(is_good(&*stores[0], &held(ONE)).await);
}
