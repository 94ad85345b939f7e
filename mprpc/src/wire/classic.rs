//! The original wire: a length, a header that names the method, the arguments; a length, the answer.
//!
//! Neither a call id nor an error channel exists, so one call at a time is on a connection and
//! answers come in the order of requests.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// The longest header that is accepted, in bytes. Two names of a sane length fit many times.
pub(crate) const HEADER_BYTES_MAX: u32 = 4096;

const LENGTH_BYTES: usize = 4;

/// `RpcHeader` of the original.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcHeader {
    #[prost(bytes = "bytes", tag = "1")]
    service_name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    method_name: Bytes,
    #[prost(uint32, tag = "3")]
    args_size: u32,
}

/// What is wrong with the bytes; the connection cannot go on after it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("a header of {0} bytes, and at most {HEADER_BYTES_MAX} are accepted")]
    HeaderTooLong(u32),
    #[error("a header that does not parse: {0}")]
    Header(String),
    #[error("{what} of {bytes} bytes, and at most {limit} are accepted")]
    TooLarge { what: &'static str, bytes: u32, limit: u32 },
}

/// A request as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The short service name.
    pub(crate) service: Bytes,
    pub(crate) method: Bytes,
    pub(crate) args: Bytes,
}

/// Takes requests out of a stream of bytes.
#[derive(Debug)]
pub(crate) struct RequestDecoder {
    args_bytes_max: u32,
    /// The header of a request whose arguments are still coming, so that it is parsed once.
    header: Option<RpcHeader>,
}

impl RequestDecoder {
    pub(crate) fn new(args_bytes_max: u32) -> Self {
        Self { args_bytes_max, header: None }
    }

    /// Whether a request has begun, part of which is not in the buffer any more.
    pub(crate) fn has_begun(&self) -> bool {
        self.header.is_some()
    }

    /// The next whole request in `buf`, or `None` until more bytes have come.
    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, Error> {
        if self.header.is_none() {
            self.header = decode_header(buf)?;
        }
        let Some(header) = &self.header else {
            return Ok(None);
        };
        check("arguments", header.args_size, self.args_bytes_max)?;
        let size = to_usize(header.args_size);
        if buf.len() < size {
            return Ok(None);
        }
        let args = buf.split_to(size).freeze();
        Ok(self.header.take().map(|header| Request {
            service: header.service_name,
            method: header.method_name,
            args,
        }))
    }
}

fn decode_header(buf: &mut BytesMut) -> Result<Option<RpcHeader>, Error> {
    let Some(size) = peek_length(buf) else {
        return Ok(None);
    };
    if size > HEADER_BYTES_MAX {
        return Err(Error::HeaderTooLong(size));
    }
    if buf.len() < LENGTH_BYTES + to_usize(size) {
        return Ok(None);
    }
    buf.advance(LENGTH_BYTES);
    let bytes = buf.split_to(to_usize(size)).freeze();
    RpcHeader::decode(bytes).map(Some).map_err(|error| Error::Header(error.to_string()))
}

