//! Cursors of many devices at once.

use std::time::Duration;

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_that_move_at_the_same_time_all_move_and_a_bad_one_fails_alone() {
    const DEVICES: i64 = 200;
    let Some((store, database)) = fresh().await else { return };
    let conv = ConvId::pair(1, 2);
    let batch: Vec<NewEntry> = (0..DEVICES).map(|n| text(conv, 1, &n.to_string())).collect();
    store.append(Arc::from(batch), 1).await[0].as_ref().unwrap();
    let store = Arc::new(store);
    let mut moving = JoinSet::new();
    for n in 1..=DEVICES {
        let store = store.clone();
        moving.spawn(async move {
            // Longer than the column, and the last one.
            let device = if n == DEVICES { "x".repeat(300) } else { n.to_string() };
            let moves = vec![(conv, n), (ConvId::pair(8, 9), 1)];
            (n, store.advance_cursors(&Reader { uid: 2, device }, moves).await)
        });
    }
    while let Some(moved) = moving.join_next().await {
        let (n, outcome) = moved.unwrap();
        assert_eq!(outcome.is_ok(), n < DEVICES, "{n}: {outcome:?}");
    }
    for n in [1, 77, DEVICES - 1] {
        let reader = Reader { uid: 2, device: n.to_string() };
        let position = Position { conv, cursor: n, head: DEVICES };
        assert_eq!(store.positions(&reader, vec![conv]).await.unwrap(), [position]);
    }
    let rows = database.execute("SELECT COUNT(*) FROM device_cursor");
    assert_eq!(rows.trim(), (DEVICES - 1).to_string());
}

#[tokio::test]
async fn what_moves_cursors_ends_with_the_store() {
    let Some(database) = test_servers::mariadb().await else { return };
    let database = database.fresh_database("timeline");
    let (store, mover) = open_still(&config(database.url())).await;
    let moving = tokio::spawn(mover.run());
    let conv = ConvId::pair(1, 2);
    store.append(Arc::from([text(conv, 1, "a")]), 1).await[0].as_ref().unwrap();
    let reader = Reader { uid: 2, device: "text".to_owned() };
    store.advance_cursors(&reader, vec![(conv, 1)]).await.unwrap();
    assert!(!moving.is_finished());
    drop(store);
    tokio::time::timeout(Duration::from_secs(30), moving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_fails_while_cursors_are_moved_one_by_one_is_not_waited_for_again_and_again()
{
    let Some((store, database)) = fresh().await else { return };
    let conv = ConvId::pair(1, 2);
    store.append(Arc::from([text(conv, 1, "a")]), 1).await[0].as_ref().unwrap();
    let hasty = DatabaseConfig { operation_timeout_ms: 3_000, ..config(database.url()) };
    let store = open_with(&hasty).await;
    // As if the server froze there: no answer comes in time.
    database.execute(
        "CREATE TRIGGER slow AFTER INSERT ON device_cursor FOR EACH ROW \
         DO IF(NEW.device = 'slow', SLEEP(30), 0)",
    );
    let to = async |device: &str| {
        let reader = Reader { uid: 2, device: device.to_owned() };
        store.advance_cursors(&reader, vec![(conv, 1)]).await.unwrap_err()
    };
    let too_long = "a".repeat(300);
    // They begin in this order, and before the first is on its way.
    let (first, second, third) = tokio::join!(to(&too_long), to("slow"), to("fine"));
    assert!(im_common::in_one_line(&first).contains("too long"), "{first:?}");
    for failure in [second, third] {
        let said = im_common::in_one_line(&failure);
        assert_eq!(said, "cannot move cursors: not done within 3000 ms");
    }
}
