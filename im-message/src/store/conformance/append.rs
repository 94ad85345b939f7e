//! Numbering and de-duplication.

use super::*;

pub(crate) async fn seqs_are_dense_and_msg_ids_grow<T: Timeline>(store: Arc<T>) {
    let one = ConvId::pair(1, 2);
    let other = ConvId::pair(1, 3);
    let batch = [
        text(one, 1, "a", "1"),
        text(other, 1, "a", "1"),
        text(one, 2, "b", "2"),
        text(one, 1, "c", "3"),
    ];
    let mut answers = store.append(Arc::from(batch), NOW_MS).await;
    answers.push(Ok(put(&*store, text(one, 1, "d", "4")).await));
    let appended: Vec<Appended> = answers.into_iter().map(Result::unwrap).collect();
    let seqs: Vec<i64> = appended.iter().map(|appended| appended.seq).collect();
    assert_eq!(seqs, [1, 1, 2, 3, 4]);
    assert!(appended.is_sorted_by(|before, after| before.msg_id < after.msg_id), "{appended:?}");
    assert!(appended.iter().all(|appended| appended.new && appended.ts_ms == NOW_MS));
    let entries = visible(&*store, 2, one).await.unwrap().entries;
    let expected = Entry {
        seq: 2,
        msg_id: appended[2].msg_id,
        author: 2,
        ts_ms: NOW_MS,
        content: Content::Text("2".to_owned()),
        device: String::new(),
    };
    assert_eq!(entries[1], expected);
}

pub(crate) async fn the_same_message_again_is_given_the_same_numbers<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    let first = put(&*store, text(conv, 1, "k", "hello")).await;
    put(&*store, text(conv, 2, "k2", "in between")).await;
    let later_ms = NOW_MS + 3_600_000;
    let again = store.append(Arc::from([text(conv, 1, "k", "hello")]), later_ms).await;
    assert_eq!(*again[0].as_ref().unwrap(), Appended { new: false, ..first });
    assert_eq!(visible_seqs(&*store, 1, conv).await, [1, 2]);
}

/// A repetition is the same message whichever device repeats it.
pub(crate) async fn an_entry_keeps_the_device_that_sent_it_first<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    let of = |device: &str, key| NewEntry { device: device.to_owned(), ..text(conv, 1, key, "t") };
    let first = put(&*store, of("mobile:a", "a")).await;
    put(&*store, of("", "b")).await;
    let again = put(&*store, of("web:b", "a")).await;
    assert_eq!(again, Appended { new: false, ..first });
    let entries = visible(&*store, 2, conv).await.unwrap().entries;
    let devices: Vec<&str> = entries.iter().map(|entry| entry.device.as_str()).collect();
    assert_eq!(devices, ["mobile:a", ""]);
}

pub(crate) async fn a_repetition_within_one_batch_is_given_the_same_numbers<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let batch = [
        text(conv, 1, "k", "hello"),
        text(conv, 1, "l", "world"),
        text(conv, 1, "k", "hello"),
        text(conv, 1, "k", "HELLO"),
        text(conv, 1, "m", "!"),
    ];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    let first = *answers[0].as_ref().unwrap();
    assert_eq!(*answers[2].as_ref().unwrap(), Appended { new: false, ..first });
    assert!(matches!(answers[3], Err(AppendError::Conflict)), "{answers:?}");
    assert_eq!(answers[4].as_ref().unwrap().seq, 3);
    assert_eq!(visible_seqs(&*store, 1, conv).await, [1, 2, 3]);
}

pub(crate) async fn the_same_key_with_other_text_is_a_conflict_and_changes_nothing<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 1, "k", "hello")).await;
    let before = visible(&*store, 1, conv).await;
    let refused = try_put(&*store, text(conv, 1, "k", "hello ")).await;
    assert!(matches!(refused, Err(AppendError::Conflict)), "{refused:?}");
    assert_eq!(visible(&*store, 1, conv).await, before);
}

pub(crate) async fn keys_of_different_authors_conversations_and_origins_do_not_meet<T: Timeline>(
    store: Arc<T>,
) {
    let pair = ConvId::pair(1, 2);
    put(&*store, joined(GROUP, 1, "k")).await;
    for entry in [
        text(GROUP, 1, "k", "the key of the membership change"),
        text(pair, 1, "k", "the same key in another conversation"),
        text(pair, 2, "k", "the same key of another author"),
    ] {
        assert!(put(&*store, entry).await.new);
    }
}

pub(crate) async fn a_refused_entry_leaves_no_trace_and_harms_no_other<T: Timeline>(store: Arc<T>) {
    let pair = ConvId::pair(1, 2);
    let nowhere = ConvId::Group(99);
    put(&*store, joined(GROUP, 1, "j1")).await;
    let batch = [
        text(GROUP, 2, "a", "not a member"),
        text(nowhere, 1, "a", "no such group"),
        text(GROUP, 1, "a", "fine"),
        text(pair, 1, "a", "fine"),
        text(pair, 3, "a", "not theirs"),
        left(nowhere, 1, "l"),
    ];
    let answers = store.append(Arc::from(batch), NOW_MS).await;
    assert!(matches!(answers[0], Err(AppendError::NotMember)), "{answers:?}");
    assert!(matches!(answers[1], Err(AppendError::NoSuchConversation)), "{answers:?}");
    assert_eq!(answers[2].as_ref().unwrap().seq, 2);
    assert_eq!(answers[3].as_ref().unwrap().seq, 1);
    assert!(matches!(answers[4], Err(AppendError::NotMember)), "{answers:?}");
    assert!(matches!(answers[5], Err(AppendError::NoSuchConversation)), "{answers:?}");
    assert!(!store.exists(nowhere).await.unwrap());
    assert!(store.exists(GROUP).await.unwrap());
    assert_eq!(visible_seqs(&*store, 1, GROUP).await, [1, 2]);
}

pub(crate) async fn msg_ids_follow_the_time_and_survive_a_clock_that_goes_back<T: Timeline>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let mut last = 0;
    for (key, now_ms) in [
        ("a", NOW_MS),
        ("b", NOW_MS),
        ("c", NOW_MS - 3_600_000),
        ("d", NOW_MS + 5),
        ("e", -1),
        ("f", NOW_MS + 1_005),
        ("g", i64::MAX),
    ] {
        let answers = store.append(Arc::from([text(conv, 1, key, "")]), now_ms).await;
        let msg_id = answers[0].as_ref().unwrap().msg_id;
        assert!(msg_id > last, "{msg_id} came after {last}");
        if now_ms < i64::MAX {
            let of_a_second_ago = (now_ms - 1_000) << 22;
            assert!(msg_id >= of_a_second_ago, "{msg_id} at {now_ms}");
        }
        last = msg_id;
    }
    assert!(last < (NOW_MS + 10_000) << 22, "an absurd clock moved them to {last}");
}
