//! Bytes to lines, incrementally.

use std::fmt;

/// One line, without its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line within the limit.
    Whole(&'a [u8]),
    /// A line longer than the limit. It is reported once, as soon as that is certain; its bytes,
    /// up to its end, are gone.
    TooLong,
}

impl fmt::Debug for Line<'_> {
    /// Never the bytes: a line may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(line) => write!(f, "Whole({} bytes)", line.len()),
            Self::TooLong => f.write_str("TooLong"),
        }
    }
}

/// Splits a stream of bytes into lines that end in LF or CRLF.
///
/// Each byte is looked at once, however the stream is cut. What is kept is at most one unfinished
/// line (the limit, and one byte for a CR) and whatever whole lines the caller has not taken yet,
/// so a caller that takes its lines before it reads again holds at most the limit plus one read.
/// Between lines nothing is kept, not even an empty buffer.
///
/// The sequence of lines depends on the bytes alone, not on how they were cut into
/// [`receive`](Self::receive)s.
#[derive(Debug)]
pub struct LineDecoder {
    buffer: Vec<u8>,
    /// Where the first line that was not taken yet starts in `buffer`.
    start: usize,
    /// Up to where `buffer` is known to hold no LF (from `start` on).
    scanned: usize,
    limit_bytes: usize,
    /// Within a line that was reported as too long already.
    skipping: bool,
}

impl LineDecoder {
    /// A decoder of lines of at most `limit_bytes`, their ends not counted.
    pub fn new(limit_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, limit_bytes, skipping: false }
    }

    /// Takes what was read. All of it: look at [`buffered`](Self::buffered) before reading more.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        if self.skipping {
            let Some(end) = find_lf(bytes) else { return };
            self.skipping = false;
            bytes = &bytes[end + 1..];
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.make_room(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line, or `None` when no whole one is there.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        let Some(at) = find_lf(&self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            let unfinished = &self.buffer[self.start..];
            // One byte more than the limit may be the CR of a CRLF that is still on its way.
            let room = self.limit_bytes + usize::from(unfinished.last() == Some(&b'\r'));
            let too_long = unfinished.len() > room;
            if too_long {
                self.skipping = true;
            }
            if too_long || unfinished.is_empty() {
                self.release();
            }
            return too_long.then_some(Line::TooLong);
        };
        let start = self.start;
        let end = self.scanned + at;
        self.start = end + 1;
        self.scanned = end + 1;
        let line = &self.buffer[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.limit_bytes { Some(Line::TooLong) } else { Some(Line::Whole(line)) }
    }

    /// Bytes received that no line was made of yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Bytes of memory held, for tests and metrics.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Doubles, so that a line that drips in is not copied for each byte, but not past the longest
    /// line, unless what was just received needs it.
    fn make_room(&mut self, additional: usize) {
        let needed = self.buffer.len() + additional;
        if needed > self.buffer.capacity() {
            let doubled = (2 * self.buffer.capacity()).min(self.limit_bytes + 1);
            self.buffer.reserve_exact(needed.max(doubled) - self.buffer.len());
        }
    }

    fn release(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
        self.scanned = 0;
    }
}

fn find_lf(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `chunks`, each taken as soon as it is there.
    fn lines(limit: usize, chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut decoder = LineDecoder::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            decoder.receive(chunk);
            while let Some(line) = decoder.next_line() {
                lines.push(match line {
                    Line::Whole(line) => Some(line.to_vec()),
                    Line::TooLong => None,
                });
            }
        }
        lines
    }

    fn whole(line: &[u8]) -> Option<Vec<u8>> {
        Some(line.to_vec())
    }

    #[test]
    fn lf_and_crlf_end_a_line_and_a_lone_cr_does_not() {
        assert_eq!(
            lines(16, &[b"a\nb\r\nc\rd\n\n\r\n"]),
            [whole(b"a"), whole(b"b"), whole(b"c\rd"), whole(b""), whole(b"")]
        );
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        for end in [&b"\n"[..], b"\r\n"] {
            let fits = [b"1234", end].concat();
            let exceeds = [b"12345", end].concat();
            assert_eq!(lines(4, &[&fits]), [whole(b"1234")]);
            assert_eq!(lines(4, &[&exceeds, b"ok\n"]), [None, whole(b"ok")]);
            for cut in 0..fits.len() {
                let (left, right) = fits.split_at(cut);
                assert_eq!(lines(4, &[left, right]), [whole(b"1234")], "cut {cut}");
            }
            for cut in 0..exceeds.len() {
                let (left, right) = exceeds.split_at(cut);
                assert_eq!(lines(4, &[left, right, b"ok\n"]), [None, whole(b"ok")], "cut {cut}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_reported_once_and_keeps_no_memory() {
        let mut decoder = LineDecoder::new(8192);
        let mut reports = 0;
        for _ in 0..1000 {
            decoder.receive(&[b'x'; 1024]);
            while let Some(line) = decoder.next_line() {
                assert_eq!(line, Line::TooLong);
                reports += 1;
            }
            assert!(decoder.capacity() <= 8192 + 1024, "holds {}", decoder.capacity());
        }
        assert_eq!(reports, 1);
        assert_eq!(decoder.capacity(), 0);
        decoder.receive(b"x\nPING\n");
        assert_eq!(decoder.next_line(), Some(Line::Whole(b"PING")));
    }

    #[test]
    fn a_slow_line_is_scanned_once_and_an_idle_decoder_holds_nothing() {
        let mut decoder = LineDecoder::new(8192);
        for _ in 0..8192 {
            decoder.receive(b"x");
            assert_eq!(decoder.next_line(), None);
            assert_eq!(decoder.scanned, decoder.buffer.len(), "scans only what is new");
        }
        decoder.receive(b"\n");
        assert!(matches!(decoder.next_line(), Some(Line::Whole(line)) if line.len() == 8192));
        assert_eq!(decoder.next_line(), None);
        assert_eq!(decoder.capacity(), 0);
    }

    #[test]
    fn the_bytes_of_a_line_never_show_in_its_debug_output() {
        assert_eq!(format!("{:?}", Line::Whole(b"LOGIN ada secret")), "Whole(16 bytes)");
    }
}
