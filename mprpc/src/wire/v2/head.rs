//! What stands before the message in a request and in an answer: a varint length and a small
//! protobuf message, which later versions extend by adding fields.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use crate::{Code, Executed, Metadata, Status};

/// A name and a value of the metadata.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// The head of a request.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RequestHead {
    /// `package.Service/Method`, in the first request that uses its method number.
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    /// The time left for the call, in microseconds; zero: none was given.
    #[prost(uint64, tag = "2")]
    pub(crate) timeout_us: u64,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<Entry>,
    /// Whether the caller wants to know how long the server has the call.
    #[prost(bool, tag = "4")]
    pub(crate) timed: bool,
}

/// The head of an answer; empty for a plain success.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ResponseHead {
    /// A canonical status code.
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) details: Bytes,
    /// For how long the server had the call, from reading it to its answer, in nanoseconds; zero:
    /// it does not say.
    #[prost(uint64, tag = "4")]
    pub(crate) served_ns: u64,
    /// Of an error: the call certainly was not executed.
    #[prost(bool, tag = "5")]
    pub(crate) not_executed: bool,
}

/// What a side says of itself when the connection begins.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Settings {
    /// The longest payload it accepts, in bytes.
    #[prost(uint32, tag = "1")]
    pub(crate) frame_bytes_max: u32,
    /// A server: how many calls it serves at once on this connection.
    #[prost(uint32, tag = "2")]
    pub(crate) calls_max: u32,
    /// The credit that each stream begins with, in bytes; zero: the default.
    #[prost(uint32, tag = "3")]
    pub(crate) stream_window: u32,
    /// The credit that the connection begins with, in bytes; zero: the default.
    #[prost(uint32, tag = "4")]
    pub(crate) connection_window: u32,
    /// Whether it takes compressed messages.
    #[prost(bool, tag = "5")]
    pub(crate) inflates: bool,
}

/// Why a side asks the other to open no more calls.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GoAway {
    #[prost(uint32, tag = "1")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

/// What a client shows of itself.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Auth {
    /// A secret that both sides know.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) token: Bytes,
}

impl Auth {
    /// The longest payload, in bytes.
    const BYTES_MAX: usize = 1024;

    /// Reads the payload of an AUTH frame.
    ///
    /// # Errors
    /// It is too long or does not parse; it is not repeated in the text.
    pub(crate) fn read(payload: Bytes) -> Result<Self, String> {
        let bytes = payload.len();
        if bytes > Self::BYTES_MAX {
            let max = Self::BYTES_MAX;
            return Err(format!("an AUTH frame of {bytes} bytes, and {max} are accepted"));
        }
        Self::decode(payload).map_err(|_| "an AUTH frame that does not parse".to_owned())
    }

    /// What is shown.
    pub(crate) fn secret(self) -> Secret {
        Secret(self.token)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// A secret that `Debug` does not show.
pub(crate) struct Secret(Bytes);

impl Secret {
    /// The secret itself, to be compared.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Names and values as entries of a head.
pub(crate) fn entries(metadata: &Metadata) -> Vec<Entry> {
    metadata
        .iter()
        .map(|(name, value)| Entry { name: name.to_owned(), value: value.clone() })
        .collect()
}

/// The metadata of a head that came. Its values are copied: whoever keeps one would else keep all
/// that was read with it.
pub(super) fn metadata(entries: Vec<Entry>) -> Metadata {
    if entries.is_empty() {
        return Metadata::default();
    }
    let bytes = entries.iter().map(|entry| entry.value.len()).sum();
    let mut values = BytesMut::with_capacity(bytes);
    for entry in &entries {
        values.extend_from_slice(&entry.value);
    }
    let mut values = values.freeze();
    entries.into_iter().map(|entry| (entry.name, values.split_to(entry.value.len()))).collect()
}

/// How many bytes [`write()`] appends.
pub(crate) fn written_len(head: &impl Message) -> usize {
    sized_len(head.encoded_len())
}

/// The same for a head that is known to be `length` bytes long.
pub(crate) fn sized_len(length: usize) -> usize {
    encoded_len_varint(length as u64) + length
}

/// Appends a head before its message.
pub(crate) fn write(head: &impl Message, out: &mut BytesMut) {
    write_sized(head, head.encoded_len(), out);
}

/// Appends one that is known to be `length` bytes long.
pub(crate) fn write_sized(head: &impl Message, length: usize, out: &mut BytesMut) {
    out.reserve(sized_len(length));
    encode_varint(length as u64, out);
    head.encode_raw(out);
}

/// Takes a head of at most `bytes_max` off the front of a payload; what remains is the message.
pub(crate) fn read<H: Message + Default>(
    payload: &mut Bytes,
    bytes_max: usize,
) -> Result<H, String> {
    let length = decode_varint(payload).map_err(|error| error.to_string())?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= payload.remaining())
        .ok_or_else(|| format!("a head of {length} bytes in a shorter payload"))?;
    if length > bytes_max {
        return Err(format!("a head of {length} bytes, and at most {bytes_max} are accepted"));
    }
    H::decode(payload.split_to(length)).map_err(|error| error.to_string())
}

impl ResponseHead {
    /// The head that carries `status`.
    pub(crate) fn of(status: &Status) -> Self {
        Self {
            code: status.code() as u32,
            message: status.message().to_owned(),
            details: status.details().clone(),
            served_ns: 0,
            not_executed: status.executed() == Executed::No,
        }
    }

    /// The status that this head carries, or `None` for success.
    pub(crate) fn into_status(self) -> Option<Status> {
        (self.code != Code::Ok as u32).then(|| {
            // A copy: whoever keeps the status would else keep all that was read with it.
            let details = Bytes::copy_from_slice(&self.details);
            let status = Status::new(Code::from_u32(self.code), self.message).with_details(details);
            if self.not_executed { status.not_executed() } else { status }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_success_costs_one_byte() {
        let mut out = BytesMut::new();
        write(&ResponseHead::default(), &mut out);
        assert_eq!(&out[..], [0]);
    }

    #[test]
    fn a_head_is_written_as_the_specification_says() {
        let mut out = BytesMut::new();
        let head = RequestHead { path: "e.E/M".into(), timeout_us: 300, ..RequestHead::default() };
        write(&head, &mut out);
        out.extend_from_slice(b"message");
        assert_eq!(&out[..], b"\x0a\x0a\x05e.E/M\x10\xac\x02message");
        let mut payload = out.freeze();
        assert_eq!(read::<RequestHead>(&mut payload, 64).unwrap(), head);
        assert_eq!(payload, "message");
    }

    #[test]
    fn a_head_longer_than_its_payload_is_an_error() {
        assert!(read::<RequestHead>(&mut Bytes::from_static(b"\x05abc"), 64).is_err());
        assert!(
            read::<RequestHead>(
                &mut Bytes::from_static(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                64
            )
            .is_err()
        );
        assert!(read::<RequestHead>(&mut Bytes::new(), 64).is_err());
    }
}
