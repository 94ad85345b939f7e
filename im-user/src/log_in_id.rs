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
}

const WRITTEN: u8 = b'1';

/// A new one.
///
/// # Errors
/// The system's random numbers.
pub(crate) fn new(standing: Standing) -> Result<String, KeyError> {
    let mut id = random_id()?;
    let first = match standing {
        Standing::Unwritten => "0",
        Standing::Written => "1",
    };
    id.replace_range(..1, first);
    Ok(id)
}

/// What the log-in with this id stands on.
pub(crate) fn standing(id: &str) -> Standing {
    match id.as_bytes().first() {
        Some(&WRITTEN) => Standing::Written,
        _ => Standing::Unwritten,
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, new, standing};

    #[test]
    fn an_id_says_what_its_log_in_stands_on_and_is_no_other_s() {
        for of in [Standing::Unwritten, Standing::Written] {
            let (one, other) = (new(of).unwrap(), new(of).unwrap());
            assert_eq!((standing(&one), one.len()), (of, 32));
            assert_ne!(one, other);
        }
    }
}
