//! How much may be on its way to a session's client, and from it.

use super::{Client, Session};
use crate::window::WindowLimits;

/// How much larger the window is while a `PULL` is answered. The client's `ACK`s are behind its
/// `PULL` and so not read; without this, one that acknowledges for itself could not get more than
/// a window before `pull_done`. The window's bytes bind as ever.
const PULL_WINDOW: usize = 64;

impl Session {
    /// Whether the messages that are not answered leave room for another; one that is longer than the
    /// room has it, too.
    pub(crate) fn has_room_to_send(&self) -> bool {
        self.sending.bytes() < self.config.sends_bytes_max
    }

    /// Whether the client has to acknowledge before it gets more.
    pub(crate) fn is_blocked(&self, client: &Client<'_>) -> bool {
        !self.has_room(client)
    }

    /// Whether it is worth asking the kernel how far the client is.
    pub(crate) fn is_crowded(&self, client: &Client<'_>) -> bool {
        !self.has_room_for_a_page(client)
    }

    fn limits(&self) -> WindowLimits {
        let mut limits = self.config.window();
        if self.pull.is_some() {
            limits.messages_max = limits.messages_max.saturating_mul(PULL_WINDOW);
        }
        limits
    }

    pub(super) fn has_room(&self, client: &Client<'_>) -> bool {
        self.fits(self.limits(), client)
    }

    /// Nothing fits behind the end: it would not be written, and yet count as shown.
    fn fits(&self, limits: WindowLimits, client: &Client<'_>) -> bool {
        let Client { wire, peer_has, .. } = client;
        !wire.is_over() && self.window.has_room(limits, wire.output_end(), *peer_has)
    }

    /// Whether the window is at most half full: a client that takes one message at a time must not
    /// cost a page for each.
    pub(super) fn has_room_for_a_page(&self, client: &Client<'_>) -> bool {
        let WindowLimits { messages_max, bytes_max } = self.limits();
        let half = WindowLimits {
            messages_max: messages_max.div_ceil(2),
            bytes_max: bytes_max.div_ceil(2),
        };
        self.fits(half, client)
    }
}
