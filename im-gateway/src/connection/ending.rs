//! The end of a connection: the last line, the last cursors, the route.

use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::{Connection, Done, End};
use crate::config::ms;
use crate::log_in;

impl Connection {
    pub(super) async fn finish(mut self, end: End) {
        let end = match end {
            // It was reset, and whoever closes it was quicker: that is how a client comes that has lost
            // its connection, and logs in on another.
            End::Closing(_) if self.socket.is_reset() => End::Broken,
            end => end,
        };
        let peer_has = match &end {
            // A client that resets the connection threw away what it had not read, though its kernel
            // had acknowledged it. Only what counted as delivered before still does.
            End::Broken => None,
            End::Eof | End::Closing(_) => {
                self.observe();
                Some(self.peer_has)
            }
        };
        let last = match &end {
            End::Closing(reason) => {
                tracing::debug!(reason, "a connection is closed");
                Some(reason)
            }
            End::Eof | End::Broken => None,
        };
        // Who puts their own device out may be closed before they are answered, and wants to know.
        let later = last.filter(|_| self.putting_out > 0 && self.drain.is_none());
        if later.is_none() {
            // Cancels what was under way, a log-in included: nobody is there to hear of it.
            self.work.clear();
            if let Some(reason) = last {
                self.wire.close(reason);
                // As much as goes without waiting: a successor may be waiting for the cursors.
                let _ = self.write();
            }
        }
        if let Some(session) = self.session.take() {
            log_in::hand_over(&self.gateway, session.end(peer_has)).await;
        }
        if let Some(reason) = later {
            self.finish_putting_out().await;
            self.wire.close(reason);
        }
        let Self { gateway, socket, wire, work, .. } = self;
        drop(work);
        if !matches!(end, End::Broken) {
            socket.linger(wire.output(), ms(gateway.config.closing.linger_ms)).await;
        }
    }

    /// Waits for the answers to `REVOKE`, for as long as a session may take to end. The session is over,
    /// and so is what it waited for; whatever else was under way is only answered.
    async fn finish_putting_out(&mut self) {
        let by = Instant::now() + ms(self.gateway.config.calls.hand_over_ms);
        while self.putting_out > 0
            && let Ok(Some(done)) = tokio::time::timeout_at(by, self.work.next()).await
        {
            match done {
                Done::PutOut { slot, reply } => self.put_out(slot, reply),
                Done::Replied { slot, reply } => self.wire.reply(slot, reply),
                _ => {}
            }
        }
    }
}
