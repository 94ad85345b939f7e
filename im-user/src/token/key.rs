//! The key that signs tokens: an Ed25519 key pair in a file, made at the first start.
//!
//! The file holds the PKCS#8 document and can be read by its owner alone. It is written under
//! another name, synced and then linked to its own, so that a crash leaves either no key or a whole
//! one: losing the key logs everyone out. A link, other than a renaming, never replaces a file. So of
//! several instances that start at the same moment one makes the key and the others take it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::hex::hex;

/// A PKCS#8 Ed25519 key is under 100 bytes; whatever is longer is another file.
const FILE_BYTES_MAX: u64 = 1024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file could not be read or written.
    #[error("token key {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// Others on this machine could sign tokens.
    #[error(
        "token key {path} can be read by others (mode {mode:o}): run `chmod 600` on it, or \
             delete it to log everyone out and have a new one made"
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// The file does not hold an Ed25519 key.
    #[error("token key {path} is damaged: delete it to log everyone out and have a new one made")]
    Damaged { path: PathBuf },
    /// Others on this machine could add keys of their own.
    #[error("others can write to {path} (mode {mode:o}): run `chmod 700` on it")]
    Writable { path: PathBuf, mode: u32 },
    /// More than anybody makes.
    #[error("too many keys of tokens in {path}: remove those that are not used any more")]
    TooMany { path: PathBuf },
    /// The system's random numbers.
    #[error("making a token key failed")]
    Random,
}

/// The key pair, ready for use.
pub(crate) struct TokenKey {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    /// Of what is derived from it.
    deriving: hmac::Key,
}

impl TokenKey {
    /// Reads the key from its file, which is made if there is none, and so is its directory.
    ///
    /// # Errors
    /// If the file is not usable, or readable by others.
    pub(crate) fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        if let Some(key) = read_key(path)? {
            return Ok(key);
        }
        store_new(|_| path.to_owned())?;
        // Not what was just made: another instance may have been first.
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        read_key(path)?.ok_or_else(|| KeyError::Io { path: path.into(), source: gone() })
    }

    fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(document).ok()?;
        let public = pair.public_key().as_ref();
        let fingerprint = digest::digest(&digest::SHA256, public);
        Some(Self {
            id: hex(&fingerprint.as_ref()[..8]),
            signing: EncodingKey::from_ed_der(document),
            verifying: DecodingKey::from_ed_der(public),
            deriving: hmac::Key::new(hmac::HMAC_SHA256, document),
        })
    }

    /// The `kid` of its tokens: the beginning of the public key's SHA-256.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    /// A secret of its own for `what`; it says nothing of the key, nor of another one.
    pub(crate) fn derived(&self, what: &str) -> hmac::Tag {
        hmac::sign(&self.deriving, what.as_bytes())
    }

    pub(crate) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_id() -> Result<String, KeyError> {
    let mut bits = [0; 16];
    SystemRandom::new().fill(&mut bits).map_err(|_| KeyError::Random)?;
    Ok(hex(&bits))
}

/// What the file holds; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, KeyError> {
    let io = |source| KeyError::Io { path: path.into(), source };
    let file = match OpenOptions::new().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.into(), mode });
    }
    let mut document = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut document).map_err(io)?;
    Ok(Some(document))
}

/// The key of a file; `None` if there is none.
///
/// # Errors
/// If the file is not usable, or readable by others.
pub(super) fn read_key(path: &Path) -> Result<Option<TokenKey>, KeyError> {
    let Some(document) = read(path)? else { return Ok(None) };
    let key = TokenKey::from_pkcs8(&document);
    key.map(Some).ok_or_else(|| KeyError::Damaged { path: path.into() })
}

/// Makes a key, and sees to it that there is a file of that name: with it, or that of whoever was faster.
///
/// # Errors
/// If it cannot be written.
pub(super) fn store_new(named: impl FnOnce(&TokenKey) -> PathBuf) -> Result<PathBuf, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Random)?;
    let document = pair.to_pkcs8v1().map_err(|_| KeyError::Random)?;
    let key = TokenKey::from_pkcs8(document.as_ref()).ok_or(KeyError::Random)?;
    let path = named(&key);
    // A name of its own: another instance may be writing just now, too.
    let unfinished = path.with_extension(format!("{}.tmp", random_id()?));
    let stored = store(&path, &unfinished, document.as_ref());
    // After a crash it stays, which does no harm: it is as private as the key.
    let _ = fs::remove_file(&unfinished);
    match stored {
        Ok(()) => Ok(path),
        Err(source) => Err(KeyError::Io { path, source }),
    }
}

fn store(path: &Path, unfinished: &Path, document: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // `create_new` makes sure of the mode, which an existing file would keep.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(document)?;
    file.sync_all()?;
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{KeyError, TokenKey};
    use std::collections::HashSet;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let made = TokenKey::load_or_make(&path).unwrap();
        let loaded = TokenKey::load_or_make(&path).unwrap();
        assert_eq!(made.id(), loaded.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn of_many_that_start_at_once_all_have_the_one_key_and_leave_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets/token.key");
        let starting: Vec<_> = (0..16)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || TokenKey::load_or_make(&path).unwrap().id().to_owned())
            })
            .collect();
        let ids: HashSet<String> =
            starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn two_data_directories_have_different_keys() {
        let directory = tempfile::tempdir().unwrap();
        let one = TokenKey::load_or_make(&directory.path().join("one.key")).unwrap();
        let two = TokenKey::load_or_make(&directory.path().join("two.key")).unwrap();
        assert_ne!(one.id(), two.id());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        TokenKey::load_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = TokenKey::load_or_make(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn a_damaged_key_is_an_error_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        TokenKey::load_or_make(&path).unwrap();
        fs::write(&path, b"not a key").unwrap();
        let error = TokenKey::load_or_make(&path).unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"not a key");
    }

    #[test]
    fn the_key_does_not_show_in_debug_output() {
        let directory = tempfile::tempdir().unwrap();
        let key = TokenKey::load_or_make(&directory.path().join("token.key")).unwrap();
        assert_eq!(format!("{key:?}"), format!("TokenKey {{ id: {:?}, .. }}", key.id()));
    }
}
