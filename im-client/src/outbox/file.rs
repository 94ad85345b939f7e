//! An outbox that outlives the program.

use super::Entry;
use im_wire::Peer;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

/// After so many lines that say nothing any more the file is written anew.
const GONE_MAX: usize = 4096;
/// The longest line that is read: a text, each of its bytes escaped.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A file to which is only appended: a line of JSON for each message that is to be sent, and one for
/// each that is settled. A line that was cut off at the end says nothing.
#[derive(Debug)]
pub(crate) struct OutboxFile {
    file: File,
    path: PathBuf,
    /// Lines that say nothing any more.
    gone: usize,
    /// Held as long as this is.
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Gone {
        gone: String,
    },
    Entry {
        uid: i64,
        id: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        group: Option<i64>,
        text: String,
    },
}

impl OutboxFile {
    /// Opens or makes it, and reads what is to be sent. While it is open no other program may have it.
    /// Blocks on the disk.
    ///
    /// # Errors
    ///
    /// Those of the file system; `WouldBlock` when somebody else has it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Entry>)> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // The name of the file changes hands when it is written anew, so the lock has its own.
        let lock = options.open(path.with_added_extension("lock"))?;
        lock.try_lock()?;
        let entries = read(&options.open(path)?)?;
        let file = write_anew(path, &entries)?;
        Ok((Self { file, path: path.to_owned(), gone: 0, _lock: lock }, entries))
    }

    /// Notes messages that are to be sent. When it returns they are on the disk.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn put(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.file.write_all(&lines(entries))?;
        self.file.sync_data()
    }

    /// Notes that a message is settled. A crash may undo it: the message is then sent again, and is the
    /// same message to the server.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(crate) fn settled(&mut self, client_msg_id: &str) -> io::Result<()> {
        self.file.write_all(&line(&Line::Gone { gone: client_msg_id.to_owned() }))?;
        self.gone += 2;
        if self.gone > GONE_MAX {
            let entries = read(&File::open(&self.path)?)?;
            self.file = write_anew(&self.path, &entries)?;
            self.gone = 0;
        }
        Ok(())
    }
}

fn read(file: &File) -> io::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let limit = LINE_BYTES_MAX as u64;
        if io::Read::take(&mut reader, limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(entries);
        }
        let to =
            |to: Option<i64>, group: Option<i64>| to.map(Peer::User).or(group.map(Peer::Group));
        match serde_json::from_slice(&bytes) {
            Ok(Line::Gone { gone }) => entries.retain(|entry| entry.client_msg_id != gone),
            Ok(Line::Entry { uid, id, to: user, group, text }) => {
                if let Some(to) = to(user, group) {
                    entries.push(Entry { uid, client_msg_id: id, to, text });
                }
            }
            Err(_) if !bytes.ends_with(b"\n") => return Ok(entries),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// Replaces the file by one with these entries alone. A crash leaves the one or the other.
fn write_anew(path: &Path, entries: &[Entry]) -> io::Result<File> {
    let new = path.with_added_extension("new");
    let _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(&lines(entries))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // So that the new name is on the disk, too.
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn lines(entries: &[Entry]) -> Vec<u8> {
    let lines = entries.iter().map(|Entry { uid, client_msg_id, to, text }| {
        let (to, group) = match *to {
            Peer::User(to) => (Some(to), None),
            Peer::Group(group) => (None, Some(group)),
        };
        let (id, text) = (client_msg_id.clone(), text.clone());
        line(&Line::Entry { uid: *uid, id, to, group, text })
    });
    lines.flatten().collect()
}

fn line(line: &Line) -> Vec<u8> {
    // Writing to memory does not fail, and no key is anything but a string.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, to: Peer) -> Entry {
        let text = "hi,\n\"you\"".to_owned();
        Entry { uid: 7, client_msg_id: id.to_owned(), to, text }
    }

    #[test]
    fn what_was_put_and_not_settled_is_there_again_in_its_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let (mut file, entries) = OutboxFile::open(&path).expect("opens");
        assert_eq!(entries, []);
        let all =
            [entry("a", Peer::User(8)), entry("b", Peer::Group(4)), entry("c", Peer::User(8))];
        file.put(&all[..2]).expect("writes");
        file.put(&all[2..]).expect("writes");
        file.settled("a").expect("writes");
        let taken = OutboxFile::open(&path).expect_err("it is taken");
        assert_eq!(taken.kind(), io::ErrorKind::WouldBlock);
        drop(file);
        let (_, entries) = OutboxFile::open(&path).expect("opens");
        assert_eq!(entries, all[1..]);
    }

    #[test]
    fn a_line_that_was_cut_off_says_nothing_wherever_the_cut_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let (mut file, _) = OutboxFile::open(&path).expect("opens");
        file.put(&[entry("a", Peer::User(8)), entry("b", Peer::User(8))]).expect("writes");
        drop(file);
        let whole = fs::read(&path).expect("reads");
        let first = whole.iter().position(|byte| *byte == b'\n').expect("two lines");
        for cut in first + 1..whole.len() - 1 {
            fs::write(&path, &whole[..cut]).expect("writes");
            let (mut file, entries) = OutboxFile::open(&path).expect("opens");
            assert_eq!(entries, [entry("a", Peer::User(8))], "cut at {cut}");
            file.put(&[entry("c", Peer::User(8))]).expect("writes");
            drop(file);
            let (_, entries) = OutboxFile::open(&path).expect("opens");
            assert_eq!(entries.len(), 2, "what is put behind a cut is read");
        }
    }

    #[test]
    fn a_file_that_is_used_long_does_not_grow() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outbox");
        let (mut file, _) = OutboxFile::open(&path).expect("opens");
        file.put(&[entry("stays", Peer::User(8))]).expect("writes");
        let mut longest = 0;
        for _ in 0..3 * GONE_MAX {
            file.settled("whatever").expect("writes");
            longest = longest.max(fs::metadata(&path).expect("it is there").len());
        }
        assert!(longest < 256 * 1024, "{longest} bytes");
        drop(file);
        assert_eq!(OutboxFile::open(&path).expect("opens").1.len(), 1);
    }
}
