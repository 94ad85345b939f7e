//! The services behind the gateway: just enough of each, in memory, with everything that is asked
//! noted, and faults on demand.

mod groups;
mod messages;
pub(crate) mod original;
mod routes;
mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use mpim_proto::{
    BindRouteReq, Entry, EntryKind, Position, Priority, SendOutcome, SignalReq, Span,
};
use mprpc::Status;
use tokio::sync::Semaphore;

pub(crate) use users::KEY_ID;

/// What was asked, in short, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Login(String),
    Revoke(String),
    /// By a session of a log-in that is known.
    RevokeLogIn(String),
    /// By one, with all others of its user.
    RevokeAll(String),
    Bind {
        user_id: i64,
        session_id: String,
    },
    Unbind {
        user_id: i64,
        session_id: String,
    },
    Behind(i64),
    List {
        user_id: i64,
    },
    Fetch {
        conv_id: String,
        after_seq: i64,
        users: Vec<i64>,
    },
    Send {
        from: i64,
        texts: Vec<String>,
        ids: Vec<String>,
        priority: Priority,
        receipts: bool,
        repeatable: bool,
    },
    Signal(SignalReq),
    StatusChanged(i64),
    PutOut(String),
    /// Of so many devices at once; each is also noted alone.
    AdvanceMany(usize),
    Advance {
        user_id: i64,
        moves: Vec<(String, i64)>,
    },
}

/// What an operation does instead of its work.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Fails with this, so many times.
    Fails(usize, Status),
    /// Waits for a permit of this, each time.
    Waits(Arc<Semaphore>),
    /// Does its work, and then the answer is lost, so many times.
    Mute(usize, Status),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) asked: Vec<Asked>,
    pub(crate) faults: HashMap<&'static str, Fault>,
    /// Operations that came to wait for a permit, whatever became of them.
    pub(crate) waited: Vec<&'static str>,
    /// By user id: name and password.
    users: Vec<(String, String)>,
    friends: BTreeSet<(i64, i64)>,
    blocks: BTreeSet<(i64, i64)>,
    /// That of the devices that log in; 0 is 1.
    pub(crate) generation: i64,
    /// Which log-in everybody has, if any is told, and those that ended.
    pub(crate) log_in_id: String,
    pub(crate) ended: BTreeSet<String>,
    /// Tokens that are good for nothing.
    pub(crate) worthless: BTreeSet<String>,
    /// What im-user says of everybody who logs in, instead of what is right.
    pub(crate) verdict: Option<mpim_proto::Result>,
    /// After how long they may try again, it says then.
    pub(crate) wait_ms: i64,
    /// From where somebody has shown a password, each time.
    pub(crate) came_from: Vec<String>,
    /// Longer texts are refused; 0: none is.
    pub(crate) text_bytes_max: usize,
    /// What is wrong with the time of the others, if anything.
    pub(crate) token_time: Option<&'static str>,
    groups: BTreeMap<i64, BTreeSet<i64>>,
    pub(crate) timelines: BTreeMap<String, Vec<Entry>>,
    /// By conversation: the last seq that is no longer kept.
    pub(crate) gone: HashMap<String, i64>,
    sent: HashMap<(String, i64, String), i64>,
    /// By user and conversation; of another device than `text`, its name stands before the
    /// conversation's.
    pub(crate) cursors: HashMap<(i64, String), i64>,
    /// What users see in fetches for many; all of it where nothing is said.
    pub(crate) spans: HashMap<(i64, String), Vec<Span>>,
    /// That are bound, by user and device.
    pub(crate) routes: HashMap<(i64, String), BindRouteReq>,
    pub(crate) presence_boot_id: String,
    /// As it says whenever it binds a route.
    pub(crate) gateway_boot_id: String,
    pub(crate) last_push: u64,
    pub(crate) renewals: usize,
    last_since_ms: i64,
    /// Where im-presence would have users connect.
    pub(crate) picked: Option<String>,
    /// They are the original's services.
    pub(crate) original: Option<original::Original>,
}

/// All four services. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fakes(Arc<Mutex<State>>);

fn ok() -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::ok())
}

fn invalid(msg: &str) -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::invalid(msg))
}

pub(crate) fn cursor_key(user_id: i64, device: &str, conv_id: &str) -> (i64, String) {
    match device {
        "text" => (user_id, conv_id.to_owned()),
        device => (user_id, format!("{device} {conv_id}")),
    }
}

