//! Files with a secret that is made when it is first needed.
//!
//! Such a file can be read by its owner alone. It is written under another name, synced and then
//! linked to its own, so that a crash leaves either no secret or a whole one. A link, other than a
//! renaming, never replaces a file: of several that start at the same moment one makes the secret and
//! the others take it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Sees to it that there is a file at `path`: with `secret` in it, or what whoever was faster has put
/// there. Its directory is made, too.
///
/// # Errors
/// What the system says.
pub fn make_once(path: &Path, secret: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // A name of its own: another process, or thread, may be writing just now, too.
    let name = format!("{}-{:016x}.tmp", std::process::id(), fastrand::u64(..));
    let unfinished = path.with_extension(name);
    let stored = store(path, &unfinished, secret);
    // After a crash it stays, which does no harm: it is as private as the secret.
    let _ = fs::remove_file(&unfinished);
    stored?;
    File::open(directory)?.sync_all()
}

fn store(path: &Path, unfinished: &Path, secret: &[u8]) -> io::Result<()> {
    // `create_new` makes sure of the mode, which an existing file would keep.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished)?;
    file.write_all(secret)?;
    file.sync_all()?;
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn of_many_that_start_at_once_one_is_first_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets/token");
        let starting: Vec<_> = (0..16)
            .map(|number| {
                let path = path.clone();
                std::thread::spawn(move || {
                    make_once(&path, &[number; 32]).unwrap();
                    fs::read(path).unwrap()
                })
            })
            .collect();
        let mut seen: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
