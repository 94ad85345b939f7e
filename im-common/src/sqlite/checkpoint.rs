//! Moving what was committed from the WAL to the database file, mostly beside the writer.
//!
//! A checkpoint takes tens of milliseconds, for which nobody's commit should wait. So a thread with a
//! connection of its own moves the bulk while the writer goes on, and the writer the little that it
//! added meanwhile: only where nothing is left to move does SQLite begin the WAL anew.

use std::ffi::CStr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags};

/// Pages of 4 KiB in the WAL at which the thread begins. SQLite's 1,000 is a single large batch, and
/// pages that many batches touch are moved once instead of many times.
const PAGES: i32 = 8_000;
/// Pages that are not moved at which the writer waits for the thread: what bounds the WAL where the disk
/// is slow.
const PAGES_MAX: i32 = 4 * PAGES;
/// Bytes that the file of the WAL keeps when it begins anew.
pub(super) const KEPT_BYTES: i64 = 4_096 * PAGES_MAX as i64;

/// The database file, of those that a connection could have.
const MAIN: Option<&CStr> = Some(c"main");

/// The thread's connection to the file at `path`, which the writer has opened.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // The WAL begins anew only where what was moved from it is on the disk.
    super::flush_commits(&connection)?;
    Ok(connection)
}

/// The writer's side. Dropping it ends the thread and waits for it.
pub(super) struct Checkpoints {
    ask: Option<SyncSender<()>>,
    done: Receiver<()>,
    /// The thread is at work.
    asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the file at `path`, which the writer has opened.
    pub(super) fn start(path: &Path) -> std::io::Result<Self> {
        let connection = open(path).map_err(std::io::Error::other)?;
        let (ask, asked) = sync_channel(1);
        let (did, done) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("checkpoint-{}", super::name(path)))
            .spawn(move || run(&connection, &asked, &did))?;
        Ok(Self { ask: Some(ask), done, asked: false, thread: Some(thread) })
    }

    /// To be called when a commit was answered.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let (pages, unmoved) = match writer.wal_checkpoint_v2(MAIN, CheckpointMode::NOOP) {
            Ok((pages, moved)) => (pages, pages - moved.max(0)),
            // Whatever is wrong, the next commit says so to somebody who can be told.
            Err(_) => return,
        };
        if self.asked {
            if self.is_done(unmoved) {
                self.asked = false;
                checkpoint(writer);
            }
        } else if unmoved >= PAGES {
            self.asked = self.ask.as_ref().is_some_and(|ask| ask.send(()).is_ok());
            if !self.asked {
                checkpoint(writer);
            }
        } else if pages >= 2 * PAGES {
            // A reader of what was before has kept the WAL from beginning anew.
            checkpoint(writer);
        }
    }

    fn is_done(&self, unmoved: i32) -> bool {
        match self.done.try_recv() {
            Err(TryRecvError::Empty) if unmoved < PAGES_MAX => false,
            Err(TryRecvError::Empty) => {
                let _ = self.done.recv();
                true
            }
            // A thread that is gone leaves everything to the writer.
            Ok(()) | Err(TryRecvError::Disconnected) => true,
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.ask.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the database's checkpoint thread panicked");
        }
    }
}

fn run(connection: &Connection, asked: &Receiver<()>, did: &SyncSender<()>) {
    while asked.recv().is_ok() {
        checkpoint(connection);
        if did.send(()).is_err() {
            return;
        }
    }
}

/// Moves what can be moved without waiting for anybody.
fn checkpoint(connection: &Connection) {
    let moved = connection.wal_checkpoint_v2(MAIN, CheckpointMode::PASSIVE);
    if let Err(error) = moved {
        // Nothing is lost: it stays in the WAL, and the next one tries again.
        tracing::warn!(%error, "the database's WAL could not be moved");
    }
}
