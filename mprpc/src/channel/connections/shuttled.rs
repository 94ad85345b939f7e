//! The list of connections under every order that a scheduler may come up with, or a fair sample of
//! them.
//!
//! What is swapped is modelled by a lock that is held for each step on its own: as with `arc_swap`,
//! a load sees one list as a whole, and a change is made only to the list that it was worked out of.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

use list::{IsOpen, List};

mod swap {
    use std::sync::Arc;

    use shuttle::sync::Mutex;

    #[derive(Debug)]
    pub(super) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(super) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(super) fn load(&self) -> Arc<T> {
            self.load_full()
        }

        pub(super) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap())
        }

        pub(super) fn rcu(&self, change: impl Fn(&Arc<T>) -> T) {
            let mut seen = self.load_full();
            loop {
                let changed = Arc::new(change(&seen));
                let mut now = self.0.lock().unwrap();
                if Arc::ptr_eq(&now, &seen) {
                    *now = changed;
                    return;
                }
                seen = Arc::clone(&now);
            }
        }
    }
}
#[expect(clippy::duplicate_mod, reason = "the same code on the model")]
#[path = "list.rs"]
mod list;

struct Connection(AtomicBool);

impl Connection {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl IsOpen for Connection {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn list(connections: &[&Arc<Connection>]) -> Arc<List<Connection>> {
    let list = Arc::new(List::default());
    connections.iter().for_each(|connection| list.add(connection));
    list
}

fn is_listed(list: &List<Connection>, connection: &Arc<Connection>) -> bool {
    list.all().iter().any(|listed| Arc::ptr_eq(listed, connection))
}

/// With a store of a list that was worked out before in the place of the exchange, a connection that
/// was just made is forgotten in some orders, and closed under the call that it was made for.
#[test]
fn one_that_is_added_stays_whatever_is_taken_away_meanwhile() {
    let run = || {
        let (first, second, added) = (Connection::new(), Connection::new(), Connection::new());
        let list = list(&[&first, &second]);
        let adding = {
            let (list, added) = (Arc::clone(&list), Arc::clone(&added));
            thread::spawn(move || list.add(&added))
        };
        let ending = thread::spawn(move || first.end());
        list.forget_ended();
        list.close_unused();
        adding.join().unwrap();
        ending.join().unwrap();
        assert!(is_listed(&list, &added) && list.any_open());
    };
    shuttle::check_random(run, 3_000);
}

/// Whoever finds nobody left makes a connection: with two that are closed for want of calls while one
/// of them ends, one that takes calls is left, or one that tells that it has ended.
#[test]
fn the_last_one_is_not_taken_away_and_one_that_ended_last_still_tells_so() {
    let run = || {
        let (first, second) = (Connection::new(), Connection::new());
        let list = list(&[&first, &second]);
        let ending = thread::spawn(move || first.end());
        let closing = {
            let list = Arc::clone(&list);
            thread::spawn(move || list.close_one())
        };
        list.forget_ended();
        closing.join().unwrap();
        ending.join().unwrap();
        assert!(!list.is_empty());
        second.end();
        list.forget_ended();
        assert!(!list.is_empty() && list.open() == 0 && list.pick().is_none());
    };
    shuttle::check_random(run, 3_000);
}

/// What has calls is not taken for unused, whatever else is changed meanwhile.
#[test]
fn one_that_a_call_has_found_stays_while_the_unused_go() {
    let run = || {
        let added = Connection::new();
        let list = list(&[&Connection::new(), &Connection::new()]);
        let found = list.pick().expect("both take calls");
        let adding = {
            let (list, added) = (Arc::clone(&list), Arc::clone(&added));
            thread::spawn(move || list.add(&added))
        };
        let closing = {
            let list = Arc::clone(&list);
            thread::spawn(move || list.close_unused())
        };
        list.forget_ended();
        adding.join().unwrap();
        closing.join().unwrap();
        assert!(is_listed(&list, &found) && is_listed(&list, &added));
        drop((found, added));
        list.close_unused();
        assert!(list.is_empty());
    };
    shuttle::check_random(run, 3_000);
}
