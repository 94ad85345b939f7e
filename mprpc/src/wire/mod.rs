//! The two wires as bytes in, events out: no sockets, no clocks.
//!
//! `PROTOCOL.md` beside this crate's manifest is their specification.

pub(crate) mod classic;
#[cfg(test)]
mod golden_tests;
pub(crate) mod v2;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Classic,
    V2,
}

/// What the first bytes of a connection tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Wire(Wire),
    /// A handshake of TLS.
    Tls,
}

/// What a connection speaks that begins with `bytes`; `None` while they are too few to tell.
///
/// A classic connection begins with a little-endian header length. What the others begin with, read as
/// one, is far above any legal length: the v2 preface, of which often the first byte decides, and the
/// head of a record of TLS (22 for a handshake, and a version), which is 66,326 at the least.
pub(crate) fn detect(bytes: &[u8]) -> Option<Begun> {
    match bytes {
        [] | [0x16] | [0x16, 3] => return None,
        [0x16, 3, 1..=4, ..] => return Some(Begun::Tls),
        _ => {}
    }
    let known = bytes.len().min(v2::PREFACE.len());
    if bytes[..known] != v2::PREFACE[..known] {
        return Some(Begun::Wire(Wire::Classic));
    }
    (known == v2::PREFACE.len()).then_some(Begun::Wire(Wire::V2))
}

#[cfg(test)]
mod tests {
    use super::{Begun, Wire, detect};

    const CLASSIC: Option<Begun> = Some(Begun::Wire(Wire::Classic));
    const V2: Option<Begun> = Some(Begun::Wire(Wire::V2));

    #[test]
    fn the_first_bytes_tell_the_wires_apart() {
        assert_eq!(detect(b""), None);
        assert_eq!(detect(b"MPR"), None);
        assert_eq!(detect(b"MPR2"), V2);
        assert_eq!(detect(b"MPR2 and more"), V2);
        assert_eq!(detect(&18_u32.to_le_bytes()), CLASSIC);
        // A classic header of 77 ('M') bytes is told at its second byte.
        assert_eq!(detect(&77_u32.to_le_bytes()[..1]), None);
        assert_eq!(detect(&77_u32.to_le_bytes()[..2]), CLASSIC);
    }

    #[test]
    fn tls_is_told_from_classic_headers_that_begin_alike() {
        for version in 1..=4 {
            assert_eq!(detect(&[0x16, 3, version]), Some(Begun::Tls));
        }
        assert_eq!(detect(&[0x16]), None);
        assert_eq!(detect(&[0x16, 3]), None);
        // Headers of 22 and of 790 bytes.
        assert_eq!(detect(&22_u32.to_le_bytes()), CLASSIC);
        assert_eq!(detect(&790_u32.to_le_bytes()[..3]), CLASSIC);
    }
}
