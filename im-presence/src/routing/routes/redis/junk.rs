//! Values that others have put where routes are: said once for each key, and treated as absent.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

/// Keys that are remembered; beyond that, some are said again.
const KEYS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Junk {
    said: Mutex<HashSet<String>>,
}

impl Junk {
    /// The value of `key`, or of a part of it, makes no sense.
    pub(super) fn found(&self, key: &str, why: &dyn Display) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.contains(key) {
            return;
        }
        if said.len() >= KEYS_MAX {
            said.clear();
        }
        said.insert(key.to_owned());
        drop(said);
        tracing::warn!(key, %why, "a value in Redis makes no sense and is treated as absent");
    }
}
