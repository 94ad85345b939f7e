//! Messages that are compressed: raw DEFLATE (RFC 1951), each message on its own.
//!
//! On the wire such a message is its length before it was compressed, as a u32, and the DEFLATE data,
//! which are shorter than that. So a receiver knows from the first bytes what the message will take,
//! and never keeps or makes more.
//!
//! Both directions run in the task that has the message, with no lock held. What they need besides is
//! kept by each thread rather than by each connection: it is hundreds of kilobytes, most connections
//! are idle, and no message needs what was before it.

use std::cell::RefCell;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::frame::{COMPRESSED, FRAME_BYTES_MAX};
use super::stream::Outgoing;

/// The length that stands before the data, in bytes.
const LENGTH_BYTES: usize = 4;

/// No data inflate to more than so many times their length: each symbol takes a bit at least and
/// stands for 258 bytes at most.
const RATIO_MAX: usize = 1032;

/// How much of its buffers a thread keeps between two messages, in bytes.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What a side does about compression. By default it neither compresses nor takes what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compression {
    above: Option<usize>,
}

impl Compression {
    /// Compresses messages of `bytes` and more, and takes what is compressed.
    pub(crate) fn above(bytes: usize) -> Self {
        Self { above: Some(bytes) }
    }

    /// Whether this side takes compressed messages; it says so in its SETTINGS.
    pub(crate) fn is_on(self) -> bool {
        self.above.is_some()
    }

    /// What is left of it towards a peer that does, or does not, take compressed messages.
    pub(super) fn towards(self, peer_inflates: bool) -> Self {
        if peer_inflates { self } else { Self::default() }
    }

    /// Whether it is on, and the message long enough. One that is too long will be refused.
    pub(crate) fn is_for(self, message: &(impl Outgoing + ?Sized)) -> bool {
        let Some(above) = self.above else { return false };
        (above..=FRAME_BYTES_MAX as usize).contains(&message.bytes())
    }

    /// The message, compressed: if that is on, the message long enough, and shorter that way.
    pub(crate) fn deflate(self, message: &(impl Outgoing + ?Sized)) -> Option<Deflated> {
        if !self.is_for(message) {
            return None;
        }
        let length = message.bytes();
        SCRATCH.with_borrow_mut(|scratch| {
            let mut plain = std::mem::take(&mut scratch.plain);
            plain.clear();
            message.write(length, &mut plain);
            let data = scratch.deflate(&plain).map(Bytes::copy_from_slice);
            scratch.keep(plain);
            Some(Deflated { length, data: data? })
        })
    }

    /// The same with the message that stands in `out` from `start` on; whether it is compressed now.
    pub(super) fn deflate_in_place(self, out: &mut BytesMut, start: usize) -> bool {
        let length = out.len() - start;
        if self.above.is_none_or(|above| length < above) {
            return false;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let Some(data) = scratch.deflate(&out[start..]) else { return false };
            out.truncate(start);
            put(length, data, out);
            true
        })
    }
}

/// A message to be sent that was compressed.
#[derive(Debug)]
pub(crate) struct Deflated {
    length: usize,
    data: Bytes,
}

impl Outgoing for Deflated {
    fn bytes(&self) -> usize {
        self.length
    }

    fn write(&self, _bytes: usize, out: &mut BytesMut) {
        put(self.length, &self.data, out);
    }

    fn flags(&self) -> u8 {
        COMPRESSED
    }
}

fn put(length: usize, data: &[u8], out: &mut BytesMut) {
    out.reserve(LENGTH_BYTES + data.len());
    // Senders keep to limits of 32 bits.
    out.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_slice(data);
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Plain(Bytes),
    /// DEFLATE data, and the length that they are said to inflate to. It is more than theirs.
    Deflated(Bytes, u32),
}

impl Body {
    /// The message of a frame with these flags, whose receiver does this about compression.
    ///
    /// # Errors
    /// The protocol is broken.
    pub(crate) fn read(
        flags: u8,
        mut message: Bytes,
        compression: Compression,
    ) -> Result<Self, String> {
        if flags & COMPRESSED == 0 {
            return Ok(Self::Plain(message));
        }
        if !compression.is_on() {
            return Err("a compressed message, and none was asked for".to_owned());
        }
        let length =
            message.try_get_u32_le().map_err(|_| "a compressed message without its length")?;
        if message.len() >= length as usize {
            let bytes = message.len();
            return Err(format!("a message of {length} bytes, compressed to {bytes}"));
        }
        Ok(Self::Deflated(message, length))
    }

    /// How long the message is, uncompressed.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain(message) => message.len(),
            Self::Deflated(_, length) => *length as usize,
        }
    }

    /// The message. For whoever is about to decode it: this takes time.
    ///
    /// # Errors
    /// It is damaged. No more than its length was made of it.
    pub(crate) fn inflate(self) -> Result<Bytes, String> {
        match self {
            Self::Plain(message) => Ok(message),
            Self::Deflated(data, length) => inflate(&data, length as usize),
        }
    }
}

fn inflate(data: &[u8], length: usize) -> Result<Bytes, String> {
    let damaged = |what: &str| Err(format!("a compressed message {what}"));
    if length / RATIO_MAX > data.len() {
        // Memory is reserved for no more than can come of the data.
        return damaged(&format!("of {length} bytes in {}", data.len()));
    }
    // Data that go on are found out by one byte more than there should be.
    let mut message = Vec::with_capacity(length + 1);
    let (status, read) = INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let status = inflater.decompress_vec(data, &mut message, FlushDecompress::Finish);
        (status, inflater.total_in())
    });
    match status {
        Ok(Status::StreamEnd) if message.len() == length && read == data.len() as u64 => {
            Ok(message.into())
        }
        Ok(Status::StreamEnd) if message.len() == length => damaged("with more behind it"),
        Ok(Status::StreamEnd) => damaged(&format!("of {length} bytes that has {}", message.len())),
        Ok(_) if message.len() > length => damaged(&format!("of {length} bytes that has more")),
        Ok(_) => damaged("that is cut off"),
        Err(error) => damaged(&format!("that does not inflate: {error}")),
    }
}

/// What a thread compresses with.
struct Scratch {
    compress: Compress,
    plain: BytesMut,
    data: Vec<u8>,
}

impl Scratch {
    /// The message compressed, if it is shorter that way.
    fn deflate(&mut self, message: &[u8]) -> Option<&[u8]> {
        // Data that are no shorter do not get room.
        let room = message.len().checked_sub(LENGTH_BYTES + 1)?;
        self.data.clear();
        if self.data.capacity() > KEPT_BYTES_MAX {
            self.data = Vec::new();
        }
        self.data.reserve_exact(room);
        self.compress.reset();
        let status = self.compress.compress_vec(message, &mut self.data, FlushCompress::Finish);
        // There may have been more room than was asked for.
        let kept = matches!(status, Ok(Status::StreamEnd)) && self.data.len() <= room;
        let after = if kept { LENGTH_BYTES + self.data.len() } else { message.len() };
        metrics::counter!("mprpc_compressed_bytes_in_total").increment(message.len() as u64);
        metrics::counter!("mprpc_compressed_bytes_out_total").increment(after as u64);
        kept.then_some(&*self.data)
    }

    fn keep(&mut self, plain: BytesMut) {
        if plain.capacity() <= KEPT_BYTES_MAX {
            self.plain = plain;
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        // Of the levels this gives most for its time, by far: a datacentre's network is fast.
        compress: Compress::new(flate2::Compression::fast(), false),
        plain: BytesMut::new(),
        data: Vec::new(),
    });
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
