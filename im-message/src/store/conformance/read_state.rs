//! What users have read, the list of their conversations, and receipts.

use super::*;

async fn list<T: ReadState>(store: &T, uid: i64) -> Vec<Conversation> {
    let (all, more) = store.conversations(&reader(uid), None, 100).await.unwrap();
    assert!(!more);
    all
}

async fn listed<T: ReadState>(store: &T, uid: i64, conv: ConvId) -> Conversation {
    let of = |listed: &Conversation| listed.position.conv == conv;
    list(store, uid).await.into_iter().find(of).unwrap()
}

fn said(outcome: Result<Marked, MarkReadError>) -> Result<bool, String> {
    outcome.map(|marked| marked.moved).map_err(|error| error.to_string())
}

pub(crate) async fn a_read_position_only_grows_and_stops_at_the_head<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    for key in ["a", "b", "c"] {
        put(&*store, text(conv, 1, key, "hello")).await;
    }
    let beyond = || Err("beyond the head".to_owned());
    let already = || Err("already read".to_owned());
    for (seq, expected, read_seq) in [
        (0, Ok(false), 0),
        (2, Ok(true), 2),
        (2, Ok(false), 2),
        (1, already(), 2),
        (-1, already(), 2),
        (i64::MIN, already(), 2),
        (4, beyond(), 2),
        (i64::MAX, beyond(), 2),
        (3, Ok(true), 3),
        (3, Ok(false), 3),
        (0, already(), 3),
    ] {
        assert_eq!(said(store.mark_read(2, conv, seq).await), expected, "to {seq}");
        assert_eq!(listed(&*store, 2, conv).await.read_seq, read_seq, "to {seq}");
    }
    assert_eq!(listed(&*store, 1, conv).await.read_seq, 0, "the other user's");
    assert_eq!(position(&*store, 2, conv).await, Some((0, 3)), "cursors are not read positions");
    put(&*store, text(conv, 1, "d", "hello")).await;
    assert_eq!(said(store.mark_read(2, conv, 4).await), Ok(true));
}

pub(crate) async fn what_one_never_saw_cannot_be_read<T: Timeline + ReadState>(store: Arc<T>) {
    put(&*store, joined(GROUP, 1, "j")).await;
    put(&*store, text(ConvId::pair(1, 2), 1, "a", "private")).await;
    for conv in [GROUP, ConvId::pair(1, 2), ConvId::pair(1, 3), ConvId::Group(8)] {
        let refused = store.mark_read(3, conv, 1).await;
        assert!(matches!(refused, Err(MarkReadError::NotSeen)), "{conv}: {refused:?}");
    }
    assert_eq!(list(&*store, 3).await, []);
}

pub(crate) async fn a_read_position_begins_where_its_user_does_and_ends_where_they_left<
    T: Timeline + ReadState,
>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, text(GROUP, 1, "a", "before")).await;
    put(&*store, joined(GROUP, 2, "j2")).await;
    let at = listed(&*store, 2, GROUP).await;
    assert_eq!((at.first_seq, at.read_seq, at.unread), (3, 2, 0));
    assert_eq!(said(store.mark_read(2, GROUP, 1).await), Err("already read".to_owned()));
    put(&*store, text(GROUP, 1, "b", "with them")).await;
    put(&*store, left(GROUP, 2, "l2")).await;
    put(&*store, text(GROUP, 1, "c", "without them")).await;
    let at = listed(&*store, 2, GROUP).await;
    assert_eq!((at.position.head, at.read_seq, at.unread), (5, 2, 1));
    assert_eq!(at.last.unwrap().content, Content::Left);
    assert_eq!(said(store.mark_read(2, GROUP, 6).await), Err("beyond the head".to_owned()));
    assert_eq!(said(store.mark_read(2, GROUP, 5).await), Ok(true));
    assert_eq!(listed(&*store, 2, GROUP).await.unread, 0);
}

