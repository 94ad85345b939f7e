//! What a connection speaks: the state machine of its protocol.

use im_wire::text::{ServerConnection, TextLimits};
use im_wire::{Command, Reply, Shown, Slot};

/// The protocol's side of one connection. A connection and its session see no further than this.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Text lines.
    Text(ServerConnection),
}

impl Wire {
    /// A connection of text lines, with its welcome.
    pub(crate) fn text(limits: TextLimits) -> Self {
        let mut wire = ServerConnection::new(limits);
        wire.welcome();
        Self::Text(wire)
    }

    /// Takes what was read from the client.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        match self {
            Self::Text(wire) => wire.receive(bytes),
        }
    }

    /// Whether to read on.
    pub(crate) fn wants_input(&self) -> bool {
        match self {
            Self::Text(wire) => wire.wants_input(),
        }
    }

    /// The next command to work on, if one may be handed out now.
    pub(crate) fn next_command(&mut self) -> Option<(Slot, Command)> {
        match self {
            Self::Text(wire) => wire.next_command(),
        }
    }

    /// Answers a command. The answer goes out once all commands before it are answered.
    pub(crate) fn reply(&mut self, slot: Slot, reply: Reply) {
        match self {
            Self::Text(wire) => wire.reply(slot, reply),
        }
    }

    /// Shows something, between answers. Answers where in the output, counted from the connection's
    /// first byte, it ends.
    pub(crate) fn show(&mut self, shown: &Shown) -> u64 {
        match self {
            Self::Text(wire) => wire.push(shown.line()),
        }
    }

    /// Says why the connection ends, as its last word. What is unanswered stays so.
    pub(crate) fn close(&mut self, reason: &str) {
        match self {
            Self::Text(wire) => wire.close(reason),
        }
    }

    /// What is to be written to the client.
    pub(crate) fn output(&self) -> &[u8] {
        match self {
            Self::Text(wire) => wire.output(),
        }
    }

    /// The first `taken` bytes of the output were written.
    pub(crate) fn consume_output(&mut self, taken: usize) {
        match self {
            Self::Text(wire) => wire.consume_output(taken),
        }
    }

    /// Bytes put into the output since the connection began.
    pub(crate) fn output_end(&self) -> u64 {
        match self {
            Self::Text(wire) => wire.output_end(),
        }
    }

    /// Commands that were begun and are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Self::Text(wire) => wire.in_flight(),
        }
    }
}
