//! What happened in a run, as those who took part know it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Two users or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Conversation {
    /// Two users, the smaller uid first: see [`pair`](Self::pair).
    Pair(i64, i64),
    /// A group.
    Group(i64),
}

impl Conversation {
    /// The conversation of two users.
    pub fn pair(one: i64, other: i64) -> Self {
        Self::Pair(one.min(other), one.max(other))
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair(one, other) => write!(f, "c2c_{one}_{other}"),
            Self::Group(group) => write!(f, "grp_{group}"),
        }
    }
}

/// What a sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// `+OK`, with this id.
    Acknowledged(i64),
    /// `-ERR` with a reason: it was not sent.
    Refused,
    /// No answer, or one that leaves it open: it was sent once or not at all.
    Unknown,
}

/// A message that somebody sent.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// Their uid.
    pub by: i64,
    /// Within one session the order of sends is kept. A client that repeats what was not answered,
    /// with the same client ids and before anything new, is one session on all its connections.
    pub session: u32,
    /// To whom.
    pub to: Conversation,
    /// Different in every message of a run.
    pub text: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When, since the load began.
    pub at: Duration,
    /// When that was known, if it ever was.
    pub answered_at: Option<Duration>,
}

/// A message that somebody was shown.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// Their uid, with a minus for their device that only listens.
    pub by: i64,
    /// Which of their connections, from 1.
    pub session: u32,
    /// Where.
    pub within: Conversation,
    /// Its id.
    pub id: i64,
    /// What it said.
    pub text: String,
    /// When, since the load began.
    pub at: Duration,
}

/// A connection that ended before its client wanted it to.
#[derive(Clone, Debug, Serialize)]
pub struct Ending {
    /// The uid of who had it.
    pub of: i64,
    /// Which of their connections, from 1.
    pub session: u32,
    /// When, since the load began.
    pub at: Duration,
}

/// A log-in of somebody who was shown everything that was acknowledged, and whose session before this
/// one ended with `LOGOUT`.
#[derive(Clone, Debug, Serialize)]
pub struct Return {
    /// Their uid, with a minus for their device that only listens.
    pub of: i64,
    /// Which of their connections, from 1.
    pub session: u32,
}

/// Something that somebody is or not, and can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// A member of this group.
    Member(i64),
    /// Somebody who has shut out the user with this uid.
    ShutsOut(i64),
}

/// That somebody asked to be so from now on, or not any more. Each of them asks for one at a time.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Change {
    pub by: i64,
    pub to: State,
    pub on: bool,
    /// When, since the load began.
    pub asked: Duration,
    /// When it was answered that it is so; `None` if that is not known.
    pub answered: Option<Duration>,
}

/// A message to somebody who may have shut out its sender, which was answered clearly.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Attempt {
    pub by: i64,
    pub to: i64,
    pub asked: Duration,
    pub answered: Duration,
    pub was_let_in: bool,
}

/// How far somebody has read, as they were told or have said.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Read {
    pub by: i64,
    pub within: Conversation,
    pub seq: i64,
    /// They have said it, and were answered that it is so; if not, they asked.
    pub said: bool,
    pub asked: Duration,
    pub answered: Duration,
}

/// Sends and receipts, those of each session in their order.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Journal {
    pub sent: Vec<Sent>,
    pub receipts: Vec<Receipt>,
    /// Answers to messages that were not `+OK`.
    pub errors: Vec<String>,
    /// Connections that were lost.
    pub endings: Vec<Ending>,
    /// Who came back when everything was said. Who was still shown something again came once more, and
    /// the last time counts.
    pub returns: Vec<Return>,
    /// Those of each user in their order.
    pub changes: Vec<Change>,
    pub attempts: Vec<Attempt>,
    pub reads: Vec<Read>,
}

/// A message as the history has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the fields of a line of history")]
pub struct Entry {
    pub seq: i64,
    pub id: i64,
    pub from: i64,
    pub text: String,
}

/// The history of a conversation, read back at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// Whose.
    pub of: Conversation,
    /// In the order in which they were read.
    pub entries: Vec<Entry>,
    /// Numbers of entries that have no line: joins and leaves.
    pub hidden: BTreeSet<i64>,
    /// Who was there all the time, and so has to be shown everything of the others.
    pub readers: Vec<i64>,
    /// Of who was not there all the time: the numbers with which they came and left, the last one
    /// `i64::MAX` if they stayed.
    pub spans: BTreeMap<i64, Vec<(i64, i64)>>,
}

impl Timeline {
    /// Whether somebody may see an entry.
    pub(crate) fn shows(&self, seq: i64, reader: i64) -> bool {
        let spans = self.spans.get(&reader);
        spans.is_none_or(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&seq)))
    }
}

/// Everything that the invariants are about.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Run {
    pub journal: Journal,
    pub timelines: Vec<Timeline>,
}

impl Run {
    /// Messages that were not acknowledged, though their senders may have tried again: those refused,
    /// and those whose outcome nobody knows.
    pub fn failed(&self) -> Vec<&Sent> {
        let failed = |sent: &&Sent| !matches!(sent.outcome, Outcome::Acknowledged(_));
        self.journal.sent.iter().filter(failed).collect()
    }
}
