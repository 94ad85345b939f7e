//! The ids of log-ins: 128 bits in hexadecimal, all but the first four random.
//!
//! The first digit says what the store has to know of a log-in while it is good, so that neither a
//! token nor a session has to carry more than the id. Whoever makes one up gets nowhere: an id is taken
//! from what we signed, or from a gateway.

use crate::token::{KeyError, random_id};

/// What a log-in stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its token alone, and that nobody has revoked it: a log-in that does not refresh writes nothing.
    Unwritten,
    /// A row, which goes when it ends.
    Written,
    /// An API key, for as long as there is one: it is the key's id.
    Key,
}

const WRITTEN: u8 = b'1';
const KEY: u8 = b'2';
const DIGITS: usize = 32;

/// A new one.
///
/// # Errors
/// The system's random numbers.
pub(crate) fn new(standing: Standing) -> Result<String, KeyError> {
    let mut id = random_id()?;
    let first = match standing {
        Standing::Unwritten => "0",
        Standing::Written => "1",
        Standing::Key => "2",
    };
    id.replace_range(..1, first);
    Ok(id)
}

/// Whether it is one, ours or not: 32 hexadecimal digits.
pub(crate) fn is_one(id: &str) -> bool {
    let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    id.len() == DIGITS && id.as_bytes().iter().all(is_digit)
}

/// What the log-in with this id stands on.
pub(crate) fn standing(id: &str) -> Standing {
    match id.as_bytes().first() {
        Some(&WRITTEN) => Standing::Written,
        Some(&KEY) => Standing::Key,
        _ => Standing::Unwritten,
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, is_one, new, standing};

    #[test]
    fn an_id_says_what_its_log_in_stands_on_and_is_no_other_s() {
        for of in [Standing::Unwritten, Standing::Written, Standing::Key] {
            let (one, other) = (new(of).unwrap(), new(of).unwrap());
            assert!(standing(&one) == of && is_one(&one));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_is_no_id_is_told_from_one() {
        let one = "0123456789abcdef".repeat(2);
        assert!(is_one(&one));
        for no_id in
            ["", &one[1..], &format!("{one}0"), &one.to_uppercase(), &one.replace('0', "é")]
        {
            assert!(!is_one(no_id), "{no_id}");
        }
    }
}
