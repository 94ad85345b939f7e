//! The secret that services share, to know each other by.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use subtle::{Choice, ConstantTimeEq as _};

use crate::reread::{FRESH, Reread};

/// The shortest and the longest secret, in bytes. The former is what 64 random bits take in
/// hexadecimal; the latter fits into a frame.
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 1000;

/// How many secrets a token is at most: an old and a new one.
const SECRETS_MAX: usize = 2;

/// Two secrets, white space and a line that is too long: whatever is longer is another file.
const FILE_BYTES_MAX: u64 = 4096;

/// A secret that services share: clients show it once on each v2 connection
/// ([`ChannelBuilder::token`](crate::ChannelBuilder::token)), servers take the calls of those that
/// did ([`Callers::token`](crate::Callers::token)).
///
/// Its text is one line or two, of 16 to 1,000 visible ASCII characters each; blank ones are skipped.
/// The first is what clients show, servers take both. So one that stands in files is changed without
/// a failed call in three steps, each in all files before the next: the new one as the second line,
/// then as the first, then alone. A file is read again, at most once a second, when a connection is
/// made; connections that are there stay. What cannot be used leaves what was read before in use,
/// and is counted (`mprpc_reread_failures_total`) and logged. Half of a secret may be one, so a new
/// file is renamed into the place of the old one, not written there.
///
/// A secret that leaked is taken off the files, and the servers are restarted: who has shown it
/// keeps its connections until then.
///
/// Clones share what they have read. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(Arc<Reread<Secrets>>);

/// What is shown, and what is taken.
#[derive(PartialEq, Eq)]
pub(crate) struct Secrets(Vec<Bytes>);

/// Why a [`Token`] cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its file cannot be read.
    #[error("the token file {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everybody on this machine could call as those who are to know it.
    #[error("the token file {} can be read by everybody (mode {mode:o}): run `chmod 600` on it", path.display())]
    Exposed {
        /// Which one.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its text is no token.
    #[error("a token is one line or two, each of 16 to 1000 visible ASCII characters")]
    Text,
}

impl Token {
    /// The token that `text` is.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        Ok(Self(Reread::fixed(Secrets::parse(text.as_bytes())?)))
    }

    /// The token in the file at `path`, which is read now and again later. It must not be readable by
    /// everybody.
    ///
    /// # Errors
    /// There is none.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, TokenError> {
        let path = path.into();
        let secrets = read(&path)?;
        let again = move || read(&path).map_err(|error| error.to_string());
        Ok(Self(Reread::new("token", secrets, FRESH, again)))
    }

    /// What it is now.
    pub(crate) async fn secrets(&self) -> Arc<Secrets> {
        self.0.get().await
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

impl Secrets {
    fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        let is_secret = |line: &&[u8]| {
            (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&line.len())
                && line.iter().all(u8::is_ascii_graphic)
        };
        if lines.is_empty() || lines.len() > SECRETS_MAX || !lines.iter().all(is_secret) {
            return Err(TokenError::Text);
        }
        Ok(Self(lines.into_iter().map(Bytes::copy_from_slice).collect()))
    }

    /// None that anybody could show.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// What a client shows.
    pub(crate) fn shown(&self) -> Bytes {
        self.0.first().cloned().unwrap_or_default()
    }

    /// Whether it is one of them. How long that takes depends on the lengths alone.
    pub(crate) fn has(&self, shown: &[u8]) -> bool {
        let equal = |found: Choice, secret: &Bytes| found | secret.ct_eq(shown);
        self.0.iter().fold(Choice::from(0), equal).into()
    }
}

fn read(path: &Path) -> Result<Secrets, TokenError> {
    let failed = |source| TokenError::Io { path: path.to_owned(), source };
    // A pipe would be waited for, perhaps for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
    }
    let file = File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(TokenError::Exposed { path: path.to_owned(), mode });
        }
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(TokenError::Text),
        false => Secrets::parse(&text),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";

    #[test]
    fn a_token_is_one_secret_or_two() {
        for text in [OLD, &format!("\n {OLD}\r\n\n{NEW}\n")] {
            assert!(Token::new(text).is_ok(), "{text:?}");
        }
        let long = "x".repeat(1001);
        let three = format!("{OLD}\n{NEW}\n{OLD}x");
        for text in ["", "\n", "too-short", "0123456789 abcdef", "0123456789abcdéf", &long, &three]
        {
            assert!(matches!(Token::new(text), Err(TokenError::Text)), "{text:?}");
        }
    }

    #[tokio::test]
    async fn the_first_is_shown_and_both_are_taken() {
        let secrets = Token::new(&format!("{NEW}\n{OLD}")).unwrap().secrets().await;
        assert_eq!(secrets.shown(), NEW);
        assert!(secrets.has(NEW.as_bytes()) && secrets.has(OLD.as_bytes()));
        for other in ["", &NEW[1..], &format!("{NEW}0"), "0000000000000000"] {
            assert!(!secrets.has(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn it_does_not_show_itself() {
        let token = Token::new(OLD).unwrap();
        assert!(!format!("{token:?}").contains(OLD));
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_again_and_what_makes_no_sense_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        assert!(matches!(Token::file(&path), Err(TokenError::Io { .. })));
        write(&path, OLD);
        let token = Token::file(&path).unwrap();
        for (text, shown) in [(NEW, NEW), ("", NEW), ("short", NEW), (OLD, OLD)] {
            write(&path, text);
            let before = token.secrets().await;
            tokio::time::advance(FRESH).await;
            assert_eq!(token.secrets().await.shown(), shown, "{text:?}");
            assert!(before.shown() != shown || text.len() < SECRET_BYTES_MIN, "too early");
        }
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(token.secrets().await.shown(), OLD);
    }

    #[test]
    fn what_is_no_file_or_is_too_long_is_no_token() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Token::file(directory.path()), Err(TokenError::Io { .. })));
        let path = directory.path().join("token");
        write(&path, &format!("{OLD}\n{}\n{NEW} garbage", " ".repeat(4096)));
        assert!(matches!(Token::file(&path), Err(TokenError::Text)));
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        write(&path, OLD);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Token::file(&path), Err(TokenError::Exposed { mode: 0o644, .. })));
    }
}
