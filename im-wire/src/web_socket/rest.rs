//! How the bytes so far end: between two messages, or how far within one.

/// The longest header of a frame: flags and length, 8 bytes of a longer length, 4 of a mask.
const HEADER_BYTES_MAX: usize = 14;

/// Follows the headers of a client's frames. It judges nothing: what is no frame is the codec's to
/// refuse.
#[derive(Debug, Default)]
pub(super) struct Rest {
    header: [u8; HEADER_BYTES_MAX],
    /// Bytes of a header that is not whole.
    have: usize,
    /// Bytes of a payload that have not come.
    left: u64,
    /// Bytes of a frame that have come, while others have not.
    begun: usize,
    /// A message has begun, and its last frame has not come.
    fragmented: bool,
}

impl Rest {
    /// These bytes came next.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((first, others)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                self.begun += skipped;
                bytes = &bytes[skipped..];
            } else {
                self.header[self.have] = *first;
                self.have += 1;
                self.begun += 1;
                bytes = others;
                if self.have >= 2 && self.have == self.header_bytes() {
                    self.begin_payload();
                }
            }
            if self.have == 0 && self.left == 0 {
                self.end_frame();
            }
        }
    }

    /// Whether frames of a message have come, and its last one has not.
    pub(super) fn is_fragmented(&self) -> bool {
        self.fragmented
    }

    /// Bytes of a frame that have come, while others have not.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// Bytes of its payload that have not come; `None` while its header has not.
    pub(super) fn left(&self) -> Option<u64> {
        (self.have == 0).then_some(self.left)
    }

    /// The bytes of the header of which the first two are there.
    fn header_bytes(&self) -> usize {
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        let length = match self.header[1] & 0x7f {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        2 + length + mask
    }

    fn begin_payload(&mut self) {
        let [_, length, rest @ ..] = self.header;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.left = match length & 0x7f {
            127 => number(&rest[..8]),
            126 => number(&rest[..2]),
            short => short.into(),
        };
        self.have = 0;
    }

    fn end_frame(&mut self) {
        self.begun = 0;
        let flags = self.header[0];
        // Those above 7 control the connection, and may stand between the frames of a message.
        if flags & 0x0f < 8 {
            self.fragmented = flags & 0x80 == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_between(bytes: &[u8]) -> bool {
        let mut rest = Rest::default();
        rest.follow(bytes);
        let mut slowly = Rest::default();
        bytes.iter().for_each(|byte| slowly.follow(&[*byte]));
        let said = |rest: &Rest| (rest.begun(), rest.left(), rest.is_fragmented());
        assert_eq!(said(&rest), said(&slowly), "{bytes:?}");
        rest.begun() == 0 && !rest.is_fragmented()
    }

    #[test]
    fn only_a_whole_message_ends_between_two() {
        let long = [&[0x82, 0xfe, 0, 126][..], &[0; 4 + 126]].concat();
        let longer = [&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0][..], &[0; 4 + 65_536]].concat();
        for message in
            [&[0x81, 0x80, 1, 2, 3, 4][..], &[0x81, 0x82, 1, 2, 3, 4, 5, 6], &long, &longer]
        {
            assert!(is_between(message));
            for cut in [1, 2, 5, message.len() - 1] {
                assert!(!is_between(&message[..cut]), "{cut} of {}", message.len());
            }
        }
        assert!(is_between(&[]));
    }

    #[test]
    fn of_a_frame_that_is_not_whole_it_is_known_how_much_has_come() {
        let mut rest = Rest::default();
        rest.follow(&[0x81, 0x80, 1, 2, 3, 4]);
        for (bytes, begun, left) in [
            (&[0x01, 0xfe, 1][..], 3, None),
            (&[0, 1, 2, 3, 4], 8, Some(256)),
            (&[0; 255], 263, Some(1)),
            (&[0], 0, Some(0)),
        ] {
            rest.follow(bytes);
            assert_eq!((rest.begun(), rest.left()), (begun, left));
            assert_eq!(rest.is_fragmented(), begun == 0, "from its end on");
        }
    }

    #[test]
    fn a_ping_within_a_message_does_not_end_it() {
        let (begin, ping) = ([0x01, 0x80, 0, 0, 0, 0], [0x89, 0x80, 0, 0, 0, 0]);
        let end = [0x80, 0x80, 0, 0, 0, 0];
        assert!(!is_between(&begin) && !is_between(&[begin, ping].concat()));
        assert!(is_between(&[begin, ping, end].concat()) && is_between(&ping));
    }
}