pub(crate) async fn unread_are_the_texts_of_others_that_one_sees<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, joined(GROUP, 2, "j2")).await;
    for (author, key) in [(1, "a"), (2, "mine"), (1, "b")] {
        put(&*store, text(GROUP, author, key, "hello")).await;
    }
    assert_eq!(listed(&*store, 2, GROUP).await.unread, 2);
    put(&*store, left(GROUP, 2, "l2")).await;
    put(&*store, text(GROUP, 1, "c", "without them")).await;
    put(&*store, joined(GROUP, 2, "j2 again")).await;
    put(&*store, text(GROUP, 1, "d", "with them")).await;
    put(&*store, joined(GROUP, 3, "j3")).await;
    let at = listed(&*store, 2, GROUP).await;
    assert_eq!((at.position.head, at.unread), (10, 3));
    // Before, within and after the time in which they were away.
    for (seq, unread) in [(3, 2), (5, 1), (7, 1), (8, 1), (9, 0), (10, 0)] {
        store.mark_read(2, GROUP, seq).await.unwrap();
        assert_eq!(listed(&*store, 2, GROUP).await.unread, unread, "read up to {seq}");
    }
}

pub(crate) async fn unread_messages_are_counted_up_to_a_bound<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let conv = ConvId::pair(1, 2);
    let write = async |author: i64, range: std::ops::Range<i64>| {
        let entry = |n: i64| text(conv, author, &n.to_string(), "hello");
        let batch: Arc<[NewEntry]> = range.map(entry).collect();
        store.append(batch, NOW_MS).await.into_iter().for_each(|answer| assert!(answer.is_ok()));
    };
    write(1, 0..UNREAD_MAX - 1).await;
    assert_eq!(listed(&*store, 2, conv).await.unread, UNREAD_MAX - 1);
    write(1, UNREAD_MAX..UNREAD_MAX + 9).await;
    assert_eq!(listed(&*store, 2, conv).await.unread, UNREAD_MAX);
    // Their own are looked at as well, and so no more than a thousand seqs are.
    write(2, 0..500).await;
    assert_eq!(listed(&*store, 2, conv).await.unread, UNREAD_MAX);
    write(2, 500..1_000 - 2).await;
    assert_eq!(listed(&*store, 2, conv).await.unread, 2);
    write(2, 1_000..1_005).await;
    assert_eq!(listed(&*store, 2, conv).await.unread, 0);
}

pub(crate) async fn conversations_are_listed_by_what_happened_last<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let [two, three, four] = [2, 3, 4].map(|peer| ConvId::pair(1, peer));
    for conv in [two, three, four] {
        put(&*store, text(conv, 1, "a", "hello")).await;
    }
    put(&*store, joined(GROUP, 1, "j1")).await;
    put(&*store, joined(GROUP, 9, "j9")).await;
    let last = put(&*store, text(two, 2, "b", "an answer")).await;
    let all = list(&*store, 1).await;
    let convs: Vec<ConvId> = all.iter().map(|listed| listed.position.conv).collect();
    assert_eq!(convs, [two, GROUP, four, three]);
    let first = &all[0];
    assert_eq!(first.position, Position { conv: two, cursor: 0, head: 2 });
    assert_eq!((first.first_seq, first.read_seq, first.unread), (1, 0, 1));
    let entry = first.last.as_ref().unwrap();
    assert_eq!((entry.seq, entry.author, entry.msg_id), (2, 2, last.msg_id));
    assert_eq!(entry.content, Content::Text("an answer".to_owned()));
    // One that was left is listed by the leaving, whatever comes after it.
    put(&*store, left(GROUP, 1, "l1")).await;
    put(&*store, text(three, 1, "b", "hello")).await;
    put(&*store, text(GROUP, 9, "a", "without them")).await;
    let convs: Vec<ConvId> =
        list(&*store, 1).await.iter().map(|listed| listed.position.conv).collect();
    assert_eq!(convs, [three, GROUP, two, four]);
    store.advance_cursors(&reader(1), vec![(three, 2)]).await.unwrap();
    assert_eq!(listed(&*store, 1, three).await.position.cursor, 2);
    let tablet = Reader { device: "tablet".to_owned(), ..reader(1) };
    let other = store.conversations(&tablet, None, 9).await.unwrap().0;
    assert_eq!(other[0].position.cursor, 0, "each device has its own cursor");
}

