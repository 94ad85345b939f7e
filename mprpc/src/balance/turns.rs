//! Whose turn it is: counters that go round and round.

use super::atomic::{AtomicUsize, Ordering};

/// How many methods of a service have a counter of their own; those past that share them.
const COUNTERS: usize = 8;

/// A counter for each method. With one for all, methods that are called by turns, as a log-in before
/// each query is, would each stay with the same instances.
#[derive(Debug)]
pub(super) struct Turns([AtomicUsize; COUNTERS]);

impl Turns {
    /// Each counter begins somewhere, so that many clients that start together do not all begin with
    /// the same instance.
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicUsize::new(fastrand::usize(..))))
    }

    /// The next turn of the method with this index, among `len`.
    pub(super) fn next(&self, method: usize, len: usize) -> usize {
        self.0[method % COUNTERS].fetch_add(1, Ordering::Relaxed) % len.max(1)
    }
}
