//! The key that signs tokens: an Ed25519 key pair in the data directory, made at the first start.
//!
//! The file holds the PKCS#8 document and can be read by its owner alone. It is written under
//! another name, synced and then renamed, so that a crash leaves either no key or a whole one:
//! losing the key logs everyone out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::{DecodingKey, EncodingKey};

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
    /// The system's random numbers.
    #[error("making a token key failed")]
    Random,
}

/// The key pair, ready for use.
pub(crate) struct TokenKey {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl TokenKey {
    /// Reads the key from its file, which is made if there is none.
    ///
    /// # Errors
    /// If the file is not usable, or readable by others.
    pub(crate) fn load_or_make(path: &Path) -> Result<Self, KeyError> {
        let document = match OpenOptions::new().read(true).open(path) {
            Ok(file) => read(file, path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
            Err(source) => {
                return Err(KeyError::Io { path: path.into(), source });
            }
        };
        Self::from_pkcs8(&document).ok_or_else(|| KeyError::Damaged { path: path.into() })
    }

    fn from_pkcs8(document: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(document).ok()?;
        let public = pair.public_key().as_ref();
        let fingerprint = digest::digest(&digest::SHA256, public);
        Some(Self {
            id: hex(&fingerprint.as_ref()[..8]),
            signing: EncodingKey::from_ed_der(document),
            verifying: DecodingKey::from_ed_der(public),
        })
    }

    /// The `kid` of its tokens: the beginning of the public key's SHA-256.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn signing(&self) -> &EncodingKey {
        &self.signing
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(file: File, path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io { path: path.into(), source };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.into(), mode });
    }
    let mut document = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut document).map_err(io)?;
    Ok(document)
}

fn make(path: &Path) -> Result<Vec<u8>, KeyError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Random)?;
    let document = pair.to_pkcs8v1().map_err(|_| KeyError::Random)?.as_ref().to_vec();
    store(path, &document).map_err(|source| KeyError::Io { path: path.into(), source })?;
    Ok(document)
}

fn store(path: &Path, document: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    // Left by a crash; `create_new` makes sure of the mode, which an existing file would keep.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(document)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::{KeyError, TokenKey};
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
