//! Bytes to requests, answers, frames and messages.

use bytes::{Bytes, BytesMut};

use super::decode;
use crate::wire::classic::{self, Error, Request, RequestDecoder};
use crate::wire::v2::compression::{Body, Compression};
use crate::wire::v2::frame::COMPRESSED;
use crate::wire::v2::stream::Outgoing;

/// The limit of arguments and answers here, in bytes.
const MESSAGE_BYTES_MAX: u32 = 64;

/// Classic requests and answers: in pieces or as a whole, the same comes out.
pub fn classic(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    assert_eq!(requests(data, usize::from(*piece)), requests(data, data.len()));
    let mut buf = BytesMut::from(data);
    while let Ok(Some(answer)) = classic::decode_response(&mut buf, MESSAGE_BYTES_MAX) {
        assert!(answer.len() <= MESSAGE_BYTES_MAX as usize);
    }
}

fn requests(data: &[u8], piece: usize) -> (Vec<Request>, Option<Error>) {
    let mut decoder = RequestDecoder::new(MESSAGE_BYTES_MAX);
    let mut buf = BytesMut::new();
    let mut decoded = Vec::new();
    for piece in data.chunks(piece.max(1)) {
        buf.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(request)) => decoded.push(request),
                Ok(None) => break,
                Err(error) => return (decoded, Some(error)),
            }
        }
    }
    (decoded, None)
}

/// Frames of v2: in pieces or as a whole, the same come out.
pub fn frames(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    assert_eq!(decode(data, usize::from(*piece)), decode(data, data.len()));
}

/// Compressed messages: of what is taken for one comes as much as it says, or nothing; and any
/// message that is compressed comes back.
pub fn inflate(data: &[u8]) {
    let compression = Compression::above(0);
    let message = Bytes::copy_from_slice(data);
    if let Ok(body) = Body::read(COMPRESSED, message.clone(), compression) {
        let length = body.len();
        if let Ok(message) = body.inflate() {
            assert_eq!(message.len(), length);
        }
    }
    if let Some(deflated) = compression.deflate(&message) {
        let mut sent = BytesMut::new();
        deflated.write(deflated.bytes(), &mut sent);
        assert!(sent.len() < deflated.bytes());
        let body = Body::read(COMPRESSED, sent.freeze(), compression);
        let back = body.and_then(Body::inflate).map(|back| back.len());
        assert_eq!(back, Ok(deflated.bytes()));
    }
}
