//! Who may write, and who sees what: spans.

use super::*;

pub(crate) async fn a_pair_is_its_two_users_from_the_first_message_on<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    put(&*store, text(conv, 2, "a", "hello")).await;
    put(&*store, text(conv, 1, "a", "hello")).await;
    assert_eq!(members(&*store, conv).await, [1, 2]);
    for uid in [1, 2] {
        assert_eq!(visible_seqs(&*store, uid, conv).await, [1, 2]);
        assert_eq!(position(&*store, uid, conv).await, Some((0, 2)));
    }
}

pub(crate) async fn notes_to_oneself_have_one_member<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(4, 4);
    put(&*store, text(conv, 4, "a", "milk")).await;
    assert_eq!(members(&*store, conv).await, [4]);
    assert_eq!(visible_seqs(&*store, 4, conv).await, [1]);
}

pub(crate) async fn strangers_can_neither_write_to_a_pair_nor_read_it<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    let early = try_put(&*store, text(conv, 3, "a", "me first")).await;
    assert!(matches!(early, Err(AppendError::NotMember)), "{early:?}");
    put(&*store, text(conv, 1, "a", "private")).await;
    let late = try_put(&*store, text(conv, 3, "a", "me too")).await;
    assert!(matches!(late, Err(AppendError::NotMember)), "{late:?}");
    assert_eq!(visible(&*store, 3, conv).await, None);
    assert_eq!(position(&*store, 3, conv).await, None);
    assert_eq!(store.behind(&reader(3), None, 10).await.unwrap().unwrap(), (vec![], false));
}

pub(crate) async fn only_members_write_to_a_group<T: Timeline>(store: Arc<T>) {
    let refused = try_put(&*store, text(GROUP, 1, "a", "anyone?")).await;
    assert!(matches!(refused, Err(AppendError::NoSuchConversation)), "{refused:?}");
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, text(GROUP, 1, "a", "hello")).await;
    let refused = try_put(&*store, text(GROUP, 2, "a", "me too")).await;
    assert!(matches!(refused, Err(AppendError::NotMember)), "{refused:?}");
    put(&*store, left(GROUP, 1, "l1")).await;
    let refused = try_put(&*store, text(GROUP, 1, "b", "one more thing")).await;
    assert!(matches!(refused, Err(AppendError::NotMember)), "{refused:?}");
    assert!(members(&*store, GROUP).await.is_empty());
}

pub(crate) async fn a_joiner_sees_from_their_joining_on<T: Timeline>(store: Arc<T>) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, text(GROUP, 1, "a", "before")).await;
    let at = put(&*store, joined(GROUP, 2, "j2")).await.seq;
    put(&*store, text(GROUP, 1, "b", "after")).await;
    assert_eq!(at, 3);
    assert_eq!(visible_seqs(&*store, 2, GROUP).await, [3, 4]);
    assert_eq!(position(&*store, 2, GROUP).await, Some((2, 4)));
    assert_eq!(members(&*store, GROUP).await, [1, 2]);
    let seen = visible(&*store, 2, GROUP).await.unwrap().entries;
    assert_eq!((&seen[0].content, seen[0].author), (&Content::Joined, 2));
}

pub(crate) async fn a_leaver_sees_up_to_their_leaving_and_nothing_newer<T: Timeline>(
    store: Arc<T>,
) {
    for uid in [1, 2] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    put(&*store, text(GROUP, 1, "a", "before")).await;
    put(&*store, left(GROUP, 2, "l")).await;
    put(&*store, text(GROUP, 1, "b", "after")).await;
    assert_eq!(visible_seqs(&*store, 2, GROUP).await, [2, 3, 4]);
    assert_eq!(position(&*store, 2, GROUP).await, Some((1, 4)));
    let behind = store.behind(&reader(2), None, 10).await.unwrap().unwrap().0;
    assert_eq!(behind, [Position { conv: GROUP, cursor: 1, head: 4 }]);
    let range = store.range(2, GROUP, 4, EVERYTHING).await.unwrap().unwrap();
    assert_eq!(range, Range { entries: vec![], complete_to: 4, head: 4, first_seq: 2 });
    assert_eq!(members(&*store, GROUP).await, [1]);
}

