//! Whether the bytes so far end between two messages.

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
                bytes = &bytes[skipped..];
                continue;
            }
            self.header[self.have] = *first;
            self.have += 1;
            bytes = others;
            if self.have >= 2 && self.have == self.header_bytes() {
                self.begin_payload();
            }
        }
    }

    /// Whether a message that begins now would be the first that anybody has to know of.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.fragmented
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
        let [flags, length, rest @ ..] = self.header;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        self.left = match length & 0x7f {
            127 => number(&rest[..8]),
            126 => number(&rest[..2]),
            short => short.into(),
        };
        self.have = 0;
        let last = flags & 0x80 != 0;
        // Those above 7 control the connection, and may stand between the frames of a message.
        if flags & 0x0f < 8 {
            self.fragmented = !last;
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
        assert_eq!(rest.is_between(), slowly.is_between(), "{bytes:?}");
        rest.is_between()
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
    fn a_ping_within_a_message_does_not_end_it() {
        let (begin, ping) = ([0x01, 0x80, 0, 0, 0, 0], [0x89, 0x80, 0, 0, 0, 0]);
        let end = [0x80, 0x80, 0, 0, 0, 0];
        assert!(!is_between(&begin) && !is_between(&[begin, ping].concat()));
        assert!(is_between(&[begin, ping, end].concat()) && is_between(&ping));
    }
}
