//! Dispatches that were given up on.

use super::*;

fn letter(conv: ConvId, (first_seq, last_seq): (i64, i64), reason: &str) -> NewDeadLetter {
    NewDeadLetter { conv, first_seq, last_seq, reason: reason.to_owned(), tries: 2, at_ms: NOW_MS }
}

async fn all(store: &impl DeadLetters) -> Vec<DeadLetter> {
    let (letters, more) = store.dead_letters(0, 100).await.unwrap();
    assert!(!more);
    letters
}

pub(crate) async fn dead_letters_are_listed_in_pages_and_found_by_id<T: Timeline>(store: Arc<T>) {
    let (one, other) = (ConvId::pair(1, 2), ConvId::Group(7));
    let letters = vec![letter(one, (1, 3), "a"), letter(other, (4, 4), "b")];
    assert_eq!(store.bury(letters.clone(), 10).await.unwrap(), 0);
    assert_eq!(store.bury(vec![letter(one, (9, 9), "é")], 10).await.unwrap(), 0);
    let found = all(&*store).await;
    let mut contents: Vec<_> = found.iter().map(|found| found.letter.clone()).collect();
    contents[..2].sort_by_key(|letter| letter.conv);
    assert_eq!(contents, [letters[0].clone(), letters[1].clone(), letter(one, (9, 9), "é")]);
    assert!(found.is_sorted_by(|before, after| before.id < after.id) && found[0].id > 0);
    let (page, more) = store.dead_letters(found[0].id, 1).await.unwrap();
    assert_eq!((&page[..], more), (&found[1..2], true));
    assert_eq!(store.dead_letters(found[2].id, 1).await.unwrap(), (Vec::new(), false));
    let ids = vec![found[2].id, 999, found[0].id, found[2].id];
    let named = store.dead_letters_of(ids.clone()).await.unwrap();
    assert_eq!(named, [found[0].clone(), found[2].clone()]);
    assert_eq!(store.remove_dead_letters(ids).await.unwrap(), 2);
    assert_eq!(all(&*store).await, [found[1].clone()]);
    // An id is not used again.
    store.bury(vec![letter(one, (9, 9), "again")], 10).await.unwrap();
    assert!(all(&*store).await[1].id > found[2].id);
}

pub(crate) async fn a_dead_letter_again_is_the_same_one<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    store.bury(vec![letter(conv, (5, 9), "first")], 10).await.unwrap();
    let id = all(&*store).await[0].id;
    store.bury(vec![letter(conv, (5, 7), "second")], 10).await.unwrap();
    let found = all(&*store).await;
    let expected = NewDeadLetter { tries: 4, ..letter(conv, (5, 9), "second") };
    assert_eq!(found, [DeadLetter { id, letter: expected }]);
}

pub(crate) async fn beyond_the_bound_the_oldest_dead_letters_go<T: Timeline>(store: Arc<T>) {
    let conv = ConvId::pair(1, 2);
    for seq in 1..=5 {
        let gone = store.bury(vec![letter(conv, (seq, seq), "r")], 3).await.unwrap();
        assert_eq!(gone, usize::from(seq > 3));
    }
    let firsts: Vec<_> = all(&*store).await.iter().map(|found| found.letter.first_seq).collect();
    assert_eq!(firsts, [3, 4, 5]);
}

pub(crate) async fn the_entries_of_a_dead_letter_are_read_whoever_may_see_them<T: Timeline>(
    store: Arc<T>,
) {
    put(&*store, joined(GROUP, 1, "j")).await;
    for n in 0..4 {
        put(&*store, text(GROUP, 1, &n.to_string(), &n.to_string())).await;
    }
    let expected = visible(&*store, 1, GROUP).await.unwrap().entries;
    assert_eq!(store.entries(GROUP, (2, 4), 10).await.unwrap(), expected[1..4]);
    assert_eq!(store.entries(GROUP, (2, 99), 2).await.unwrap(), expected[1..3]);
    assert_eq!(store.entries(ConvId::Group(99), (1, 9), 10).await.unwrap(), []);
}
