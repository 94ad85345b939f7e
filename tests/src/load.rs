//! Users who talk while things fail, and write down what they sent and what they were shown.
//!
//! They do what any client does: connect again when a connection ends, log in, go on. Nothing
//! tells them what failed. Afterwards their journal and the history are held against each other.

mod back;
mod talk;
mod wander;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::{Conversation, DEADLINE, Entry, Journal, Outcome, Run, TextClient, Timeline, until};
use talk::Talking;

/// Between two looks at what everybody was shown.
const LOOK: Duration = Duration::from_millis(20);
/// Between two messages, where nothing else is said.
const BEAT: Duration = Duration::from_millis(5);
/// Lines of history in one page.
const PAGE: u32 = 1_000;

/// A registered user who will talk.
#[derive(Clone, Debug)]
pub struct Talker {
    /// Their name.
    pub name: String,
    /// Their number.
    pub uid: i64,
    /// Where they talk and listen.
    pub to: Vec<Conversation>,
    /// Whether they give each message an id, and repeat what was not answered when its connection
    /// ended.
    pub repeats: bool,
    /// Whether they say `ACK` to what they are shown, so that it does not count what their system
    /// has.
    pub acknowledges: bool,
    /// The device on which they only listen. It is shown what the user's others are shown, and what
    /// those send.
    pub listens_on: Option<String>,
    /// What they do instead of talking.
    pub wanders: Option<Wanderer>,
}

/// Somebody who comes to a group and leaves it, reads, and shuts somebody out and lets them in again, who
/// writes to them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "said above")]
pub struct Wanderer {
    pub group: i64,
    pub other: i64,
    pub other_name: String,
}

impl Talker {
    /// Who is shown something: the user, or with a minus their device that only listens.
    pub(crate) fn reader(&self) -> i64 {
        if self.listens_on.is_none() { self.uid } else { -self.uid }
    }

    fn talks(&self) -> bool {
        self.listens_on.is_none() && self.wanders.is_none()
    }

    /// Whether they are shown something again and again.
    fn is_shown_messages(&self) -> bool {
        self.wanders.is_none()
    }
}

/// What talkers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Talk,
    /// Have one last message acknowledged in each conversation.
    Conclude,
    End,
}

/// What all talkers of a load share.
#[derive(Debug)]
struct Shared {
    addresses: Vec<SocketAddr>,
    /// Between two messages of one of them.
    beat: Duration,
    began: Instant,
    journal: Mutex<Journal>,
    /// Talkers who had the last word everywhere.
    concluded: Mutex<HashSet<i64>>,
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("no talker has panicked")
    }

    /// Since the load began.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn concluded(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.concluded.lock().expect("no talker has panicked")
    }
}

/// Who knows what talkers know, also when they are gone.
#[derive(Debug)]
pub(crate) struct Witness(Arc<Shared>);

impl Witness {
    /// What happened so far.
    pub(crate) fn journal(&self) -> Journal {
        let journal = self.0.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.clone()
    }
}

/// Talkers at work. Dropping it ends them.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    talkers: Vec<Talker>,
    /// Each ends with the place of its talker, and a session in which it is shown nothing any more.
    tasks: JoinSet<(usize, TextClient)>,
}

impl Load {
    /// Lets them talk through the text ports at `addresses`. Each begins at the next one, and goes on
    /// to the one after that when a connection cannot be had or ends.
    pub fn start(addresses: Vec<SocketAddr>, talkers: Vec<Talker>) -> Self {
        Self::with_beat(addresses, talkers, BEAT)
    }

    /// The same with another time between two messages of each.
    pub(crate) fn with_beat(
        addresses: Vec<SocketAddr>,
        talkers: Vec<Talker>,
        beat: Duration,
    ) -> Self {
        let (journal, concluded) = Default::default();
        let began = Instant::now();
        let shared = Arc::new(Shared { addresses, beat, began, journal, concluded });
        let (phase, watched) = watch::channel(Phase::Talk);
        let mut tasks = JoinSet::new();
        for (place, talker) in talkers.iter().enumerate() {
            let talking = Talking::new(talker.clone(), place, Arc::clone(&shared), watched.clone());
            tasks.spawn(async move { (place, talking.run().await) });
        }
        Self { shared, phase, talkers, tasks }
    }

