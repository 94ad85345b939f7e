//! What a user may be called.
//!
//! A name is 1 to `username.length_max` characters out of the ASCII letters and digits and
//! `. _ - @ +`. Nothing else: no space (the text protocol splits on it), no control character or
//! line separator (a name must not be able to forge a line or a log record), and no letters of
//! other scripts, because two names that look the same would then be two accounts. Letting those
//! in takes a profile of RFC 8265, not a longer list here.
//!
//! For the same reason names that differ only in case are one name: `Alice` registers, `alice`
//! logs in, and `ALICE` is taken.

/// The most bytes that a name has under any configuration.
pub(crate) const LENGTH_EVER: usize = 64;

/// A name that follows the rules, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    /// Checks a name that someone wants to register; `None` if it breaks the rules.
    pub(crate) fn parse(bytes: &[u8], length_max: usize) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(byte);
        if bytes.is_empty() || bytes.len() > length_max || !bytes.iter().all(allowed) {
            return None;
        }
        let name = str::from_utf8(bytes).ok()?;
        Some(Self(name.to_owned()))
    }

    /// The key of whatever someone gives as their name when they log in. Wider than
    /// [`parse`](Self::parse), so that accounts survive a change of the rules; `None` only for
    /// what cannot have been a name under any.
    pub(crate) fn key_of(bytes: &[u8]) -> Option<String> {
        let name = str::from_utf8(bytes).ok()?;
        (name.len() <= LENGTH_EVER).then(|| name.to_ascii_lowercase())
    }

    /// The name as it is shown.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique: two names with the same key are the same name.
    pub(crate) fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::Username;

    #[test]
    fn names_of_the_safe_set_are_taken_as_written() {
        for name in ["a", "Alice", "bob_7", "j.doe@example.org", "a+b-c", &"x".repeat(32)] {
            let parsed = Username::parse(name.as_bytes(), 32).expect(name);
            assert_eq!(parsed.as_str(), name);
        }
    }

    #[test]
    fn names_that_could_forge_a_line_or_pass_for_another_are_refused() {
        let refused: [&[u8]; 12] = [
            b"",
            b" ",
            b"two words",
            b"line\nfeed",
            b"line\rfeed",
            b"nul\0",
            b"bell\x07",
            b"\x1b[31mred",
            "line\u{2028}separator".as_bytes(),
            "\u{430}lice".as_bytes(),
            b"\xff\xfe",
            &[b'x'; 33],
        ];
        for name in refused {
            assert_eq!(Username::parse(name, 32), None, "{name:?}");
        }
    }

    #[test]
    fn case_makes_no_second_name() {
        let key = |name: &[u8]| Username::parse(name, 32).unwrap().key();
        assert_eq!(key(b"Alice"), key(b"aLICE"));
        assert_ne!(key(b"alice"), key(b"alicf"));
        assert_eq!(Username::key_of(b"aLICE"), Some(key(b"Alice")));
    }
}
