//! What a client's connection has to write, and how far the socket has taken it.

use std::fmt;
use std::task::Waker;

use bytes::BytesMut;
use tokio::time::Instant;

use super::client::Calls;

/// How much room is kept while nothing waits, in bytes.
const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// Of what waits for the socket only how much it is: who the client is may stand there.
impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("slots", &self.slots)
            .field("output_bytes", &self.output.len())
            .field("queued", &self.queued)
            .field("written", &self.written)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

impl Calls {
    /// Moves what is to be written into `writing`, which is empty, and says whether there is any.
    pub(crate) fn take_output(&mut self, writing: &mut BytesMut, woken: &mut Vec<Waker>) -> bool {
        std::mem::swap(&mut self.output, writing);
        self.pong_bytes = 0;
        woken.append(&mut self.waiting);
        !writing.is_empty()
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Nothing is to be written: much room is not kept for what may come.
    pub(crate) fn give_back(&mut self) {
        give_back(&mut self.output);
    }

    /// The socket took `bytes` more.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// Whether a call that is timed is on its way to the socket, so that
    /// [`time_taken`](Self::time_taken) and [`time_written`](Self::time_written) are to be called.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.is_waiting()
    }

    /// The output was taken.
    pub(crate) fn time_taken(&mut self, now: Instant) {
        self.timed.taken(now);
    }

    /// The socket took some of it.
    pub(crate) fn time_written(&mut self, now: Instant) {
        self.timed.written(self.written, now);
    }
}

/// Gives the memory of an empty buffer back if it is much.
pub(crate) fn give_back(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > OUTPUT_BYTES_KEPT {
        *buffer = BytesMut::new();
    }
}
