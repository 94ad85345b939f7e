//! What the fuzz targets in `mprpc/fuzz` call: whatever the bytes, nothing panics, loops, or keeps
//! more than the input warrants. With the feature `fuzzing` only; not for people.

mod client;
mod codecs;
#[cfg(test)]
mod corpus_tests;
mod server;

pub use client::client;
pub use codecs::{classic, frames, inflate};
pub use server::server;

use bytes::BytesMut;

use crate::wire::v2::frame::{Decoder, Incoming};

/// The limit of frames here, in bytes: low, so that inputs that are short go past it.
const FRAME_BYTES_MAX: u32 = 64;

/// The frames in `data`, which comes in pieces of so many bytes.
fn decode(data: &[u8], piece: usize) -> Vec<Incoming> {
    let mut decoder = Decoder::new(FRAME_BYTES_MAX);
    let mut buf = BytesMut::new();
    let mut decoded = Vec::new();
    for piece in data.chunks(piece.max(1)) {
        buf.extend_from_slice(piece);
        while let Some(incoming) = decoder.decode(&mut buf) {
            decoded.push(incoming);
        }
    }
    decoded
}