impl State {
    pub(crate) fn append(
        &mut self,
        conv_id: &str,
        from: i64,
        kind: EntryKind,
        text: &str,
    ) -> Entry {
        let msg_id = 1 + self.timelines.values().map(Vec::len).sum::<usize>() as i64;
        let timeline = self.timelines.entry(conv_id.to_owned()).or_default();
        let entry = Entry {
            conv_id: conv_id.to_owned(),
            seq: timeline.len() as i64 + 1,
            msg_id,
            from,
            ts_ms: 1_000,
            kind: kind.into(),
            text: text.to_owned(),
            device: String::new(),
        };
        timeline.push(entry.clone());
        entry
    }

    /// A user who is there, with the next id and the usual password.
    pub(crate) fn has_user(&mut self, name: &str) {
        self.users.push((name.to_owned(), "password".to_owned()));
    }

    pub(crate) fn has_password(&self, name: &str, password: &str) -> bool {
        self.users.contains(&(name.to_owned(), password.to_owned()))
    }

    pub(crate) fn next_since_ms(&mut self) -> i64 {
        self.last_since_ms += 1;
        self.last_since_ms
    }

    pub(crate) fn join(&mut self, group_id: i64, user_id: i64) {
        self.groups.get_mut(&group_id).unwrap().insert(user_id);
    }

    fn sees(&self, user_id: i64, conv_id: &str) -> bool {
        match conv_id.split('_').collect::<Vec<_>>()[..] {
            ["c2c", a, b] => [a, b].contains(&user_id.to_string().as_str()),
            ["grp", id] => {
                self.groups.get(&id.parse().unwrap()).is_some_and(|group| group.contains(&user_id))
            }
            _ => false,
        }
    }

    fn position(&self, user_id: i64, device: &str, conv_id: &str) -> Position {
        let cursor = self.cursors.get(&cursor_key(user_id, device, conv_id)).copied().unwrap_or(0);
        let head = self.timelines.get(conv_id).map_or(0, Vec::len) as i64;
        Position { conv_id: conv_id.to_owned(), cursor, head }
    }

    fn send(
        &mut self,
        (from, device): (i64, &str),
        conv_id: &str,
        id: &str,
        text: &str,
    ) -> SendOutcome {
        if self.text_bytes_max > 0 && text.len() > self.text_bytes_max {
            let result = mpim_proto::Result::too_large("text too long");
            return SendOutcome { result: Some(result), ..SendOutcome::default() };
        }
        let key = (conv_id.to_owned(), from, id.to_owned());
        if let Some(seq) = self.sent.get(&key) {
            let entry = &self.timelines[conv_id][usize::try_from(seq - 1).unwrap()];
            let result = if entry.text == text { ok() } else { invalid("conflict") };
            return SendOutcome { result, msg_id: entry.msg_id, seq: *seq };
        }
        let entry = self.append(conv_id, from, EntryKind::Text, text);
        let stored = self.timelines.get_mut(conv_id).and_then(|timeline| timeline.last_mut());
        stored.unwrap().device = if device == "text" { String::new() } else { device.to_owned() };
        self.sent.insert(key, entry.seq);
        SendOutcome { result: ok(), msg_id: entry.msg_id, seq: entry.seq }
    }
}

impl Fakes {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// Whoever shows a password has failed too often, and waits for so long.
    pub(crate) fn make_wait(&self, wait_ms: i64) {
        let mut state = self.state();
        state.verdict = Some(mpim_proto::Result::invalid("too many attempts"));
        state.wait_ms = wait_ms;
    }

    pub(crate) fn heal(&self) {
        self.state().faults.clear();
    }

    fn note(&self, asked: Asked) {
        self.state().asked.push(asked);
    }

    /// The faults of an operation that happen before its work.
    async fn before(&self, operation: &'static str) -> Result<(), Status> {
        let gate = {
            let mut state = self.state();
            match state.faults.get_mut(operation) {
                Some(Fault::Fails(times, status)) if *times > 0 => {
                    *times -= 1;
                    return Err(status.clone());
                }
                Some(Fault::Waits(gate)) => {
                    let gate = Arc::clone(gate);
                    state.waited.push(operation);
                    gate
                }
                _ => return Ok(()),
            }
        };
        gate.acquire().await.unwrap().forget();
        Ok(())
    }

    /// Those that happen after it.
    fn after(&self, operation: &'static str) -> Result<(), Status> {
        match self.state().faults.get_mut(operation) {
            Some(Fault::Mute(times, status)) if *times > 0 => {
                *times -= 1;
                Err(status.clone())
            }
            _ => Ok(()),
        }
    }
}
