//! The counts and the latency under every order that a scheduler may come up with, or a fair sample
//! of them.

use std::time::Duration;

use shuttle::sync::Arc;
use shuttle::thread;

use counts::Counts;
use latency::Latency;

mod atomic {
    pub(super) use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}
#[expect(clippy::duplicate_mod, reason = "the same code on the atomics of the scheduler")]
#[path = "counts.rs"]
mod counts;
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
        for value in [latency.read(MS), latency.unfaded()] {
            let value = value.unwrap() / 1e6;
            assert!((value - 50.0).abs() < 0.1, "{value}");
        }
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

/// However calls end, their count comes back to nothing, and is never that of more than there are.
#[test]
fn the_calls_in_flight_are_counted_whoever_ends_first() {
    let run = || {
        let counts = Arc::new(Counts::default());
        let callers = [(); 2].map(|()| {
            let counts = Arc::clone(&counts);
            thread::spawn(move || {
                let first = counts.call();
                let second = counts.call();
                assert!(second.others >= 1 && second.others <= 3, "{}", second.others);
                // The one that began first may be given up before the other has ended.
                drop(first);
                assert!((1..=3).contains(&counts.calls()));
                drop(second);
            })
        });
        counts.stream_began();
        assert!(counts.calls() <= 4);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!((counts.calls(), counts.streams()), (0, 1));
        counts.stream_ended();
        assert_eq!(counts.streams(), 0);
    };
    shuttle::check_dfs(run, Some(3_000));
}

/// Each of them is one more, and an answer ends the row.
#[test]
fn of_calls_that_are_refused_at_once_none_counts_twice_and_none_is_lost() {
    let run = || {
        let counts = Arc::new(Counts::default());
        let refused = [(); 2].map(|()| {
            let counts = Arc::clone(&counts);
            thread::spawn(move || counts.refused())
        });
        let mut rows = refused.map(|call| call.join().unwrap());
        rows.sort_unstable();
        assert_eq!(rows, [1, 2]);

        let late = Arc::clone(&counts);
        let refused = thread::spawn(move || late.refused());
        counts.answered();
        assert!([1, 3].contains(&refused.join().unwrap()));
        counts.answered();
        assert_eq!(counts.refused(), 1);
    };
    shuttle::check_dfs(run, None);
}
