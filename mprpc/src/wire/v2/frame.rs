//! Frames: a header of 12 bytes and a payload.
//!
//! ```text
//!  0       4      5       6        8         12
//!  | length | kind | flags | method | call id | payload (length bytes)
//! ```
//! All little-endian.

use bytes::{Buf, Bytes, BytesMut};

/// The length of a header, in bytes.
pub(crate) const HEADER_BYTES: usize = 12;

/// The longest payload a side accepts unless it says otherwise, in bytes.
pub(crate) const FRAME_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// DATA up to this many bytes is copied out of what was read: a few messages that wait for their
/// reader would else keep all of it.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// Longer ones, too, unless they are so large a part of the memory that they came in: one over this.
const KEPT_PART: usize = 4;

/// What a frame is for. Numbers not listed here are for later and are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Settings = 1,
    Request = 2,
    Response = 3,
    Cancel = 4,
    Ping = 5,
    Pong = 6,
    GoAway = 7,
    Data = 8,
    Credit = 9,
    Auth = 10,
}

impl Kind {
    fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Settings,
            2 => Self::Request,
            3 => Self::Response,
            4 => Self::Cancel,
            5 => Self::Ping,
            6 => Self::Pong,
            7 => Self::GoAway,
            8 => Self::Data,
            9 => Self::Credit,
            10 => Self::Auth,
            _ => return None,
        })
    }
}

/// In `flags`: this frame is the sender's last one of its call. Without it a call streams.
pub(crate) const END: u8 = 1;

/// In `flags`: the frame's message is compressed. Only towards who said that it takes that.
pub(crate) const COMPRESSED: u8 = 2;

/// A header without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    /// The number that the client gave to a method; zero where no method is concerned.
    pub(crate) method: u16,
    /// The number that the client gave to a call; zero where no call is concerned.
    pub(crate) call: u32,
}

impl Header {
    /// A frame that concerns the connection.
    pub(crate) fn connection(kind: Kind) -> Self {
        Self { kind, flags: 0, method: 0, call: 0 }
    }

    fn to_bytes(self, length: usize) -> [u8; HEADER_BYTES] {
        // Senders keep to limits of 32 bits.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = self.flags;
        bytes[6..8].copy_from_slice(&self.method.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.call.to_le_bytes());
        bytes
    }
}

/// What came off the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Frame(Header, Bytes),
    /// A frame whose payload is over the limit: its payload is skipped, the connection goes on.
    TooLarge(Header, u32),
}

impl Incoming {
    pub(crate) fn header(&self) -> Header {
        match self {
            Self::Frame(header, _) | Self::TooLarge(header, _) => *header,
        }
    }
}

/// What stands at the front of a stream of bytes.
pub(crate) enum Front {
    /// A header, which was taken off, and the length of the payload, which is all there.
    Frame(Header, usize),
    /// As [`Incoming::TooLarge`].
    TooLarge(Header, u32),
}

/// Takes frames out of a stream of bytes.
#[derive(Debug)]
pub(crate) struct Decoder {
    bytes_max: u32,
    /// What is still to be dropped of a payload that is too large or of an unknown kind.
    skip: usize,
    /// How large the memory is that the buffer's bytes stand in, which the buffer does not say of
    /// itself; and what was left of it. Where something else is left, it is other memory.
    memory_bytes: usize,
    capacity: usize,
}

impl Decoder {
    pub(crate) fn new(bytes_max: u32) -> Self {
        Self { bytes_max, skip: 0, memory_bytes: 0, capacity: 0 }
    }

    /// Whether a payload is skipped that has not come to its end.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip > 0
    }

    /// Takes payloads of up to so many bytes from the next frame on.
    pub(crate) fn accept(&mut self, bytes_max: u32) {
        self.bytes_max = bytes_max;
    }

    /// The next frame in `buf`, or `None` until more bytes have come.
    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Option<Incoming> {
        let front = self.front(buf)?;
        Some(self.take(front, buf))
    }

    /// What stands at the front of `buf`, whose payload is to be [taken](Self::take) or
    /// [left out](Self::leave_out) next.
    pub(crate) fn front(&mut self, buf: &mut BytesMut) -> Option<Front> {
        if buf.capacity() != self.capacity {
            self.memory_bytes = buf.capacity();
        }
        let front = self.find(buf);
        self.capacity = buf.capacity();
        front
    }

    /// Takes off `buf` what was found at its front.
    pub(crate) fn take(&mut self, front: Front, buf: &mut BytesMut) -> Incoming {
        let (header, bytes) = match front {
            Front::Frame(header, bytes) => (header, bytes),
            Front::TooLarge(header, bytes) => return Incoming::TooLarge(header, bytes),
        };
        let payload = if header.kind == Kind::Data && self.is_to_be_copied(bytes) {
            let copy = Bytes::copy_from_slice(&buf[..bytes]);
            buf.advance(bytes);
            copy
        } else {
            buf.split_to(bytes).freeze()
        };
        self.capacity = buf.capacity();
        Incoming::Frame(header, payload)
    }

    /// Drops a payload of so many bytes that was found at the front of `buf`.
    pub(crate) fn leave_out(&mut self, bytes: usize, buf: &mut BytesMut) {
        buf.advance(bytes);
        self.capacity = buf.capacity();
    }

    fn find(&mut self, buf: &mut BytesMut) -> Option<Front> {
        loop {
            let skipped = self.skip.min(buf.len());
            buf.advance(skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return None;
            }

            let bytes = buf.first_chunk::<HEADER_BYTES>()?;
            let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let size = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(kind) = Kind::from_u8(bytes[4]) else {
                buf.advance(HEADER_BYTES);
                self.skip = size;
                continue;
            };
            let header = Header {
                kind,
                flags: bytes[5],
                method: u16::from_le_bytes([bytes[6], bytes[7]]),
                call: u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            };
            if length > self.bytes_max {
                buf.advance(HEADER_BYTES);
                self.skip = size;
                return Some(Front::TooLarge(header, length));
            }
            if buf.len() < HEADER_BYTES + size {
                return None;
            }
            buf.advance(HEADER_BYTES);
            return Some(Front::Frame(header, size));
        }
    }

    /// What waits for a reader is bounded by what is sent, and so what it keeps has to be of that
    /// order.
    fn is_to_be_copied(&self, bytes: usize) -> bool {
        bytes <= COPIED_BYTES_MAX || bytes < self.memory_bytes / KEPT_PART
    }
}

