//! The secret that refreshes a log-in.
//!
//! `mpr_<log-in>_<number><proof>`, all in hexadecimal. The proof is a keyed hash of the rest, so what was
//! made up is told without a look into the store, and ends nothing. The number that follows a secret is a
//! keyed hash of it: whoever shows a secret again because the answer was lost can be given the same one,
//! and neither it nor anything that leads to it has to be kept anywhere. What is stored is a plain hash:
//! of 256 bits that nobody guesses it gives nothing away.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

use crate::hex::{hex, sha256};
use crate::log_in_id;
use crate::token::{KeyError, TokenKey};

/// What a refresh token begins with, so that nobody takes it for another kind.
const KIND: &str = "mpr_";
/// Digits of the number, and of the proof.
const PART_DIGITS: usize = 32;

/// A token that we made.
pub(crate) struct RefreshToken {
    pub(crate) log_in_id: String,
    secret: String,
}

impl RefreshToken {
    pub(crate) fn text(&self) -> String {
        format!("{KIND}{}_{}", self.log_in_id, self.secret)
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        sha256(&self.secret)
    }
}

/// Makes them, and tells them from others.
pub(crate) struct RefreshTokens {
    proving: hmac::Key,
    following: hmac::Key,
}

impl RefreshTokens {
    /// All who have this key make the same ones.
    pub(crate) fn new(key: &TokenKey) -> Self {
        let derived = |what| hmac::Key::new(hmac::HMAC_SHA256, key.derived(what).as_ref());
        Self { proving: derived("refresh proof"), following: derived("refresh next") }
    }

    /// The first of a log-in.
    ///
    /// # Errors
    /// The system's random numbers.
    pub(crate) fn first(&self, log_in_id: &str) -> Result<RefreshToken, KeyError> {
        let mut number = [0; PART_DIGITS / 2];
        SystemRandom::new().fill(&mut number).map_err(|_| KeyError::Random)?;
        Ok(self.of(log_in_id, &hex(&number)))
    }

    /// The one that follows.
    pub(crate) fn next(&self, token: &RefreshToken) -> RefreshToken {
        self.of(&token.log_in_id, &keyed(&self.following, &token.log_in_id, &token.secret))
    }

    /// What somebody shows, if it is one of ours.
    pub(crate) fn parse(&self, text: &str) -> Option<RefreshToken> {
        let (log_in_id, secret) = text.strip_prefix(KIND)?.split_once('_')?;
        if !log_in_id::is_one(log_in_id) {
            return None;
        }
        let token = self.of(log_in_id, secret.get(..PART_DIGITS)?);
        let same = verify_slices_are_equal(token.secret.as_bytes(), secret.as_bytes());
        same.is_ok().then_some(token)
    }

    fn of(&self, log_in_id: &str, number: &str) -> RefreshToken {
        let proof = keyed(&self.proving, log_in_id, number);
        RefreshToken { log_in_id: log_in_id.to_owned(), secret: format!("{number}{proof}") }
    }
}

impl std::fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshTokens").finish_non_exhaustive()
    }
}

/// The first half of a keyed hash. A log-in's id has one length, so where the other begins is certain.
fn keyed(key: &hmac::Key, log_in_id: &str, of: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(log_in_id.as_bytes());
    context.update(of.as_bytes());
    hex(&context.sign().as_ref()[..PART_DIGITS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1123456789abcdef0123456789abcdef";

    fn key(name: &str) -> (TokenKey, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (TokenKey::load_or_make(&directory.path().join(name)).unwrap(), directory)
    }

    #[test]
    fn all_who_have_the_key_know_a_token_and_which_one_follows_it() {
        let (key, _directory) = key("token.key");
        let (here, there) = (RefreshTokens::new(&key), RefreshTokens::new(&key));
        let first = here.first(ID).unwrap();
        assert_ne!(first.text(), here.first(ID).unwrap().text());
        let known = there.parse(&first.text()).unwrap();
        assert_eq!((known.text(), known.hash()), (first.text(), first.hash()));
        let mut all = vec![first.text()];
        for _ in 0..5 {
            let last = here.parse(all.last().unwrap()).unwrap();
            let next = here.next(&last).text();
            assert_eq!(next, there.next(&last).text(), "the same, as often as it is asked for");
            assert!(!all.contains(&next) && there.parse(&next).is_some());
            all.push(next);
        }
    }

    #[test]
    fn what_we_did_not_make_is_none() {
        let (key, _directory) = key("token.key");
        let tokens = RefreshTokens::new(&key);
        let token = tokens.first(ID).unwrap();
        let text = token.text();
        for at in 0..text.len() {
            for digit in ["0", "1", "f", "_", "A", "\u{e9}"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, digit);
                assert_eq!(tokens.parse(&changed).is_some(), changed == text, "{changed}");
            }
        }
        let upper = format!("{KIND}{ID}_{}", token.secret.to_uppercase());
        for other in ["", "mpr_", "mpr__", &text[..text.len() - 1], &format!("{text}0"), &upper] {
            assert!(tokens.parse(other).is_none(), "{other}");
        }
        let elsewhere = super::tests::key("token.key").0;
        assert!(RefreshTokens::new(&elsewhere).parse(&text).is_none(), "another key's");
    }
}