    /// When a moment was, since it began.
    pub(crate) fn since_began(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.shared.began)
    }

    /// Somebody who outlives it.
    pub(crate) fn witness(&self) -> Witness {
        Witness(Arc::clone(&self.shared))
    }

    /// Waits until each of them had another message acknowledged and was shown another: so sending
    /// and receiving work now.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    pub async fn flows(&self) {
        let progress = || {
            let journal = self.shared.journal();
            let of = |talker: &Talker| {
                let acknowledged = journal.sent.iter().filter(|sent| sent.by == talker.uid);
                let acknowledged = acknowledged.filter(|sent| is_acknowledged(sent.outcome));
                let reader = talker.reader();
                let shown = journal.receipts.iter().filter(|receipt| receipt.by == reader);
                (acknowledged.count(), shown.count())
            };
            self.talkers.iter().map(of).collect::<Vec<_>>()
        };
        let before = progress();
        until("messages flow again", async || {
            let now = progress();
            let mut of_each = self.talkers.iter().zip(before.iter().zip(&now));
            let flows = of_each.all(|(talker, (old, new))| {
                (!talker.talks() || new.0 > old.0) && (!talker.is_shown_messages() || new.1 > old.1)
            });
            if flows {
                Ok(())
            } else {
                Err(format!("(acknowledged, shown): {before:?} to {now:?}"))
            }
        })
        .await;
    }

    /// Waits until everybody is served again after something was mended at `healed`: each had a message
    /// acknowledged that they sent since, and was shown one that was sent since. How long that took
    /// from then on.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    pub async fn recovered(&self, healed: Instant) -> Duration {
        let healed = healed.saturating_duration_since(self.shared.began);
        let served_at = until("everybody is served again", async || {
            let recovery = Recovery::since(healed, &self.shared.journal());
            let talkers = self.talkers.iter().filter(|talker| talker.is_shown_messages());
            let (served, waiting): (Vec<_>, Vec<_>) =
                talkers.partition(|talker| recovery.of(talker).is_some());
            let served = served.iter().filter_map(|talker| recovery.of(talker)).max();
            match served {
                Some(at) if waiting.is_empty() => Ok(at),
                _ => Err(format!(
                    "not yet {:?}",
                    waiting.iter().map(|t| &t.name).collect::<Vec<_>>()
                )),
            }
        })
        .await;
        served_at.saturating_sub(healed)
    }

    /// Lets them have their last words and ends them when everybody was shown what was acknowledged,
    /// or was not within the deadline, which is then a violation; has them come back, until they are
    /// shown nothing again or came often enough; then reads every conversation back.
    /// `hidden`: how many entries without a line each group begins with.
    ///
    /// # Panics
    /// When the last words take longer than the deadline.
    pub async fn finish(mut self, hidden: i64) -> Run {
        self.phase.send_replace(Phase::Conclude);
        until("everybody had the last word", async || {
            let concluded = self.shared.concluded().clone();
            let talkers = self.talkers.iter().filter(|talker| talker.talks());
            let waiting = talkers.filter(|talker| !concluded.contains(&talker.uid));
            let waiting: Vec<_> = waiting.map(|talker| &talker.name).collect();
            if waiting.is_empty() { Ok(()) } else { Err(format!("not yet {waiting:?}")) }
        })
        .await;
        let everything = async {
            while !shows_everything(&self.shared.journal(), &self.talkers) {
                sleep(LOOK).await;
            }
        };
        // Who was not shown something is found when their journal is held against the history.
        let _ = timeout(DEADLINE, everything).await;
        self.phase.send_replace(Phase::End);
        let mut sessions = BTreeMap::new();
        while let Some(ended) = self.tasks.join_next().await {
            let (place, client) = ended.expect("no talker has panicked");
            sessions.insert(place, client);
        }
        let journal = self.shared.journal().clone();
        Run { journal, timelines: self.read_back(sessions, hidden).await }
    }

    async fn read_back(&self, sessions: BTreeMap<usize, TextClient>, hidden: i64) -> Vec<Timeline> {
        let mut timelines: Vec<Timeline> = Vec::new();
        for (place, mut client) in sessions {
            let talker = &self.talkers[place];
            for of in &talker.to {
                let entries = history(&mut client, talker.uid, *of).await;
                match timelines.iter_mut().find(|timeline| timeline.of == *of) {
                    Some(known) => {
                        assert_eq!(known.entries, entries, "O: {of} is not the same for everybody");
                        known.readers.push(talker.reader());
                    }
                    None => timelines.push(Timeline {
                        of: *of,
                        entries,
                        hidden: match of {
                            Conversation::Group(_) => (1..=hidden).collect(),
                            Conversation::Pair(..) => [].into(),
                        },
                        readers: vec![talker.reader()],
                        spans: BTreeMap::new(),
                    }),
                }
            }
        }
        timelines
    }
}

