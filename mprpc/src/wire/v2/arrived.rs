//! What comes off the wire at a client, read without the lock of its connection.

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::compression::Body;
use super::frame::{self, Decoder, Front, Header, Incoming, Kind};
use crate::Status;

/// An answer up to this many bytes is copied: sharing what was read costs two changes of a count that
/// several threads write to, and keeps all of it for as long as anybody holds a part.
const COPIED_BYTES_MAX: usize = 111;

/// The message of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A short one, and how many bytes of it count.
    Copied(u8, [u8; COPIED_BYTES_MAX]),
    /// As it came: a part of what was read.
    Shared(Body),
}

impl Answer {
    /// The message. Takes time if it is compressed.
    ///
    /// # Errors
    /// It is damaged, or none of that type.
    pub(crate) fn decode<M: Message + Default>(self) -> Result<M, Status> {
        let decoded = match self {
            Self::Copied(length, bytes) => M::decode(&bytes[..usize::from(length)]),
            Self::Shared(body) => M::decode(inflate(body)?),
        };
        decoded.map_err(|error| Status::internal(format!("the answer does not parse: {error}")))
    }

    fn copied(message: &[u8]) -> Option<Self> {
        let length = u8::try_from(message.len()).ok()?;
        let mut bytes = [0; COPIED_BYTES_MAX];
        bytes.get_mut(..message.len())?.copy_from_slice(message);
        Some(Self::Copied(length, bytes))
    }
}

impl From<Body> for Answer {
    fn from(body: Body) -> Self {
        match &body {
            Body::Plain(message) => Self::copied(message).unwrap_or(Self::Shared(body)),
            Body::Deflated(..) => Self::Shared(body),
        }
    }
}

impl From<Answer> for Body {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Copied(length, bytes) => {
                Self::Plain(Bytes::copy_from_slice(&bytes[..usize::from(length)]))
            }
            Answer::Shared(body) => body,
        }
    }
}

/// What the server sent, which is damaged if it does not inflate.
pub(crate) fn inflate(body: Body) -> Result<Bytes, Status> {
    body.inflate().map_err(|error| Status::internal(format!("the server sent {error}")))
}

/// See the module.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A short answer behind an empty head, as nearly all are, to the call with this number.
    Short(u32, Answer),
    Other(Incoming),
}

impl Arrived {
    /// Takes the next frame off `buf`, or `None` until more bytes have come.
    pub(crate) fn next(decoder: &mut Decoder, buf: &mut BytesMut) -> Option<Self> {
        let front = decoder.front(buf)?;
        if let Front::Frame(header, bytes) = front
            && let Some(answer) = short(header, &buf[..bytes])
        {
            decoder.leave_out(bytes, buf);
            return Some(Self::Short(header.call, answer));
        }
        Some(Self::Other(decoder.take(front, buf)))
    }
}

fn short(header: Header, payload: &[u8]) -> Option<Answer> {
    if header.kind != Kind::Response || header.flags & frame::COMPRESSED != 0 {
        return None;
    }
    let (0, message) = payload.split_first()? else { return None };
    Answer::copied(message)
}

impl From<Incoming> for Arrived {
    fn from(incoming: Incoming) -> Self {
        Self::Other(incoming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The short way takes the same off the wire as the long one.
        #[test]
        fn a_short_answer_is_read_as_any_frame_is(
            flags in 0_u8..4,
            head in 0_u8..2,
            message in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header { kind: Kind::Response, flags, method: 0, call: 7 };
            let mut buf = BytesMut::new();
            let payload = [&[head][..], &message].concat();
            frame::write(&mut buf, header, &payload);
            match Arrived::next(&mut Decoder::new(1024), &mut buf).unwrap() {
                Arrived::Short(call, answer) => {
                    prop_assert!(head == 0 && flags & frame::COMPRESSED == 0);
                    prop_assert_eq!(call, 7);
                    prop_assert_eq!(Body::from(answer), Body::Plain(message.into()));
                }
                Arrived::Other(incoming) => {
                    prop_assert!(
                        head != 0 || flags & frame::COMPRESSED != 0 || message.len() > COPIED_BYTES_MAX
                    );
                    prop_assert_eq!(incoming, Incoming::Frame(header, payload.into()));
                }
            }
            prop_assert!(buf.is_empty());
        }
    }
}
