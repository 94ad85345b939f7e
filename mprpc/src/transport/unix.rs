//! Unix sockets to listen on: who may connect, and whose file it is.
//!
//! Two servers that begin at once must not both take a dead one's file for theirs, nor one take
//! another's that is about to listen. So a file beside it is locked from the look at the socket's
//! until the socket listens.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// How long to wait for another server that is beginning to listen at the same path.
const LOCK_TRIES_MAX: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Removes a socket's file when it is dropped, unless it is another's by now.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: Arc<Path>,
    /// The device and inode of what was bound.
    identity: (u64, u64),
}

/// Listens on `path`. Only this user may connect.
///
/// # Errors
/// Somebody listens there, something stands there that is not a socket, or the directory does not
/// allow it.
pub(super) async fn listen(path: &Arc<Path>) -> io::Result<(tokio::net::UnixListener, SocketFile)> {
    let _locked = Lock::take(path).await?;
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before it listens, whatever the file's permissions are until here.
    let file = SocketFile { path: Arc::clone(path), identity: identity(path)? };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
    Ok((tokio::net::UnixListener::from_std(listener)?, file))
}

/// A file beside a socket's, that is locked. Dropped, it is removed.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    async fn take(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        for _ in 0..LOCK_TRIES_MAX {
            let mut options = File::options();
            let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            let locked = match file.try_lock() {
                // Who had it before may have removed the file meanwhile.
                Ok(()) => identity(&path).is_ok_and(|there| Some(there) == identity_of(&file)),
                Err(TryLockError::WouldBlock) => false,
                // Some file systems have no locks. What is lost is small.
                Err(TryLockError::Error(_)) => true,
            };
            if locked {
                return Ok(Self { path, _file: file });
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        let text = format!("{} stays locked", path.display());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Left behind, it is locked by the next.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the file of a server that is dead.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let text = "something stands there that is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    // Not to wait for a place in the queue of a server that is stopped.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "a server listens there")),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn identity_of(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Left behind, it is taken for what it is by the next who listens there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_in(directory: &tempfile::TempDir) -> Arc<Path> {
        directory.path().join("echo.sock").into()
    }

    #[tokio::test]
    async fn a_socket_is_its_users_alone_and_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let (listener, file) = listen(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_servers_file_is_replaced_and_a_live_ones_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let live = listen(&path).await.unwrap();
        assert_eq!(listen(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(live);
    }

    #[tokio::test(start_paused = true)]
    async fn of_servers_that_begin_at_once_one_listens_and_nothing_else_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let begun = futures_util::future::join_all((0..8).map(|_| listen(&path))).await;
        assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// Anybody may lock a directory that is everybody's.
    #[tokio::test(start_paused = true)]
    async fn a_directory_that_somebody_else_has_locked_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let theirs = File::open(directory.path()).unwrap();
        theirs.lock().unwrap();
        listen(&path_in(&directory)).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        fs::write(&path, "somebody's data").unwrap();
        assert_eq!(listen(&path).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's data");
    }

    #[tokio::test]
    async fn a_file_that_is_anothers_by_now_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let first = listen(&path).await.unwrap();
        fs::rename(&path, directory.path().join("old")).unwrap();
        let second = listen(&path).await.unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
