//! Known bugs, to see that they are found: a checker that stays green with them shows nothing.
//!
//! No service is built with them, so that none can ship. What a bug does to who relies on the server
//! is done from outside: between clients and a gateway, line by line, to the file of a store, or to that
//! of a process that has been killed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::{DEADLINE, Push, free_address};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// What was acknowledged last was not on the disk when the process died.
    AcknowledgedBeforeCommit,
    /// An id is looked up before the conversation is locked: a repeat that comes before the first was
    /// answered is not recognised.
    CheckedBeforeLock,
    /// Ids of clients are not looked at.
    NoDeduplication,
    /// Pushes are written as they come, now and then the later one first.
    PushedWithoutOrder,
    /// A position moves to one's own message when that is acknowledged: what others said before it,
    /// and was not shown yet, never is.
    CursorMovedBySend,
    /// Cursors are taken and not written: who comes back is shown everything again.
    CursorsNotWritten,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AcknowledgedBeforeCommit,
        Self::CheckedBeforeLock,
        Self::NoDeduplication,
        Self::PushedWithoutOrder,
        Self::CursorMovedBySend,
        Self::CursorsNotWritten,
    ];
}

/// Every so many pushes, two change places.
const SWAPPED: u32 = 20;
/// Frames of a journal that did not reach the disk: some commits.
const LOST_FRAMES: usize = 40;
/// Bytes of the head of SQLite's journal.
const JOURNAL_HEAD: usize = 32;
/// Bytes of the head of each page in it.
const FRAME_HEAD: usize = 24;

impl Bug {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcknowledgedBeforeCommit => "acknowledged-before-commit",
            Self::CheckedBeforeLock => "checked-before-lock",
            Self::NoDeduplication => "no-deduplication",
            Self::PushedWithoutOrder => "pushed-without-order",
            Self::CursorMovedBySend => "cursor-moved-by-send",
            Self::CursorsNotWritten => "cursors-not-written",
        }
    }

    /// The bug of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }
}

/// The last commits in each of SQLite's journals in a directory were never written.
///
/// # Errors
/// The file system fails.
pub(super) fn forget_last_commits(directory: &Path) -> io::Result<()> {
    for file in std::fs::read_dir(directory)?.flatten() {
        let path = file.path();
        if path.to_string_lossy().ends_with("-wal") {
            let journal = std::fs::read(&path)?;
            File::options().write(true).open(path)?.set_len(kept_of(&journal) as u64)?;
        }
    }
    Ok(())
}

/// Nothing moves a cursor in im-message's file any more, and who tries is told that it was moved.
const CURSORS_STAY: &str = "
    CREATE TRIGGER no_cursor_moves BEFORE UPDATE OF seq ON cursor
    BEGIN SELECT RAISE(IGNORE); END;
    CREATE TRIGGER no_cursor_begins BEFORE INSERT ON cursor WHEN NEW.seq > NEW.opened_seq
    BEGIN SELECT RAISE(IGNORE); END;";

/// Cursors in a file of im-message stay where they are.
///
/// # Errors
/// The file is not what im-message has.
pub(super) fn keep_cursors(directory: &Path) -> rusqlite::Result<()> {
    let database = rusqlite::Connection::open(directory.join("message.db"))?;
    database.busy_timeout(DEADLINE)?;
    database.execute_batch(CURSORS_STAY)
}

/// How much is left of a journal. Frames of its present turn have the salt of its head; behind them
/// stands what is left of former turns.
fn kept_of(journal: &[u8]) -> usize {
    let Some(page) = journal.get(8..12) else { return journal.len() };
    let page = page.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let salt = journal.get(16..24);
    let frames = journal.get(JOURNAL_HEAD..).unwrap_or_default().chunks(FRAME_HEAD + page);
    let live = frames.take_while(|frame| frame.get(8..16) == salt).count();
    JOURNAL_HEAD + live.saturating_sub(LOST_FRAMES) * (FRAME_HEAD + page)
}

