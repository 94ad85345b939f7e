//! Bytes to frames, incrementally.

use bytes::{Buf, BufMut, BytesMut};

/// The bytes of a header.
pub const HEADER_BYTES: usize = 8;
/// The version of the protocol.
pub const VERSION: u8 = 1;

/// What stands next in a stream of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole frame.
    Whole {
        /// What it is.
        kind: u16,
        /// Its body.
        body: &'a [u8],
    },
    /// A whole frame of another version. Its body is gone.
    OtherVersion {
        /// What it says it is.
        kind: u16,
    },
    /// A length that no frame has. Nobody knows where the next one begins.
    BadLength,
    /// A length above the limit. It is not waited for.
    TooBig,
}

/// Splits a stream of bytes into frames.
///
/// What is kept is at most one unfinished frame and whatever whole ones the caller has not taken yet;
/// memory grows with what arrives and not with what a header announces. Between frames nothing is kept,
/// not even an empty buffer. After a length that is no good nothing is kept any more.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where the first frame that was not taken yet starts in `buffer`.
    start: usize,
    frame_bytes_max: usize,
    lost: bool,
}

impl Frames {
    /// Of frames of at most `frame_bytes_max`, their headers counted.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, frame_bytes_max, lost: false }
    }

    /// Takes what was read. All of it: look at [`buffered`](Self::buffered) before reading more.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let needed = self.buffer.len() + bytes.len();
        if needed > self.buffer.capacity() {
            // Doubles, so that a frame that drips in is not copied for each byte, but not past the
            // longest, unless what was just received needs it.
            let doubled = (2 * self.buffer.capacity()).min(self.frame_bytes_max);
            self.buffer.reserve_exact(needed.max(doubled) - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or `None` when no whole one is there.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let unread = &self.buffer[self.start..];
        let Some((mut header, _)) = unread.split_at_checked(HEADER_BYTES) else {
            if unread.is_empty() {
                self.release();
            }
            return None;
        };
        let bytes = usize::try_from(header.get_u32()).unwrap_or(usize::MAX);
        if bytes < HEADER_BYTES || bytes > self.frame_bytes_max {
            self.lost = true;
            self.release();
            let bad = if bytes < HEADER_BYTES { Frame::BadLength } else { Frame::TooBig };
            return Some(bad);
        }
        let (kind, version) = (header.get_u16(), header.get_u8());
        if unread.len() < bytes {
            return None;
        }
        let body = self.start + HEADER_BYTES..self.start + bytes;
        self.start += bytes;
        Some(match version {
            VERSION => Frame::Whole { kind, body: &self.buffer[body] },
            _ => Frame::OtherVersion { kind },
        })
    }

    /// What the next frame is, when all of it is there.
    pub fn next_kind(&self) -> Option<u16> {
        kind_of(&self.buffer[self.start..])
    }

    /// Bytes received that no frame was made of yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Bytes of memory held, for tests and metrics.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn release(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
    }
}

/// What the frame is that begins here; `None` unless all of it is there, and it is of this version.
pub(crate) fn kind_of(bytes: &[u8]) -> Option<u16> {
    let (mut header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let bytes = usize::try_from(header.get_u32()).ok()?;
    let whole = bytes.checked_sub(HEADER_BYTES)? <= rest.len();
    let (kind, version) = (header.get_u16(), header.get_u8());
    (whole && version == VERSION).then_some(kind)
}

/// Appends a frame. A body has at most 4 GiB.
pub fn put_frame(out: &mut BytesMut, kind: u16, body: &[u8]) {
    out.reserve(HEADER_BYTES + body.len());
    out.put_u32(u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX));
    out.put_u16(kind);
    out.put_u8(VERSION);
    out.put_u8(0);
    out.put_slice(body);
}
