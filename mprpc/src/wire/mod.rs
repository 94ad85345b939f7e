//! The two wires as bytes in, events out: no sockets, no clocks.
//!
//! `PROTOCOL.md` beside this crate's manifest is their specification.

pub(crate) mod classic;
#[cfg(test)]
mod golden_tests;
pub(crate) mod v2;

/// What the first bytes of a connection tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Classic,
    V2,
}

/// Which wire a connection that begins with `bytes` speaks; `None` while they are too few to tell.
///
/// A classic connection begins with a little-endian header length. The v2 preface, read as one, is
/// far above any legal length, so the first four bytes decide, and often the first one does.
pub(crate) fn detect(bytes: &[u8]) -> Option<Wire> {
    let known = bytes.len().min(v2::PREFACE.len());
    if bytes[..known] != v2::PREFACE[..known] {
        return Some(Wire::Classic);
    }
    (known == v2::PREFACE.len()).then_some(Wire::V2)
}

#[cfg(test)]
mod tests {
    use super::{Wire, detect};

    #[test]
    fn the_first_bytes_tell_the_wires_apart() {
        assert_eq!(detect(b""), None);
        assert_eq!(detect(b"MPR"), None);
        assert_eq!(detect(b"MPR2"), Some(Wire::V2));
        assert_eq!(detect(b"MPR2 and more"), Some(Wire::V2));
        assert_eq!(detect(&18_u32.to_le_bytes()), Some(Wire::Classic));
        // A classic header of 77 ('M') bytes is told at its second byte.
        assert_eq!(detect(&77_u32.to_le_bytes()[..1]), None);
        assert_eq!(detect(&77_u32.to_le_bytes()[..2]), Some(Wire::Classic));
    }
}
