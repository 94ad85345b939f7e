//! The latency under every order that a scheduler may come up with, or a fair sample of them.

use std::time::Duration;

use shuttle::sync::Arc;
use shuttle::thread;

use latency::Latency;

mod atomic {
    pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
}
#[expect(clippy::duplicate_mod, reason = "the same code on the atomics of the scheduler")]
#[path = "latency.rs"]
mod latency;

const MS: Duration = Duration::from_millis(1);

/// With a load and a store in the place of the exchange, the slower of two calls that end at one
/// time is forgotten in some orders.
#[test]
fn of_calls_that_end_together_the_slowest_always_counts() {
    let run = || {
        let latency = Arc::new(Latency::default());
        let ended = [3, 50].map(|took| {
            let latency = Arc::clone(&latency);
            thread::spawn(move || latency.observe(MS, took * MS))
        });
        latency.at_least(MS, 7 * MS);
        ended.into_iter().for_each(|call| call.join().unwrap());
        let value = latency.read(MS).unwrap() / 1e6;
        assert!((value - 50.0).abs() < 0.1, "{value}");
    };
    shuttle::check_dfs(run, Some(3_000));
}

/// A reader sees a value with its own time: a new time with an old value would make a failure of
/// long ago look like one of now.
#[test]
fn a_value_is_never_seen_with_the_time_of_another() {
    let run = || {
        let latency = Arc::new(Latency::default());
        latency.observe(Duration::ZERO, 5_000 * MS);
        let now = Duration::from_secs(20);
        let writer = {
            let latency = Arc::clone(&latency);
            thread::spawn(move || latency.observe(now, MS))
        };
        let seen = latency.read(now).unwrap() / 1e6;
        assert!(seen < 1.5, "{seen}");
        writer.join().unwrap();
    };
    shuttle::check_dfs(run, None);
}
