//! What was committed and not told.

use super::*;

fn rows(database: &Database) -> usize {
    database.execute("SELECT COUNT(*) FROM outbox").trim().parse().unwrap()
}

/// As if the leases had run out.
fn expire(database: &Database) {
    database.execute("UPDATE outbox SET lease_until = '2000-01-01'");
}

/// Two conversations in one batch, and one in another.
async fn three_entries(store: &MysqlTimeline) -> Vec<i64> {
    let (one, other) = (ConvId::pair(1, 2), ConvId::pair(1, 3));
    let mut answers = store.append(Arc::from([text(one, 1, "a"), text(other, 1, "b")]), 1).await;
    answers.extend(store.append(Arc::from([text(one, 1, "c")]), 1).await);
    answers.into_iter().map(|answer| answer.unwrap().msg_id).collect()
}

#[tokio::test]
async fn what_was_told_is_removed_and_nobody_finds_it() {
    let Some((store, database)) = fresh().await else { return };
    let msg_ids = three_entries(&store).await;
    assert_eq!(rows(&database), 2);
    store.told(&msg_ids[..1]);
    store.remove_told().await.unwrap();
    assert_eq!(rows(&database), 2, "half of a batch is not all of it");
    store.told(&msg_ids[1..]);
    store.remove_told().await.unwrap();
    assert_eq!(rows(&database), 0);
}

#[tokio::test]
async fn a_batch_is_remembered_until_all_of_it_was_told_in_whatever_order() {
    let Some((store, database)) = fresh().await else { return };
    let msg_ids = three_entries(&store).await;
    store.told(&msg_ids[1..]);
    store.remove_told().await.unwrap();
    assert_eq!(rows(&database), 1, "the first of its batch was not told");
    store.told(&msg_ids[..1]);
    store.remove_told().await.unwrap();
    assert_eq!(rows(&database), 0);
}

#[tokio::test]
async fn what_an_instance_left_untold_is_found_by_another_once_its_lease_has_run_out() {
    let Some((store, database)) = fresh().await else { return };
    let msg_ids = three_entries(&store).await;
    let twin = open(database.url()).await;
    assert_eq!(twin.claim_untold(9).await.unwrap(), [], "the lease has not run out");
    expire(&database);
    assert_eq!(store.claim_untold(9).await.unwrap(), [], "its own, on their way");
    expire(&database);
    let found = twin.claim_untold(9).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|(conv, entry)| (*conv, entry.seq, entry.msg_id)).collect();
    let (one, other) = (ConvId::pair(1, 2), ConvId::pair(1, 3));
    assert_eq!(found, [(one, 1, msg_ids[0]), (other, 1, msg_ids[1]), (one, 2, msg_ids[2])]);
    assert_eq!(twin.claim_untold(9).await.unwrap(), [], "claimed");
    expire(&database);
    assert_eq!(twin.claim_untold(9).await.unwrap().len(), 3, "a claim that came to nothing");
    twin.told(&msg_ids);
    twin.remove_told().await.unwrap();
    assert_eq!(rows(&database), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_batch_is_found_by_one_of_those_who_look_at_the_same_time() {
    let Some((store, database)) = fresh().await else { return };
    let mut written = Vec::new();
    for n in 0..40 {
        let batch = Arc::from([text(ConvId::pair(1, 2), 1, &n.to_string())]);
        written.push(store.append(batch, 1).await[0].as_ref().unwrap().msg_id);
    }
    expire(&database);
    let looking: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move {
                let twin = open(url).await;
                let mut found = Vec::new();
                for _ in 0..20 {
                    found.extend(twin.claim_untold(3).await.unwrap());
                }
                found
            })
        })
        .collect();
    let mut found = Vec::new();
    for looked in looking {
        found.extend(looked.await.unwrap().into_iter().map(|(_, entry)| entry.msg_id));
    }
    found.sort_unstable();
    assert_eq!(found, written);
}

#[tokio::test]
async fn a_repetition_adds_nothing_to_the_outbox() {
    let Some((store, database)) = fresh().await else { return };
    for _ in 0..3 {
        store.append(Arc::from([text(ConvId::pair(1, 2), 1, "a")]), 1).await[0].as_ref().unwrap();
    }
    assert_eq!(rows(&database), 1);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_dropped_and_holds_up_no_other() {
    let Some((store, database)) = fresh().await else { return };
    let msg_ids = three_entries(&store).await;
    database.execute("UPDATE outbox SET entries = 'junk' ORDER BY id LIMIT 1");
    expire(&database);
    let twin = open(database.url()).await;
    let found = twin.claim_untold(9).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.msg_id, msg_ids[2]);
    twin.remove_told().await.unwrap();
    assert_eq!(rows(&database), 1);
}

#[tokio::test]
async fn what_came_to_nothing_is_not_remembered_for_ever() {
    let Some((store, database)) = fresh().await else { return };
    let msg_ids = three_entries(&store).await;
    expire(&database);
    let twin = open(database.url()).await;
    assert_eq!(twin.claim_untold(9).await.unwrap().len(), 3);
    assert_eq!(twin.outbox.claimed(), 2);
    // im-presence did not take it from the twin, but from the one who wrote it.
    store.told(&msg_ids);
    store.remove_told().await.unwrap();
    assert_eq!(twin.claim_untold(9).await.unwrap(), []);
    assert_eq!(twin.outbox.claimed(), 0);
}
