//! What a text says about itself, so that nobody has to remember it: whose it is, which of theirs,
//! and when it was sent or due.

use std::time::Duration;

/// Bytes of each text; it is padded with dots.
pub(super) const TEXT_BYTES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which of the senders.
    pub(super) flow: usize,
    /// Their messages count from 0.
    pub(super) number: u64,
    /// After the beginning of the run.
    pub(super) at: Duration,
}

impl Stamp {
    pub(super) fn text(self) -> String {
        let Self { flow, number, at } = self;
        format!("{:.<TEXT_BYTES$}", format!("{flow} {number} {} ", at.as_nanos()))
    }

    /// `None` for a text that nobody here has sent.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let flow = words.next()?.parse().ok()?;
        let number = words.next()?.parse().ok()?;
        Some(Self { flow, number, at: Duration::from_nanos(words.next()?.parse().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_has_the_length_that_is_reported() {
        let stamp = Stamp { flow: 7, number: 42, at: Duration::from_nanos(123_456_789_012) };
        assert_eq!(stamp.text().len(), TEXT_BYTES);
        assert_eq!(Stamp::read(&stamp.text()), Some(stamp));
        assert_eq!(Stamp::read("hello"), None);
    }
}
