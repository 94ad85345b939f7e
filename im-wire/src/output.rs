//! What is to be written to a client.

use bytes::{Buf, BytesMut};

/// What is written and not taken yet, and how much ever was. Nothing is kept of what was taken.
#[derive(Debug, Default)]
pub(crate) struct Output {
    buffer: BytesMut,
    end: u64,
}

impl Output {
    /// `write` appends.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let before = self.buffer.len();
        write(&mut self.buffer);
        self.end += (self.buffer.len() - before) as u64;
    }

    /// What was not taken yet.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The first `taken` of them were.
    pub(crate) fn consume(&mut self, taken: usize) {
        self.buffer.advance(taken.min(self.buffer.len()));
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Bytes that were ever written.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_was_ever_written_and_keeps_nothing_of_what_was_taken() {
        let mut output = Output::default();
        output.write(|out| out.extend_from_slice(b"hello"));
        output.write(|out| out.extend_from_slice(b" you"));
        output.consume(6);
        assert_eq!((output.bytes(), output.end()), (&b"you"[..], 9));
        // Whoever has written more than there was has written all.
        output.consume(99);
        assert_eq!((output.bytes(), output.end(), output.capacity()), (&b""[..], 9, 0));
    }
}
