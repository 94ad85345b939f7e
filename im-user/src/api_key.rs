//! What a bot logs in with: `mpk_<id>_<secret>`, in hexadecimal.
//!
//! The id is that of whatever log-in the key is used for, so that revoking the key ends those as any log-in
//! that ends. Of the secret, 256 random bits, a plain hash is stored: nobody guesses it, and nobody who
//! reads the hash can use it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

use crate::hex::{hex, sha256};
use crate::log_in_id::{self, Standing};
use crate::token::KeyError;

/// What a key begins with, so that nobody takes it for a token, and whoever finds one knows what it is.
const KIND: &str = "mpk_";
const SECRET_BYTES: usize = 32;

/// One that was made, or that somebody shows.
pub(crate) struct ApiKeyText {
    pub(crate) id: String,
    secret: String,
}

impl ApiKeyText {
    /// Another one.
    ///
    /// # Errors
    /// The system's random numbers.
    pub(crate) fn new() -> Result<Self, KeyError> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| KeyError::Random)?;
        Ok(Self { id: log_in_id::new(Standing::Key)?, secret: hex(&secret) })
    }

    /// What looks like one; whether there is such a key is for the store to say.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(KIND)?.split_once('_')?;
        let is_secret = secret.len() == 2 * SECRET_BYTES;
        let is_id = log_in_id::is_one(id) && log_in_id::standing(id) == Standing::Key;
        (is_id && is_secret).then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    pub(crate) fn text(&self) -> String {
        format!("{KIND}{}_{}", self.id, self.secret)
    }

    /// What is stored of the secret.
    pub(crate) fn hash(&self) -> [u8; 32] {
        sha256(&self.secret)
    }

    /// Whether that is stored of this one's.
    pub(crate) fn is_of(&self, hash: &[u8; 32]) -> bool {
        verify_slices_are_equal(&self.hash(), hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_text_and_one_that_was_changed_is_another_or_none() {
        let key = ApiKeyText::new().unwrap();
        let (text, hash) = (key.text(), key.hash());
        assert!(text.starts_with("mpk_2") && text.len() == 101);
        assert!(ApiKeyText::parse(&text).unwrap().is_of(&hash));
        for at in 0..text.len() {
            for digit in ["0", "2", "f", "_", "A"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, digit);
                let other = ApiKeyText::parse(&changed);
                let same = other.is_some_and(|it| it.id == key.id && it.is_of(&hash));
                assert_eq!(same, changed == text, "{changed}");
            }
        }
        for none in ["", "mpk_", "mpk__", &text[..100], &format!("{text}0"), &text.to_uppercase()] {
            assert!(ApiKeyText::parse(none).is_none(), "{none}");
        }
        assert!(!ApiKeyText::new().unwrap().is_of(&hash));
    }
}