/// Begins a frame at the end of `out`: room for the header, which [`end`] fills in.
pub(crate) fn begin(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    start
}

/// The length of the payload of the frame that began at `start` and goes to the end of `out`.
pub(crate) fn payload_len(out: &BytesMut, start: usize) -> usize {
    out.len() - start - HEADER_BYTES
}

/// Ends the frame that began at `start`.
pub(crate) fn end(out: &mut BytesMut, start: usize, header: Header) {
    let bytes = header.to_bytes(payload_len(out, start));
    out[start..start + HEADER_BYTES].copy_from_slice(&bytes);
}

/// Begins a frame whose payload is known to become `length` bytes long, and makes room for it.
pub(crate) fn begin_sized(out: &mut BytesMut, header: Header, length: usize) {
    out.reserve(HEADER_BYTES + length);
    out.extend_from_slice(&header.to_bytes(length));
}

/// Appends a whole frame.
pub(crate) fn write(out: &mut BytesMut, header: Header, payload: &[u8]) {
    begin_sized(out, header, payload.len());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: Header = Header { kind: Kind::Request, flags: END, method: 0x0201, call: 7 };

    #[test]
    fn a_frame_is_laid_out_as_the_specification_says() {
        let mut out = BytesMut::new();
        write(&mut out, REQUEST, b"abc");
        assert_eq!(&out[..], b"\x03\x00\x00\x00\x02\x01\x01\x02\x07\x00\x00\x00abc");
    }

    #[test]
    fn a_frame_over_the_limit_is_reported_and_skipped_without_being_kept() {
        let mut decoder = Decoder::new(4);
        let mut buf = BytesMut::new();
        write(&mut buf, REQUEST, &[9; 100]);
        write(&mut buf, REQUEST, b"ok");
        let rest = buf.split_off(50);
        assert_eq!(decoder.decode(&mut buf), Some(Incoming::TooLarge(REQUEST, 100)));
        assert_eq!(decoder.decode(&mut buf), None);
        assert!(buf.is_empty(), "what is skipped takes no memory");
        buf.unsplit(rest);
        let frame = decoder.decode(&mut buf).unwrap();
        assert_eq!(frame, Incoming::Frame(REQUEST, Bytes::from_static(b"ok")));
    }

    #[test]
    fn a_message_that_waits_keeps_no_more_memory_than_it_needs() {
        const MIB: usize = 1024 * 1024;
        const DATA: Header = Header { kind: Kind::Data, flags: 0, method: 0, call: 7 };
        let mut buf = BytesMut::with_capacity(4 * MIB);
        write(&mut buf, REQUEST, &[9; 2 * MIB]);
        write(&mut buf, DATA, &[9; 20_000]);
        write(&mut buf, DATA, &[9; MIB]);
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        let kept = [(); 3].map(|()| {
            let Some(Incoming::Frame(_, payload)) = decoder.decode(&mut buf) else { panic!() };
            payload.is_unique()
        });
        // A request is not kept, and what is a good part of what was read need not be copied.
        assert_eq!(kept, [false, true, false]);

        // As it is when the buffer is another one.
        let mut buf = BytesMut::with_capacity(64 * 1024);
        write(&mut buf, DATA, &[9; 20_000]);
        let Some(Incoming::Frame(_, payload)) = decoder.decode(&mut buf) else { panic!() };
        assert!(!payload.is_unique());
    }

    #[test]
    fn a_kind_from_the_future_is_skipped() {
        let mut buf = BytesMut::new();
        write(&mut buf, REQUEST, b"new");
        buf[4] = 200;
        write(&mut buf, REQUEST, b"old");
        let frame = Decoder::new(16).decode(&mut buf).unwrap();
        assert_eq!(frame, Incoming::Frame(REQUEST, Bytes::from_static(b"old")));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_split_the_same_frames_come_out(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 1..8),
            chunk in 1_usize..50,
        ) {
            let mut stream = BytesMut::new();
            for payload in &payloads {
                write(&mut stream, REQUEST, payload);
            }
            let mut decoder = Decoder::new(64);
            let mut buf = BytesMut::new();
            let mut decoded = Vec::new();
            for piece in stream.chunks(chunk) {
                buf.extend_from_slice(piece);
                while let Some(Incoming::Frame(_, payload)) = decoder.decode(&mut buf) {
                    decoded.push(payload.to_vec());
                }
            }
            prop_assert_eq!(decoded, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buf = BytesMut::from(&bytes[..]);
            let mut decoder = Decoder::new(64);
            let mut frames = 0;
            while decoder.decode(&mut buf).is_some() {
                frames += 1;
                prop_assert!(frames <= bytes.len() / HEADER_BYTES + 1);
            }
        }
    }
}
