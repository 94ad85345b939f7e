//! Where devices begin.

use super::*;

fn device(uid: i64, device: &str) -> Reader {
    Reader { uid, device: device.to_owned() }
}

/// Where a device stands in a conversation.
async fn at(store: &impl Timeline, reader: &Reader, conv: ConvId) -> Option<i64> {
    let found = store.positions(reader, vec![conv]).await.unwrap();
    found.first().map(|position| position.cursor)
}

async fn texts(store: &impl Timeline, conv: ConvId, author: i64, keys: &[&str]) {
    for key in keys {
        put(store, text(conv, author, key, "hello")).await;
    }
}

pub(crate) async fn the_first_device_begins_where_its_user_does<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a", "b"]).await;
    let first = device(2, "mobile:a");
    assert!(store.open_device(&first, 1).await.unwrap());
    assert_eq!(at(&*store, &first, conv).await, Some(0), "what was sent before is for it");
    store.advance_cursors(&first, vec![(conv, 1)]).await.unwrap();
    assert!(store.open_device(&first, 1).await.unwrap(), "again");
    assert_eq!(at(&*store, &first, conv).await, Some(1), "again changes nothing");
}

pub(crate) async fn a_later_device_begins_at_the_heads<T: Timeline>(store: Arc<T>) {
    let (old, new) = (ConvId::pair(1, 2), ConvId::pair(2, 3));
    for uid in [1, 2] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    texts(&*store, old, 1, &["a", "b"]).await;
    texts(&*store, GROUP, 1, &["c"]).await;
    put(&*store, left(GROUP, 2, "l")).await;
    texts(&*store, GROUP, 1, &["d"]).await;
    let later = device(2, "mobile:a");
    assert!(store.open_device(&later, 2).await.unwrap());
    assert_eq!(store.behind(&later, None, 9).await.unwrap().unwrap(), (Vec::new(), false));
    assert_eq!(at(&*store, &later, old).await, Some(2));
    assert_eq!(at(&*store, &later, GROUP).await, Some(4), "up to where they left");
    assert_eq!(position(&*store, 2, old).await, Some((0, 2)), "the other device's");
    texts(&*store, new, 3, &["e"]).await;
    texts(&*store, old, 1, &["f"]).await;
    assert_eq!(at(&*store, &later, new).await, Some(0), "it began after the device");
    assert_eq!(at(&*store, &later, old).await, Some(2));
}

pub(crate) async fn a_device_that_begins_has_got_nothing<T: Timeline + ReadState>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a", "b"]).await;
    let delivered = async || {
        let (receipts, _) = store.receipts(1, conv, 0, 9).await.unwrap().unwrap();
        receipts[0].delivered_seq
    };
    let later = device(2, "mobile:a");
    store.open_device(&later, 2).await.unwrap();
    assert_eq!(delivered().await, 0);
    texts(&*store, conv, 1, &["c"]).await;
    store.advance_cursors(&later, vec![(conv, 3)]).await.unwrap();
    assert_eq!(delivered().await, 3);
}

pub(crate) async fn a_device_with_cursors_that_was_never_opened_keeps_them<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a", "b", "c"]).await;
    let classic = device(2, "text");
    store.advance_cursors(&classic, vec![(conv, 1)]).await.unwrap();
    let other = device(2, "mobile:a");
    assert!(store.open_device(&other, 1).await.unwrap());
    assert_eq!(at(&*store, &other, conv).await, Some(3), "it is not the first");
    assert!(store.open_device(&classic, 2).await.unwrap());
    assert_eq!(at(&*store, &classic, conv).await, Some(1));
}

pub(crate) async fn a_device_that_was_forgotten_begins_anew<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a", "b"]).await;
    let phone = device(2, "mobile:a");
    store.open_device(&phone, 1).await.unwrap();
    store.forget_device(&phone, 1).await.unwrap();
    assert!(!store.open_device(&phone, 1).await.unwrap(), "it is not the user's any more");
    // Its last session was slow.
    store.advance_cursors(&phone, vec![(conv, 1)]).await.unwrap();
    assert!(store.open_device(&phone, 2).await.unwrap());
    assert_eq!(at(&*store, &phone, conv).await, Some(2));
    texts(&*store, conv, 1, &["c"]).await;
    for late in [1, 0] {
        store.forget_device(&phone, late).await.unwrap();
        assert!(!store.open_device(&phone, late).await.unwrap());
        assert_eq!(at(&*store, &phone, conv).await, Some(2), "what is late is of another");
    }
    // A younger one may come before anybody has said that this one is gone.
    assert!(store.open_device(&phone, 3).await.unwrap());
    assert_eq!(at(&*store, &phone, conv).await, Some(3));
}

pub(crate) async fn however_many_devices_are_forgotten_the_others_stay<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a"]).await;
    let kept = device(2, "text");
    store.open_device(&kept, 1).await.unwrap();
    let count = FORGOTTEN_MAX + 5;
    for generation in 2..2 + count {
        let phone = device(2, &format!("mobile:{generation}"));
        store.open_device(&phone, generation).await.unwrap();
        store.forget_device(&phone, generation).await.unwrap();
    }
    let newest = device(2, &format!("mobile:{}", 1 + count));
    assert!(!store.open_device(&newest, 1 + count).await.unwrap());
    assert_eq!(at(&*store, &kept, conv).await, Some(0));
    assert!(store.open_device(&kept, 1).await.unwrap());
}

pub(crate) async fn a_device_opened_by_many_at_once_begins_once<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    texts(&*store, conv, 1, &["a", "b"]).await;
    let phone = device(2, "mobile:a");
    let mut opening = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, phone) = (store.clone(), phone.clone());
        opening.spawn(async move {
            assert!(store.open_device(&phone, 2).await.unwrap());
            let before = at(&*store, &phone, conv).await;
            put(&*store, text(conv, 1, &format!("later {number}"), "hello")).await;
            before
        });
    }
    let begun = opening.join_all().await;
    assert_eq!(begun, vec![begun[0]; 8], "nobody moved it once it was answered");
}
