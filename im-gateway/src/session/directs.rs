//! What a session does with messages that stand in no timeline.

use tokio::time::Instant;

use super::{Client, Session};
use crate::config::ms;
use crate::direct::Direct;

impl Session {
    /// One was pushed.
    pub(super) fn take_direct(&mut self, now: Instant, direct: Direct) {
        if self.directs.remembers() && self.original != Some(true) {
            // It may stand in a timeline of ours, too: then the position moves on.
            self.sync.want(now + ms(self.config.cursor_interval_ms));
            if direct.msg_id == 0 && self.original == Some(false) {
                // It does, since nothing else is sent in this fleet. Only the entry has an id, so
                // nobody could tell that both are one.
                return;
            }
        }
        if !self.directs.push(direct) {
            tracing::debug!("a push outside any timeline found no room and is lost");
        }
    }

    /// Shows those that wait, as far as there is room.
    pub(super) fn show_directs(&mut self, client: &mut Client<'_>) {
        while !self.directs.is_empty() && self.has_room(client) {
            if let Some(shown) = self.directs.next() {
                client.wire.show(&shown);
            }
        }
    }
}