/// Who is served since something was mended.
struct Recovery {
    /// When each first had a message acknowledged that they sent since.
    acknowledged: HashMap<i64, Duration>,
    /// When each was first shown a message that was sent since.
    shown: HashMap<i64, Duration>,
}

impl Recovery {
    fn since(healed: Duration, journal: &Journal) -> Self {
        let mut recovery = Self { acknowledged: HashMap::new(), shown: HashMap::new() };
        // Both lists are in the order of their times, so that only their ends are looked at.
        let new = journal.sent.partition_point(|sent| sent.at < healed);
        let sent_since = &journal.sent[new..];
        for sent in sent_since.iter().filter(|sent| is_acknowledged(sent.outcome)) {
            let at = sent.answered_at.unwrap_or(sent.at);
            let first = recovery.acknowledged.entry(sent.by).or_insert(at);
            *first = at.min(*first);
        }
        let texts: HashSet<&str> = sent_since.iter().map(|sent| sent.text.as_str()).collect();
        let new = journal.receipts.partition_point(|receipt| receipt.at < healed);
        for receipt in &journal.receipts[new..] {
            if texts.contains(receipt.text.as_str()) {
                recovery.shown.entry(receipt.by).or_insert(receipt.at);
            }
        }
        recovery
    }

    /// When this talker was served again, if they are.
    fn of(&self, talker: &Talker) -> Option<Duration> {
        let shown = *self.shown.get(&talker.reader())?;
        match talker.talks() {
            true => Some(shown.max(*self.acknowledged.get(&talker.uid)?)),
            false => Some(shown),
        }
    }
}

fn is_acknowledged(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Acknowledged(_))
}

/// Whether everybody was shown every acknowledged message of others.
fn shows_everything(journal: &Journal, talkers: &[Talker]) -> bool {
    let shown: HashSet<(i64, i64)> =
        journal.receipts.iter().map(|receipt| (receipt.by, receipt.id)).collect();
    journal.sent.iter().all(|sent| {
        let Outcome::Acknowledged(id) = sent.outcome else {
            return true;
        };
        let readers = talkers.iter().filter(|talker| talker.to.contains(&sent.to));
        let mut others = readers.map(Talker::reader).filter(|reader| *reader != sent.by);
        others.all(|reader| shown.contains(&(reader, id)))
    })
}

/// The whole history of a conversation, as `uid` reads it.
async fn history(client: &mut TextClient, uid: i64, of: Conversation) -> Vec<Entry> {
    let peer = match of {
        Conversation::Group(group) => format!("g{group}"),
        Conversation::Pair(one, other) => (if one == uid { other } else { one }).to_string(),
    };
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let page = client.history(&peer, after, PAGE).await;
        if page.is_empty() {
            return entries;
        }
        let entry = |line: crate::History| Entry {
            seq: line.seq,
            id: line.id,
            from: line.from,
            text: line.text,
        };
        entries.extend(page.into_iter().map(entry));
    }
}
