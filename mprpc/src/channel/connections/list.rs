//! The connections that take calls. Every call looks at them, and none takes a lock for that.
//!
//! Changes are made to what is there at that moment, and made again if another came in between, so
//! that none undoes another.

use std::sync::Arc;

use super::swap::ArcSwap;

/// What is asked of a connection here.
pub(super) trait IsOpen {
    /// Whether it takes calls.
    fn is_open(&self) -> bool;
}

/// Those that take calls. One that has ended stays here until there is another: it tells that there
/// was one.
#[derive(Debug)]
pub(super) struct List<C>(ArcSwap<Vec<Arc<C>>>);

impl<C> Default for List<C> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Vec::new()))
    }
}

impl<C: IsOpen> List<C> {
    /// The one with the fewest calls of those that take any.
    pub(super) fn pick(&self) -> Option<Arc<C>> {
        match self.0.load().as_slice() {
            [only] => only.is_open().then(|| Arc::clone(only)),
            several => {
                let open = several.iter().filter(|connection| connection.is_open());
                open.min_by_key(|connection| calls_on(connection)).cloned()
            }
        }
    }

    /// Whether any takes calls.
    pub(super) fn any_open(&self) -> bool {
        self.0.load().iter().any(|connection| connection.is_open())
    }

    /// How many take calls.
    pub(super) fn open(&self) -> usize {
        self.0.load().iter().filter(|connection| connection.is_open()).count()
    }

    /// Whether there is none, not even one that has ended.
    pub(super) fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    pub(super) fn all(&self) -> Arc<Vec<Arc<C>>> {
        self.0.load_full()
    }

    /// Puts one more here, and takes those away that have ended.
    pub(super) fn add(&self, connection: &Arc<C>) {
        self.0.rcu(|list| {
            let open = list.iter().filter(|connection| connection.is_open());
            open.chain([connection]).cloned().collect::<Vec<_>>()
        });
    }

    /// Takes those away that have ended, unless no other would be left.
    pub(super) fn forget_ended(&self) {
        let list = self.0.load();
        if list.iter().all(|connection| connection.is_open()) {
            return;
        }
        self.0.rcu(|list| {
            let open: Vec<_> =
                list.iter().filter(|connection| connection.is_open()).cloned().collect();
            if open.is_empty() { list.to_vec() } else { open }
        });
    }

    /// Takes the one with the fewest calls away, unless it is the last that takes any; it closes when
    /// its calls have ended.
    pub(super) fn close_one(&self) {
        self.0.rcu(|list| {
            let open: Vec<_> = list.iter().filter(|connection| connection.is_open()).collect();
            let fewest = open.iter().min_by_key(|connection| calls_on(connection));
            let gone = fewest.filter(|_| open.len() > 1).map(|gone| Arc::as_ptr(gone));
            let stays = |connection: &&Arc<C>| Some(Arc::as_ptr(connection)) != gone;
            list.iter().filter(stays).cloned().collect::<Vec<_>>()
        });
    }

    /// Takes all away that have no calls.
    pub(super) fn close_unused(&self) {
        self.0.rcu(|list| {
            let used = list.iter().filter(|connection| calls_on(connection) > 0);
            used.cloned().collect::<Vec<_>>()
        });
    }
}

/// How many calls are on a connection of the list: each holds it, and so does the list.
pub(super) fn calls_on<C>(connection: &Arc<C>) -> usize {
    Arc::strong_count(connection) - 1
}
