//! Untrusted text, made harmless for a line and for a terminal.

use std::fmt;

/// Shows a text with every character that could end, hide or reorder a line as `\xNN`, one for
/// each byte of its UTF-8.
///
/// Those are the control characters (C0 with CR, LF, TAB and ESC; DEL; C1), the line and paragraph
/// separators U+2028 and U+2029, and the bidirectional embeddings, overrides and isolates
/// (U+202A-202E, U+2066-2069), which can make what follows them look like another field. The
/// directional *marks* stay: right-to-left text needs them, and they move nothing but neighbouring
/// punctuation. So do joiners, which emoji are made of.
///
/// This is for display only and is not undone: a backslash stays a backslash, so a person can write
/// `\x0A` and it looks the same.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0)
    }
}

/// Writes `text` to `out`, escaped.
pub(crate) fn write_escaped(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    if is_plain(text) {
        return out.write_str(text);
    }
    let mut harmless = 0;
    for (at, character) in text.char_indices() {
        if !must_escape(character) {
            continue;
        }
        out.write_str(&text[harmless..at])?;
        harmless = at + character.len_utf8();
        for byte in &text.as_bytes()[at..harmless] {
            write!(out, "\\x{byte:02X}")?;
        }
    }
    out.write_str(&text[harmless..])
}

/// Whether a glance at the bytes is enough: no C0, no DEL, and none of the two lead bytes under
/// which all the others are.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 && byte != 0x7F && byte != 0xC2 && byte != 0xE2)
}

fn must_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_is_shown_as_its_bytes() {
        for (text, shown) in [
            ("plain", "plain"),
            ("\r\nMSG id=1", r"\x0D\x0AMSG id=1"),
            ("tab\tnul\0bel\x07", r"tab\x09nul\x00bel\x07"),
            ("\x1B[2Jcleared", r"\x1B[2Jcleared"),
            ("del\x7F", r"del\x7F"),
            ("next\u{85}line", r"next\xC2\x85line"),
            ("a\u{2028}b\u{2029}c", r"a\xE2\x80\xA8b\xE2\x80\xA9c"),
            ("\u{202E}desrever", r"\xE2\x80\xAEdesrever"),
            ("\u{2066}isolate\u{2069}", r"\xE2\x81\xA6isolate\xE2\x81\xA9"),
            (r"a backslash \x0A stays", r"a backslash \x0A stays"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown, "{text:?}");
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in
            ["", "你好，世界", "naïve café £5", "👩‍👩‍👧 family", "שלום\u{200F}!", "“quotes” – €"]
        {
            assert_eq!(Escaped(text).to_string(), text);
        }
    }

    #[test]
    fn the_quick_check_misses_no_character_that_must_be_escaped() {
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            if must_escape(character) {
                assert!(!is_plain(character.encode_utf8(&mut [0; 4])), "{character:?}");
            }
        }
    }
}
