//! The counters of those that take turns under every order that a scheduler may come up with.

use shuttle::sync::Arc;
use shuttle::thread;

use turns::Turns;

mod atomic {
    pub(super) use shuttle::sync::atomic::{AtomicUsize, Ordering};
}
#[expect(clippy::duplicate_mod, reason = "the same code on the atomics of the scheduler")]
#[path = "turns.rs"]
mod turns;

/// With a load and a store in the place of the addition, two callers get one turn in some orders, and
/// an instance gets more than its share.
#[test]
fn nobody_gets_the_turn_of_another_and_none_is_left_out() {
    let run = || {
        let turns = Arc::new(Turns::new());
        let callers = [0, 0, 1].map(|method| {
            let turns = Arc::clone(&turns);
            thread::spawn(move || [(); 2].map(|()| turns.next(method, 4)))
        });
        let [first, second, other] = callers.map(|caller| caller.join().unwrap());
        let mut had = [first, second].concat();
        had.sort_unstable();
        assert_eq!(had, [0, 1, 2, 3]);
        assert_eq!((other[0] + 1) % 4, other[1]);
    };
    shuttle::check_dfs(run, Some(3_000));
}