/// Appends a request. `args` must be below 4 GiB, which the caller's limit ensures.
pub(crate) fn encode_request(service: &str, method: &str, args: &impl Message, out: &mut BytesMut) {
    let args_bytes = args.encoded_len();
    let header = RpcHeader {
        service_name: Bytes::copy_from_slice(service.as_bytes()),
        method_name: Bytes::copy_from_slice(method.as_bytes()),
        args_size: u32::try_from(args_bytes).unwrap_or(u32::MAX),
    };
    let header_bytes = header.encoded_len();
    out.reserve(LENGTH_BYTES + header_bytes + args_bytes);
    out.put_u32_le(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    header.encode_raw(out);
    args.encode_raw(out);
}

/// Begins an answer: room for its length, which [`end_response`] fills in.
pub(crate) fn begin_response(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_u32_le(0);
    start
}

/// Ends the answer that began at `start`.
pub(crate) fn end_response(out: &mut BytesMut, start: usize) {
    let length = out.len() - start - LENGTH_BYTES;
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// The answer at the front of `buf`, or `None` until more bytes have come.
pub(crate) fn decode_response(buf: &mut BytesMut, bytes_max: u32) -> Result<Option<Bytes>, Error> {
    let Some(length) = peek_length(buf) else {
        return Ok(None);
    };
    check("an answer", length, bytes_max)?;
    if buf.len() < LENGTH_BYTES + to_usize(length) {
        return Ok(None);
    }
    buf.advance(LENGTH_BYTES);
    Ok(Some(buf.split_to(to_usize(length)).freeze()))
}

fn peek_length(buf: &BytesMut) -> Option<u32> {
    buf.first_chunk::<LENGTH_BYTES>().map(|bytes| u32::from_le_bytes(*bytes))
}

fn check(what: &'static str, bytes: u32, limit: u32) -> Result<(), Error> {
    if bytes > limit { Err(Error::TooLarge { what, bytes, limit }) } else { Ok(()) }
}

/// `usize` has at least 32 bits wherever tokio runs.
fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `EchoService.Echo` with the arguments `{payload: "hi"}`, written down by hand.
    const GOLDEN_REQUEST: &[u8] = b"\x15\x00\x00\x00\
        \x0a\x0bEchoService\x12\x04Echo\x18\x04\
        \x0a\x02hi";
    const GOLDEN_RESPONSE: &[u8] = b"\x04\x00\x00\x00\x0a\x02hi";

    #[derive(Clone, PartialEq, prost::Message)]
    struct Args {
        #[prost(bytes = "bytes", tag = "1")]
        payload: Bytes,
    }

    fn args(payload: &[u8]) -> Args {
        Args { payload: Bytes::copy_from_slice(payload) }
    }

    #[test]
    fn a_request_is_written_byte_for_byte_as_the_original_writes_it() {
        let mut out = BytesMut::new();
        encode_request("EchoService", "Echo", &args(b"hi"), &mut out);
        assert_eq!(&out[..], GOLDEN_REQUEST);
    }

    #[test]
    fn an_answer_is_written_byte_for_byte_as_the_original_writes_it() {
        let mut out = BytesMut::new();
        let start = begin_response(&mut out);
        args(b"hi").encode(&mut out).unwrap();
        end_response(&mut out, start);
        assert_eq!(&out[..], GOLDEN_RESPONSE);
        let decoded = decode_response(&mut out, 1024).unwrap().unwrap();
        assert_eq!(Args::decode(decoded).unwrap(), args(b"hi"));
    }

    #[test]
    fn an_empty_answer_is_a_length_of_zero() {
        let mut out = BytesMut::new();
        let start = begin_response(&mut out);
        end_response(&mut out, start);
        assert_eq!(&out[..], [0; 4]);
        assert_eq!(decode_response(&mut out, 1024).unwrap(), Some(Bytes::new()));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_waited_for_or_allocated() {
        let mut decoder = RequestDecoder::new(16);
        let mut buf = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert_eq!(decoder.decode(&mut buf), Err(Error::HeaderTooLong(u32::MAX)));

        let mut buf = BytesMut::new();
        encode_request("S", "M", &args(&[7; 15]), &mut buf);
        let whole = buf.len();
        buf.truncate(whole - 17);
        let error = decoder.decode(&mut buf).unwrap_err();
        assert_eq!(error, Error::TooLarge { what: "arguments", bytes: 17, limit: 16 });

        let mut buf = BytesMut::from(&17_u32.to_le_bytes()[..]);
        assert!(decode_response(&mut buf, 16).is_err());
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_split_the_same_requests_come_out(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..6),
            chunk in 1_usize..40,
        ) {
            let mut stream = BytesMut::new();
            for payload in &payloads {
                encode_request("EchoService", "Echo", &args(payload), &mut stream);
            }
            let mut decoder = RequestDecoder::new(1024);
            let mut buf = BytesMut::new();
            let mut decoded = Vec::new();
            for piece in stream.chunks(chunk) {
                buf.extend_from_slice(piece);
                while let Some(request) = decoder.decode(&mut buf).unwrap() {
                    decoded.push(Args::decode(request.args).unwrap().payload.to_vec());
                }
            }
            prop_assert_eq!(decoded, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buf = BytesMut::from(&bytes[..]);
            let mut decoder = RequestDecoder::new(64);
            while let Ok(Some(_)) = decoder.decode(&mut buf) {}
        }
    }
}
