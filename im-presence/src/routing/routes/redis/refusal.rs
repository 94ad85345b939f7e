//! Whether Redis takes writes. Gateways are listed anew with each renewal, so this is known within a
//! second or two.

use std::sync::{Mutex, PoisonError};

use im_common::in_one_line;
use im_common::redis::RedisFailure;

/// Why Redis did not take the last write, if it answered that it will not.
#[derive(Debug, Default)]
pub(super) struct Refusal(Mutex<Option<RedisFailure>>);

impl Refusal {
    /// A gateway was listed, or not. Says when refusals begin and when they end. A Redis that does not
    /// answer tells nothing: it does not answer those who read either.
    pub(super) fn note<T>(&self, written: &Result<T, RedisFailure>) {
        let refused = written.as_ref().err();
        if refused.is_some_and(|failure| !failure.is_refusal()) {
            return;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, refused.cloned());
        drop(last);
        match (before, refused) {
            (None, Some(failure)) => {
                let error = in_one_line(failure);
                tracing::warn!(error, "Redis takes no writes: entries go to every gateway");
            }
            (Some(_), None) => tracing::info!("Redis takes writes again"),
            _ => {}
        }
    }

    /// # Errors
    /// The refusal.
    pub(super) fn check(&self) -> Result<(), RedisFailure> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().map_or(Ok(()), Err)
    }
}