pub(crate) async fn who_comes_back_sees_both_times_but_not_what_was_between<T: Timeline>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, joined(GROUP, 2, "j2")).await;
    put(&*store, left(GROUP, 2, "l2")).await;
    put(&*store, text(GROUP, 1, "a", "without them")).await;
    put(&*store, joined(GROUP, 2, "j2 again")).await;
    put(&*store, text(GROUP, 1, "b", "with them")).await;
    assert_eq!(visible_seqs(&*store, 2, GROUP).await, [2, 3, 5, 6]);
    assert_eq!(position(&*store, 2, GROUP).await, Some((1, 6)));
    let limit = RangeLimit { entries_max: 2, ..EVERYTHING };
    let first = store.range(2, GROUP, 0, limit).await.unwrap().unwrap();
    assert_eq!((first.complete_to, first.head), (3, 6));
    let second = store.range(2, GROUP, 3, limit).await.unwrap().unwrap();
    assert_eq!(second.entries[0].seq, 5);
    assert_eq!(second.complete_to, 6);
}

pub(crate) async fn few_members_are_listed_and_many_are_not<T: Timeline>(store: Arc<T>) {
    let few = async |most: usize| {
        let mut few = store.few_members(GROUP, most).await.unwrap()?;
        few.sort_unstable();
        Some(few)
    };
    assert_eq!(few(0).await, Some(vec![]), "it has not begun");
    for uid in [1, 2, 3] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    assert_eq!(few(3).await, Some(vec![1, 2, 3]));
    assert_eq!(few(2).await, None);
    put(&*store, left(GROUP, 2, "l")).await;
    assert_eq!(few(2).await, Some(vec![1, 3]));
}

pub(crate) async fn present_members_are_found_among_others<T: Timeline>(store: Arc<T>) {
    let among = async |uids: &[i64]| {
        let mut found = store.members_among(GROUP, uids.to_vec()).await.unwrap();
        found.sort_unstable();
        found
    };
    assert!(among(&[1]).await.is_empty(), "it has not begun");
    for uid in [1, 2, 3, 4] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    for uid in [2, 3] {
        put(&*store, left(GROUP, uid, "l")).await;
    }
    put(&*store, joined(GROUP, 3, "again")).await;
    put(&*store, joined(ConvId::Group(8), 9, "j")).await;
    assert_eq!(among(&[9, 3, 2, 1, 3, 7]).await, [1, 3]);
    assert!(among(&[]).await.is_empty());
}

pub(crate) async fn a_membership_change_again_gives_the_same_answer<T: Timeline>(store: Arc<T>) {
    let join = put(&*store, joined(GROUP, 1, "j")).await;
    let again = put(&*store, joined(GROUP, 1, "j")).await;
    assert_eq!(again, Appended { new: false, ..join });
    let leave = put(&*store, left(GROUP, 1, "l")).await;
    // Also when it is no longer so.
    assert_eq!(put(&*store, joined(GROUP, 1, "j")).await.seq, join.seq);
    assert_eq!(put(&*store, left(GROUP, 1, "l")).await.seq, leave.seq);
    let other = try_put(&*store, left(GROUP, 1, "j")).await;
    assert!(matches!(other, Err(AppendError::Conflict)), "{other:?}");
    assert_eq!(visible_seqs(&*store, 1, GROUP).await, [1, 2]);
}

pub(crate) async fn joining_twice_and_leaving_twice_are_refused<T: Timeline>(store: Arc<T>) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    let refused = try_put(&*store, joined(GROUP, 1, "j2")).await;
    assert!(matches!(refused, Err(AppendError::AlreadyMember)), "{refused:?}");
    let refused = try_put(&*store, left(GROUP, 2, "l")).await;
    assert!(matches!(refused, Err(AppendError::NotMember)), "{refused:?}");
    put(&*store, left(GROUP, 1, "l1")).await;
    let refused = try_put(&*store, left(GROUP, 1, "l2")).await;
    assert!(matches!(refused, Err(AppendError::NotMember)), "{refused:?}");
    put(&*store, joined(GROUP, 1, "j2")).await;
    assert_eq!(visible_seqs(&*store, 1, GROUP).await, [1, 2, 3]);
}

pub(crate) async fn what_was_sent_before_leaving_can_be_repeated_after_it<T: Timeline>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j")).await;
    let sent = put(&*store, text(GROUP, 1, "a", "last words")).await;
    put(&*store, left(GROUP, 1, "l")).await;
    let again = put(&*store, text(GROUP, 1, "a", "last words")).await;
    assert_eq!(again, Appended { new: false, ..sent });
}