pub(crate) async fn the_list_is_paged_without_hole_or_repetition<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    let order = [12, 3, 101, 20, 1].map(|peer| ConvId::pair(50, peer));
    for conv in order {
        put(&*store, text(conv, 50, "a", "hello")).await;
    }
    let mut found: Vec<Place> = Vec::new();
    loop {
        let page = store.conversations(&reader(50), found.last().cloned(), 2).await.unwrap();
        let (page, more) = page;
        assert!(page.len() == 2 || !more);
        found.extend(page.into_iter().map(|listed| listed.place));
        if !more {
            break;
        }
        // It moves to the front, and does not disturb who goes through the pages.
        put(&*store, text(order[4], 1, &found.len().to_string(), "again")).await;
    }
    let convs: Vec<ConvId> = found.iter().map(|place| place.conv).collect();
    assert_eq!(convs, [order[4], order[3], order[2], order[1], order[0]]);
    let whole = store.conversations(&reader(50), None, 5).await.unwrap();
    assert_eq!((whole.0.len(), whole.1), (5, false));
    let none = store.conversations(&reader(50), found.last().cloned(), 5).await.unwrap();
    assert_eq!((none.0.len(), none.1), (0, false));
}

pub(crate) async fn receipts_say_how_far_the_other_members_are<T: Timeline + ReadState>(
    store: Arc<T>,
) {
    for uid in [1, 5, 3, 4] {
        put(&*store, joined(GROUP, uid, "j")).await;
    }
    for key in ["a", "b", "c"] {
        put(&*store, text(GROUP, 1, key, "hello")).await;
    }
    put(&*store, left(GROUP, 4, "l")).await;
    store.mark_read(3, GROUP, 7).await.unwrap();
    let tablet = Reader { uid: 5, device: "tablet".to_owned() };
    store.advance_cursors(&reader(5), vec![(GROUP, 5)]).await.unwrap();
    store.advance_cursors(&tablet, vec![(GROUP, 6)]).await.unwrap();
    store.mark_read(5, GROUP, 4).await.unwrap();
    let of =
        |uid, from_seq, read_seq, delivered_seq| Receipt { uid, from_seq, read_seq, delivered_seq };
    let all = vec![of(3, 3, 7, 7), of(5, 2, 4, 6)];
    assert_eq!(store.receipts(1, GROUP, 0, 9).await.unwrap(), Some((all.clone(), false)));
    assert_eq!(store.receipts(1, GROUP, 0, 2).await.unwrap(), Some((all.clone(), false)));
    assert_eq!(store.receipts(1, GROUP, 0, 1).await.unwrap(), Some((vec![all[0]], true)));
    assert_eq!(store.receipts(1, GROUP, 3, 1).await.unwrap(), Some((vec![all[1]], false)));
    assert_eq!(store.receipts(1, GROUP, i64::MAX, 1).await.unwrap(), Some((vec![], false)));
    let one = store.receipts(3, GROUP, 0, 1).await.unwrap();
    assert_eq!(one, Some((vec![of(1, 1, 0, 0)], true)), "who did neither");
    for (stranger, conv) in [(4, GROUP), (9, GROUP), (1, ConvId::Group(8)), (1, ConvId::pair(1, 2))]
    {
        assert_eq!(store.receipts(stranger, conv, 0, 9).await.unwrap(), None, "{stranger} {conv}");
    }
    let pair = ConvId::pair(1, 2);
    put(&*store, text(pair, 1, "a", "hello")).await;
    store.mark_read(2, pair, 1).await.unwrap();
    assert_eq!(store.receipts(1, pair, 0, 9).await.unwrap(), Some((vec![of(2, 1, 1, 1)], false)));
    assert_eq!(store.receipts(3, pair, 0, 9).await.unwrap(), None);
}

pub(crate) async fn concurrent_readers_end_at_the_furthest<T: Timeline + ReadState>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    for n in 0..40 {
        put(&*store, text(conv, 1, &n.to_string(), "hello")).await;
    }
    let mark = |seq: i64| {
        let store = store.clone();
        tokio::spawn(async move {
            match store.mark_read(2, conv, seq).await {
                Ok(_) | Err(MarkReadError::AlreadyRead) => {}
                Err(error) => panic!("{seq}: {error}"),
            }
        })
    };
    let marking: Vec<_> = (1..=40).map(|n| mark(n * 17 % 41)).collect();
    for marked in marking {
        marked.await.unwrap();
    }
    assert_eq!(listed(&*store, 2, conv).await.read_seq, 40);
}
