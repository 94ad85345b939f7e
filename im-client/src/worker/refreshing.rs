//! The next tokens, before the present ones end.

use super::Worker;
use crate::{
    backoff::Backoff,
    error::ConnectionError,
    pending::{Asker, Request},
    session::{Moment, Session},
    transport::Transport,
};
use im_wire::{Refusal, Reply, Why};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

impl<T: Transport> Worker<T> {
    /// Asks for the next tokens.
    pub(super) async fn refresh(&mut self, connection: &mut T::Connection) {
        if let Some(command) = self.session.as_mut().and_then(Session::begin_refresh) {
            self.start(connection, Request { command, asker: Asker::Refresh }).await;
        }
    }

    /// What came of it, on a connection whose session goes on.
    ///
    /// # Errors
    ///
    /// The log-in is over, and the connection with it.
    pub(super) fn refreshed(
        &mut self,
        outcome: &Result<Reply, Refusal>,
    ) -> Result<(), ConnectionError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        match outcome {
            Ok(_) => self.refresh_backoff.start_over(),
            Err(refusal) if may_pass(refusal) => {
                let pause = pause_after(refusal, &mut self.refresh_backoff);
                session.put_off_refresh(Instant::now() + pause);
            }
            Err(refusal) => {
                return Err(ConnectionError::NotRefreshed(refusal.words().to_owned()));
            }
        }
        Ok(())
    }
}

/// Whether the same may be taken later.
pub(super) fn may_pass(refusal: &Refusal) -> bool {
    matches!(refusal.code(), 5001..=5003) || refusal.why() == Why::NotLoggedIn
}

/// How long to wait before it is tried again: as long as the server says, and not less than one would
/// otherwise.
pub(super) fn pause_after(refusal: &Refusal, backoff: &mut Backoff) -> Duration {
    retry_after(refusal).max(backoff.next_pause())
}

/// After which time it may be tried again; 0: nobody has said.
pub(super) fn retry_after(refusal: &Refusal) -> Duration {
    Duration::from_millis(refusal.retry_after_ms().unwrap_or(0).into())
}

#[expect(clippy::disallowed_methods, reason = "servers say by this clock when tokens end")]
pub(super) fn moment() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Moment { at: Instant::now(), unix_ms }
}
