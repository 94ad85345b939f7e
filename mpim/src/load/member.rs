//! One user at work: sends what is due, reads everything, counts, and checks what is shown.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use im_wire::text::ServerLine;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::flow::{Flow, Schedule};
use super::stamp::Stamp;
use super::tally::{Tally, Window};

/// After the measured time, how long messages that are still on their way may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What all users of a run share.
pub(super) struct Run {
    /// What the times in the texts count from.
    pub(super) epoch: Instant,
    pub(super) window: Window,
    pub(super) flows: Vec<Flow>,
    /// Everybody has sent what they will.
    pub(super) all_sent: Barrier,
    pub(super) tally: Mutex<Tally>,
}

impl Run {
    /// All users are on one thread, so nobody ever waits for it.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's own messages.
pub(super) struct Sends {
    /// Their place among the flows.
    pub(super) flow: usize,
    /// What stands before each text: `SEND 7 `.
    pub(super) command: String,
    pub(super) schedule: Schedule,
    pub(super) acknowledged: u64,
}

/// See the module.
pub(super) struct Member {
    pub(super) run: Arc<Run>,
    pub(super) connection: Connection,
    pub(super) sends: Option<Sends>,
    /// The flows that this user is shown, each with the number of its next message.
    pub(super) hears: Vec<(usize, u64)>,
}

impl Member {
    pub(super) async fn work(mut self) {
        let talked = self.talk().await;
        self.run.all_sent.wait().await;
        let drained = match talked {
            Ok(()) => timeout(DRAIN_TIMEOUT, self.drain())
                .await
                .map_err(anyhow::Error::from)
                .flatten()
                .with_context(|| format!("messages are missing: {}", self.missing())),
            Err(error) => Err(error),
        };
        if let Err(error) = drained {
            self.run.tally().fail(format!("{error:#}"));
        }
    }

    async fn talk(&mut self) -> anyhow::Result<()> {
        let run = Arc::clone(&self.run);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(run.window.end) => return Ok(()),
                read = self.connection.read() => {
                    read?;
                    self.take_lines()?;
                }
                (count, at) = due(&run, self.sends.as_mut()) => self.send(count, at).await?,
            }
        }
    }

    /// Reads what is still on its way, so that a lost message shows.
    async fn drain(&mut self) -> anyhow::Result<()> {
        while !self.has_everything() {
            self.connection.read().await?;
            self.take_lines()?;
        }
        Ok(())
    }

    fn has_everything(&self) -> bool {
        let flows = &self.run.flows;
        self.hears.iter().all(|(flow, next)| *next == flows[*flow].sent())
            && self.sends.as_ref().is_none_or(|own| own.acknowledged == flows[own.flow].sent())
    }

    fn missing(&self) -> String {
        let flows = &self.run.flows;
        let heard = self.hears.iter().map(|(flow, next)| flows[*flow].sent() - next).sum::<u64>();
        let own = self.sends.as_ref();
        let own = own.map_or(0, |own| flows[own.flow].sent() - own.acknowledged);
        format!("{heard} were not shown, {own} not acknowledged")
    }

    /// Writes `count` messages at once, as a client with that much to say would.
    async fn send(&mut self, count: u64, at: Instant) -> anyhow::Result<()> {
        let Some(sends) = &self.sends else { return Ok(()) };
        let at = at - self.run.epoch;
        let mut lines = BytesMut::new();
        for _ in 0..count {
            let number = self.run.flows[sends.flow].take_number();
            let text = Stamp { flow: sends.flow, number, at }.text();
            writeln!(lines, "{}{text}", sends.command)?;
        }
        self.connection.write(&lines).await
    }

    fn take_lines(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let run = Arc::clone(&self.run);
        let mut tally = run.tally();
        while let Some(line) = self.connection.next_line()? {
            match (line, &mut self.sends) {
                (ServerLine::Push(push), _) => {
                    let stamp = Stamp::read(&push.text).context("a text that nobody sent")?;
                    let hears = self.hears.iter_mut().find(|(flow, _)| *flow == stamp.flow);
                    let (flow, next) = hears.context("a text that somebody else was sent")?;
                    if stamp.number != *next {
                        bail!("message {} came when {next} was due", stamp.number);
                    }
                    *next += 1;
                    tally.shown += 1;
                    run.flows[*flow].shown();
                    if run.window.counts(now) {
                        tally.record((now - run.epoch).saturating_sub(stamp.at));
                    }
                }
                (ServerLine::Ok(_), Some(sends)) => {
                    sends.acknowledged += 1;
                    tally.acknowledged += 1;
                }
                (other, _) => bail!("somebody got {other:?}"),
            }
        }
        Ok(())
    }
}

/// Waits until somebody has something to send; for ever if they are silent.
async fn due(run: &Run, sends: Option<&mut Sends>) -> (u64, Instant) {
    match sends {
        Some(sends) => sends.schedule.due(&run.flows[sends.flow]).await,
        None => std::future::pending().await,
    }
}
