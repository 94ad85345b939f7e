//! Keys in a directory: `<made_ms>-<key id>.key` each, for their owner alone.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::key::{KeyError, TokenKey, read_key, store_new};

/// More keys than anybody makes; whoever reads them all the time must not read without bound.
const KEYS_MAX: usize = 64;

/// A key, and when it was made.
#[derive(Clone, Debug)]
pub(super) struct Dated {
    pub(super) made_ms: i64,
    pub(super) key: Arc<TokenKey>,
    pub(super) path: PathBuf,
}

/// Those in the directory, the oldest first; none, if there is no directory. Other files are left alone.
///
/// # Errors
/// If one of them is readable by others or damaged, if others can add to them, or if they are too many.
pub(super) fn list(directory: &Path) -> Result<Vec<Dated>, KeyError> {
    let io = |source| KeyError::Io { path: directory.into(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(io)?,
    };
    refuse_exposed(directory)?;
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let Some((made_ms, id)) = parse(&path) else { continue };
        // Another instance may have removed it since.
        let Some(key) = read_key(&path)? else { continue };
        if key.id() != id {
            return Err(KeyError::Damaged { path });
        }
        keys.push(Dated { made_ms, key: Arc::new(key), path });
        if keys.len() > KEYS_MAX {
            return Err(KeyError::TooMany { path: directory.into() });
        }
    }
    keys.sort_by(|one, other| (one.made_ms, one.key.id()).cmp(&(other.made_ms, other.key.id())));
    Ok(keys)
}

/// Makes one, and the directory if there is none.
///
/// # Errors
/// If it cannot be written.
pub(super) fn make(directory: &Path, now_ms: i64) -> Result<PathBuf, KeyError> {
    if directory.exists() {
        refuse_exposed(directory)?;
    }
    store_new(|key| directory.join(format!("{now_ms}-{}.key", key.id())))
}

/// When a file was written; the beginning of time if nobody knows.
pub(super) fn written_ms(path: &Path) -> i64 {
    let modified = fs::metadata(path).and_then(|about| about.modified()).ok();
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn parse(path: &Path) -> Option<(i64, String)> {
    let (made, id) = path.file_name()?.to_str()?.strip_suffix(".key")?.split_once('-')?;
    Some((made.parse().ok()?, id.to_owned()))
}

/// Whoever can write there can sign tokens.
fn refuse_exposed(directory: &Path) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: directory.into(), source };
    let mode = fs::metadata(directory).map_err(io)?.permissions().mode() & 0o777;
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(KeyError::Writable { path: directory.into(), mode }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_again_by_its_date_and_for_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/token.keys");
        assert_eq!(list(&directory).unwrap().len(), 0, "no directory, no keys");
        let paths = [20, 3, 100].map(|made_ms| make(&directory, made_ms).unwrap());
        fs::write(directory.join("README"), "not a key").unwrap();
        fs::write(directory.join("backup.key"), "no date").unwrap();
        let found = list(&directory).unwrap();
        assert_eq!(found.iter().map(|key| key.made_ms).collect::<Vec<_>>(), [3, 20, 100]);
        for path in [&paths[0], &directory] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 5, "nothing else is left there");
    }

    #[test]
    fn a_key_under_another_s_name_and_one_that_others_could_have_put_there_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("token.keys");
        let path = make(&directory, 1).unwrap();
        fs::rename(&path, directory.join("1-0123456789abcdef.key")).unwrap();
        assert!(matches!(list(&directory).unwrap_err(), KeyError::Damaged { .. }));
        fs::remove_dir_all(&directory).unwrap();
        make(&directory, 1).unwrap();
        for mode in [0o770, 0o702] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(list(&directory).unwrap_err(), KeyError::Writable { .. }));
            assert!(matches!(make(&directory, 2).unwrap_err(), KeyError::Writable { .. }));
        }
    }
}
