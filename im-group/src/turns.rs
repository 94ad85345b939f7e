//! Turns: what concerns the same thing happens one after the other.
//!
//! A fixed number of locks, shared by hash: bounded without any bookkeeping. Two things that share
//! a lock wait for each other now and then, which costs time and nothing else. Turns are per
//! process; across processes the store and im-message's `change_id` keep things right, and turns
//! only spare them the trouble.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 1024;

/// Turns for things that are told apart by `K`.
#[derive(Debug)]
pub(crate) struct Turns {
    locks: Box<[Mutex<()>]>,
    hash_keys: RandomState,
}

/// Somebody's turn; it ends when this is dropped.
pub(crate) type Turn<'a> = MutexGuard<'a, ()>;

impl Turns {
    pub(crate) fn new() -> Self {
        Self { locks: (0..LOCKS).map(|_| Mutex::new(())).collect(), hash_keys: RandomState::new() }
    }

    /// Waits for the turn; first come, first served. Cancel safe: a dropped wait leaves the queue.
    pub(crate) async fn wait(&self, thing: &(impl Hash + ?Sized)) -> Turn<'_> {
        self.lock(thing).lock().await
    }

    /// Takes the turn if nobody else has it.
    pub(crate) fn try_now(&self, thing: &(impl Hash + ?Sized)) -> Option<Turn<'_>> {
        self.lock(thing).try_lock().ok()
    }

    fn lock(&self, thing: &(impl Hash + ?Sized)) -> &Mutex<()> {
        let hash = self.hash_keys.hash_one(thing);
        let index = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        &self.locks[index]
    }
}