/// A gateway with a bug, as its clients see it. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct BadGateway {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl BadGateway {
    /// In front of a good one.
    pub(super) async fn before(gateway: SocketAddr, bug: Bug) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).await.expect("nobody else has the address");
        let accepting = tokio::spawn(async move {
            let (mut connections, ids) = (JoinSet::new(), Ids::default());
            while let Ok((client, _)) = listener.accept().await {
                let between = Between::new(bug, Arc::clone(&ids));
                connections.spawn(pass(client, gateway, between));
            }
        });
        Self { address, accepting }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for BadGateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, gateway: SocketAddr, mut between: Between) -> io::Result<()> {
    let mut server = TcpStream::connect(gateway).await?;
    let ((from_client, mut to_client), (from_server, mut to_server)) =
        (client.split(), server.split());
    let mut requests = BufReader::new(from_client).lines();
    let mut answers = BufReader::new(from_server).lines();
    loop {
        tokio::select! {
            request = requests.next_line() => match request? {
                Some(request) => {
                    let request = between.asked(&request) + "\n";
                    to_server.write_all(request.as_bytes()).await?;
                }
                None => return Ok(()),
            },
            answer = answers.next_line() => match answer? {
                Some(answer) => {
                    for line in between.answered(answer) {
                        to_client.write_all((line + "\n").as_bytes()).await?;
                    }
                }
                None => return Ok(()),
            },
        }
    }
}

/// Ids of clients by what became of them.
type Ids = Arc<Mutex<IdsSeen>>;

#[derive(Debug, Default)]
struct IdsSeen {
    asked: HashSet<String>,
    answered: HashSet<String>,
}

/// A message that was sent and not answered.
#[derive(Default)]
struct Asked {
    /// To whom, with the word before it.
    to: String,
    id: Option<String>,
}

/// What stands between a client and its gateway. Pure: lines in, lines out.
struct Between {
    bug: Bug,
    ids: Ids,
    asked: VecDeque<Asked>,
    /// Pushes so far.
    pushes: u32,
    /// The one that waits until the next was written.
    held: Option<String>,
    /// The last message of this client in each conversation.
    own: HashMap<String, i64>,
}

impl Between {
    fn new(bug: Bug, ids: Ids) -> Self {
        let (asked, own) = Default::default();
        Self { bug, ids, asked, pushes: 0, held: None, own }
    }

    /// What the gateway gets in the place of a line.
    fn asked(&mut self, line: &str) -> String {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let (asked, line) = match words[..] {
            [command @ ("SEND" | "SENDGROUP"), to, ..] => {
                (Asked { to: format!("{command} {to}"), id: None }, line.to_owned())
            }
            [command @ ("SENDID" | "SENDGROUPID"), id, to, text] => {
                let sends = command.trim_end_matches("ID");
                let asked = Asked { to: format!("{sends} {to}"), id: Some(id.to_owned()) };
                (asked, format!("{command} {} {to} {text}", self.id(id)))
            }
            _ => (Asked::default(), line.to_owned()),
        };
        self.asked.push_back(asked);
        line
    }

    /// The id that the gateway gets.
    fn id(&self, id: &str) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let repeated = !ids.asked.insert(id.to_owned());
        let overlooked = match self.bug {
            Bug::NoDeduplication => repeated,
            Bug::CheckedBeforeLock => repeated && !ids.answered.contains(id),
            _ => false,
        };
        if overlooked { format!("{:032x}", fastrand::u128(..)) } else { id.to_owned() }
    }

    /// What the client gets for a line.
    fn answered(&mut self, line: String) -> Vec<String> {
        match Push::parse(&line) {
            Some(push) => self.pushed(&push, line),
            None => {
                self.replied(&line);
                vec![line]
            }
        }
    }

    fn replied(&mut self, line: &str) {
        // The welcome answers nothing.
        let Some(asked) = self.asked.pop_front() else { return };
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.answered.extend(asked.id);
        drop(ids);
        let id = line.strip_prefix("+OK msg_id=").or(line.strip_prefix("+OK group_msg_id="));
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            self.own.insert(asked.to, id);
        }
    }

    fn pushed(&mut self, push: &Push, line: String) -> Vec<String> {
        let from = match push.group {
            Some(group) => format!("SENDGROUP {group}"),
            None => format!("SEND {}", push.from),
        };
        self.pushes += 1;
        match self.bug {
            Bug::CursorMovedBySend if self.own.get(&from).is_some_and(|own| *own > push.id) => {
                Vec::new()
            }
            Bug::PushedWithoutOrder
                if self.pushes.is_multiple_of(SWAPPED) && self.held.is_none() =>
            {
                self.held = Some(line);
                Vec::new()
            }
            _ => [line].into_iter().chain(self.held.take()).collect(),
        }
    }
}
