//! What a session does with events, and what it has said about those of its messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use im_wire::{Outgoing, Priority, Reply, Shown, Wants, failure};
use tokio::time::Instant;

use super::{Client, Session};
use crate::events::EventKind;
use crate::metrics::METRICS;
use crate::sending::Manner;

impl Session {
    /// Takes one from what the client may signal.
    ///
    /// # Errors
    /// There is none left; after this time there is one again.
    pub(crate) fn signals(&mut self, now: Instant) -> Result<(), Duration> {
        self.signal_rate.take(now)
    }

    /// What the log-in has asked for.
    pub(crate) fn want(&mut self, wants: Wants) {
        self.want_events(wants.events);
        // Nobody has found out yet that there are none to be had.
        let _ = self.want_receipts(wants.receipts);
        if wants.acks {
            self.window.acknowledges();
        }
    }

    /// `EVENTS`.
    pub(crate) fn want_events(&self, on: bool) {
        let max = if on { self.config.events_max } else { 0 };
        self.registration.handle().mailbox.want_events(EventKind::Happening, max);
    }

    /// `RECEIPTS on` and `off`.
    pub(crate) fn want_receipts(&mut self, on: bool) -> Reply {
        if on && self.original == Some(true) {
            return Reply::err(failure::NOT_SUPPORTED);
        }
        let max = if on { self.config.events_max } else { 0 };
        self.registration.handle().mailbox.want_events(EventKind::Receipt, max);
        self.sending.manner.receipts = on;
        Reply::Receipts(on)
    }

    /// `PRIORITY`.
    pub(crate) fn set_priority(&mut self, priority: Priority) {
        self.sending.manner.priority = to_proto(priority);
    }

    /// How a message is sent: as it says, or else as the session has said.
    pub(super) fn manner_of(&self, message: &Outgoing) -> Manner {
        let Manner { priority, receipts, .. } = self.sending.manner;
        Manner {
            priority: message.priority.map_or(priority, to_proto),
            receipts: message.receipts.unwrap_or(receipts),
            repeatable: message.client_msg_id.is_some(),
        }
    }

    /// Shows events as long as little is on its way to the client: they are behind whatever messages
    /// came with them, and take at most this much of the window that messages share.
    pub(super) fn show_events(&self, client: &mut Client<'_>, events: VecDeque<Arc<Shown>>) {
        for event in events {
            let on_its_way = client.wire.output_end().saturating_sub(client.peer_has);
            if on_its_way < self.config.events_bytes_max && !client.wire.is_over() {
                client.wire.show(&event);
                METRICS.events_shown.increment(1);
            } else {
                METRICS.events_dropped_window.increment(1);
            }
        }
    }
}

fn to_proto(priority: Priority) -> mpim_proto::Priority {
    match priority {
        Priority::Low => mpim_proto::Priority::Low,
        Priority::Normal => mpim_proto::Priority::Normal,
        Priority::High => mpim_proto::Priority::High,
        Priority::Urgent => mpim_proto::Priority::Urgent,
    }
}
