//! Pairs or a group of users who talk.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use im_wire::text::Command;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

use super::connection::{Connection, User, number};
use super::flow::{Flow, Pace, Schedule};
use super::member::{Member, Run, Sends};
use super::people;
use super::process::cpu_time;
use super::report::TalkReport;
use super::tally::{Tally, Window};

/// Messages of each sender before what is measured.
const TURNS_BEFORE: u32 = 3;

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// So many pairs of a sender and a receiver.
    Pairs(usize),
    /// One group, of whose members some send.
    Group { members: usize, senders: usize },
}

impl Shape {
    pub(super) fn senders(self) -> usize {
        match self {
            Self::Pairs(pairs) => pairs,
            Self::Group { senders, .. } => senders,
        }
    }

    fn users(self) -> usize {
        match self {
            Self::Pairs(pairs) => 2 * pairs,
            Self::Group { members, .. } => members,
        }
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Talk {
    pub(super) shape: Shape,
    pub(super) pace: Pace,
    pub(super) measured: Duration,
    /// The process whose CPU time counts.
    pub(super) pid: Option<u32>,
}

/// One user before the clock runs: whom they send to, and whose messages they are shown.
struct Part {
    connection: Connection,
    command: Option<String>,
    hears: Vec<usize>,
}

/// Registers the users, runs the load, and waits for what is still on its way.
///
/// # Errors
/// When the users cannot be made ready. One who fails later is counted.
pub(super) async fn measure(addr: SocketAddr, talk: Talk) -> anyhow::Result<TalkReport> {
    let people = people::register(addr, talk.shape.users()).await?;
    let parts = match talk.shape {
        Shape::Pairs(_) => pairs(people),
        Shape::Group { senders, .. } => group(people, senders).await?,
    };
    let receivers = match talk.shape {
        Shape::Pairs(_) => 1,
        Shape::Group { members, .. } => members as u64 - 1,
    };
    let run = Arc::new(Run {
        epoch: Instant::now(),
        window: Window::starting_now(talk.measured, talk.pace.turns(TURNS_BEFORE)),
        flows: (0..talk.shape.senders()).map(|_| Flow::new(receivers)).collect(),
        all_sent: Barrier::new(parts.len()),
        tally: Mutex::new(Tally::default()),
    });
    let mut working = JoinSet::new();
    let mut senders = 0..;
    for Part { connection, command, hears } in parts {
        let sends = command.and_then(|command| {
            let flow = senders.next()?;
            let schedule =
                Schedule::new(talk.pace, run.epoch + talk.pace.turn(flow, run.flows.len()));
            Some(Sends { flow, command, schedule, acknowledged: 0 })
        });
        let hears = hears.into_iter().map(|flow| (flow, 0)).collect();
        working.spawn(Member { run: Arc::clone(&run), connection, sends, hears }.work());
    }
    let ((), cpu) = tokio::try_join!(show_progress(&run, &mut working), cpu(talk.pid, run.window))?;
    let mut tally = run.tally();
    tally.sent = run.flows.iter().map(Flow::sent).sum();
    Ok(TalkReport::new(talk, &tally, run.window, cpu))
}

/// What the process computes during the window.
async fn cpu(pid: Option<u32>, window: Window) -> anyhow::Result<Option<Duration>> {
    let Some(pid) = pid else { return Ok(None) };
    sleep_until(window.begin).await;
    let before = cpu_time(pid)?;
    sleep_until(window.end).await;
    Ok(Some(cpu_time(pid)?.saturating_sub(before)))
}

/// In each pair the first sends and the second is shown it.
fn pairs(people: Vec<(Connection, User)>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(people.len());
    let mut people = people.into_iter();
    for flow in 0.. {
        let (Some((sender, _)), Some((receiver, to))) = (people.next(), people.next()) else {
            break;
        };
        let command = Some(format!("SEND {} ", to.uid));
        parts.push(Part { connection: sender, command, hears: Vec::new() });
        parts.push(Part { connection: receiver, command: None, hears: vec![flow] });
    }
    parts
}

/// The first of the people make and join a group; each is shown what the other senders send.
async fn group(people: Vec<(Connection, User)>, senders: usize) -> anyhow::Result<Vec<Part>> {
    let bar = people::progress(people.len() as u64, "joining the group");
    let mut parts: Vec<Part> = Vec::with_capacity(people.len());
    let mut group_id = None;
    for (place, (mut connection, _)) in people.into_iter().enumerate() {
        let id = match group_id {
            Some(id) => {
                connection.ask(&Command::JoinGroup { group_id: id }).await?;
                id
            }
            None => {
                // No two runs on the same data make the same group.
                let name = format!("load{:016x}", fastrand::u64(..));
                let description = String::new();
                let made = connection.ask(&Command::CreateGroup { name, description }).await?;
                *group_id.insert(number(&made, "group_id=")?)
            }
        };
        let command = (place < senders).then(|| format!("SENDGROUP {id} "));
        let hears = (0..senders).filter(|flow| *flow != place).collect();
        parts.push(Part { connection, command, hears });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(parts)
}

/// Waits for everybody, and shows meanwhile how much is done.
async fn show_progress(run: &Run, working: &mut JoinSet<()>) -> anyhow::Result<()> {
    let whole = run.window.end - run.epoch;
    let bar = people::progress(u64::try_from(whole.as_millis())?, "ms of talking");
    let mut look = interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            worked = working.join_next() => match worked {
                Some(worked) => worked?,
                None => break,
            },
            now = look.tick() => {
                bar.set_position(u64::try_from((now - run.epoch).min(whole).as_millis())?);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}
