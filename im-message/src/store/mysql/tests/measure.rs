//! How fast entries are written: a figure to compare with itself, run by hand.
//!
//! `cargo nextest run -p im-message --run-ignored only --no-capture measure`

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

const LANES: i64 = 8;
/// Pairs that each lane writes to, in turn.
const PAIRS: i64 = 8;
const FOR: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn appends_per_second_by_size_of_batch() {
    for batch in [1_i64, 4, 16, 64] {
        let Some((store, database)) = fresh().await else { return };
        let store = Arc::new(store);
        let until = Instant::now() + FOR;
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let store = store.clone();
            lanes.spawn(async move {
                let mut written = 0;
                while Instant::now() < until {
                    let entry = |n| {
                        let conv = ConvId::pair(1 + lane, 100 + (written + n) % PAIRS);
                        text(conv, 1 + lane, &format!("{} a text of some length", written + n))
                    };
                    let entries: Arc<[NewEntry]> = (0..batch).map(entry).collect();
                    let msg_ids: Vec<i64> = store
                        .append(entries, 1)
                        .await
                        .into_iter()
                        .map(|answer| answer.unwrap().msg_id)
                        .collect();
                    store.told(&msg_ids);
                    if lane == 0 {
                        store.remove_told().await.unwrap();
                    }
                    written += batch;
                }
                written
            });
        }
        let mut written = 0;
        while let Some(of_lane) = lanes.join_next().await {
            written += of_lane.unwrap();
        }
        let per_second = written as f64 / FOR.as_secs_f64();
        let batches = per_second / batch as f64;
        println!("batches of {batch:3}: {per_second:8.0} entries/s, {batches:6.0} commits/s");
        drop(database);
    }
}
