//! One connection: the socket on one side, the protocol's state machine and a session on the other.
//!
//! One task does everything for it, in one loop: read, take what was left in the mailbox, work on
//! commands, write, then wait for whatever comes first. Calls to services run within the task, so
//! they end with it.

mod bytes;
mod commands;
mod ending;
mod timer;

use timer::Timer;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use im_wire::{Reply, Slot, closing};
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::calls;
use crate::config::ms;
use crate::gateway::Gateway;
use crate::log_in::{Begun, Proved};
use crate::session::{Answer, Client, Session};
use crate::socket::Socket;
use crate::tick::{Progress, Tick};
use crate::wire::Wire;

/// How a connection is woken, and told to end.
#[derive(Debug, Default)]
pub(crate) struct Control {
    wake: Arc<Notify>,
    shutdown: OnceLock<&'static str>,
}

impl Control {
    /// Lets the connection finish what it works on, and end for this reason.
    pub(crate) fn shut_down(&self, reason: &'static str) {
        let _ = self.shutdown.set(reason);
        self.wake.notify_one();
    }

    /// Why the connection is to end, once it is.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        self.shutdown.get().copied()
    }
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client has said all it wanted to say, and got its replies.
    Eof,
    /// The connection broke. What the client's kernel had acknowledged it may have thrown away.
    Broken,
    /// We close it, for this reason.
    Closing(String),
}

/// Something that a connection waited for has come to its end.
enum Done {
    /// A call of the session with this number.
    Answer {
        session: u64,
        answer: Answer,
    },
    Replied {
        slot: Slot,
        reply: Reply,
    },
    /// A `REVOKE`, which may be that of the connection's own device.
    PutOut {
        slot: Slot,
        reply: Reply,
    },
    Proved {
        slot: Slot,
        outcome: Result<Proved, Reply>,
    },
    Bound {
        slot: Slot,
        outcome: Result<Begun, Reply>,
    },
    Revoked {
        slot: Slot,
        outcome: Result<(), Reply>,
    },
    LoggedOut {
        slot: Slot,
    },
}

type Work = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>;

/// See the module.
pub(crate) struct Connection {
    gateway: Arc<Gateway>,
    control: Arc<Control>,
    socket: Socket,
    /// From where it comes, if that is known.
    from: Option<IpAddr>,
    wire: Wire,
    work: Work,
    session: Option<Box<Session>>,
    /// Which device the next session will be.
    device: String,
    /// Commands under way that put a device out.
    putting_out: usize,
    /// Sessions that this connection has had; answers to a former one's calls are dropped.
    sessions: u64,
    /// Bytes of the output that the peer's kernel is known to have.
    peer_has: u64,
    input_ended: bool,
    /// The time to be logged in, for as long as there is no session.
    login_by: Instant,
    /// When something came from the client.
    heard_at: Instant,
    /// Bytes that had come and were not read when it was last taken for silent.
    unread: usize,
    /// It was asked since then whether it is there.
    pinged: bool,
    tick: Tick,
    timer: Timer,
    /// Told to end: how.
    drain: Option<Drain>,
}

/// The end of a connection that was told to end. What had arrived by then is answered; what comes
/// later is not, or a client that always has something to say would never be done.
#[derive(Debug, Clone, Copy)]
struct Drain {
    /// When it is over, at the latest.
    by: Instant,
    /// Bytes that had arrived and are not read yet.
    unread: usize,
}

impl Connection {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        control: Arc<Control>,
        socket: Socket,
        from: Option<IpAddr>,
        wire: Wire,
    ) -> Self {
        let now = Instant::now();
        let login_by = now + wire.login_timeout(&gateway.config);
        let tick = Tick::new(ms(gateway.config.session.cursor_interval_ms));
        Self {
            gateway,
            control,
            socket,
            from,
            device: wire.device().to_owned(),
            wire,
            work: Work::new(),
            session: None,
            putting_out: 0,
            sessions: 0,
            peer_has: 0,
            input_ended: false,
            login_by,
            heard_at: now,
            unread: 0,
            pinged: false,
            tick,
            timer: Timer::new(),
            drain: None,
        }
    }

    /// Serves the client until it goes or has to go. In a box: the future would hold it twice.
    pub(crate) async fn run(mut self: Box<Self>) {
        let end = self.serve().await;
        // Boxed: what the end needs is more than all that was before it, and most connections last.
        Box::pin((*self).finish(end)).await;
    }

    async fn serve(&mut self) -> End {
        loop {
            // However much there is to do: others have their turn, too.
            tokio::task::coop::consume_budget().await;
            if let Err(end) = self.turn() {
                return end;
            }
            let interest = self.interest();
            let deadline = self.deadline();
            tokio::select! {
                biased;
                Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done),
                () = self.control.wake.notified() => {}
                () = self.socket.ready(interest.unwrap_or(Interest::ERROR)), if interest.is_some() => {}
                () = self.timer.wait(deadline) => {}
            }
        }
    }

    /// Does everything that can be done without waiting.
    fn turn(&mut self) -> Result<(), End> {
        self.read()?;
        while let Some(Some(done)) = self.work.next().now_or_never() {
            self.done(done);
        }
        let now = Instant::now();
        self.look(now)?;
        if self.ping_at().is_some_and(|at| at <= now) {
            // Who cannot answer is pinged again after as long.
            self.pinged = self.wire.ping();
            self.heard_at = if self.pinged { self.heard_at } else { now };
        }
        // Room in the output lets commands go on, and they fill it again.
        loop {
            self.take_mail(now)?;
            self.take_commands(now);
            self.want_calls(now);
            if !self.write()? {
                break;
            }
        }
        self.over(now)?;
        self.want_tick(now);
        Ok(())
    }

    /// Looks at how far the client is, when that is due or everything waits for it.
    fn look(&mut self, now: Instant) -> Result<(), End> {
        let due = self.tick.at().is_some_and(|at| at <= now);
        if !due && !self.with_session(now, |session, client| session.is_crowded(client)) {
            return Ok(());
        }
        self.observe();
        if !due {
            return Ok(());
        }
        let blocked = self.with_session(now, |session, client| session.is_blocked(client));
        let acknowledged = self.session.as_ref().map_or(0, |session| session.acknowledged());
        let found = Progress { peer_has: self.peer_has, acknowledged };
        let waiting = blocked || self.wire.output_end() > self.peer_has;
        let due = self.tick.tick(now, found, waiting);
        if due.stalled >= ms(self.gateway.config.session.stalled_ms) {
            return Err(End::Closing(closing::NOT_READING.to_owned()));
        }
        if let Some(session) = &mut self.session {
            session.tick(now, self.peer_has, due.write);
        }
        Ok(())
    }

    fn want_tick(&mut self, now: Instant) {
        let crowded = self.with_session(now, |session, client| session.is_crowded(client));
        let session = self.session.as_ref().is_some_and(|session| session.wants_tick());
        if crowded || session || self.wire.output_end() > self.peer_has {
            self.tick.want(now, crowded);
        }
    }

    /// Whether it is over.
    fn over(&mut self, now: Instant) -> Result<(), End> {
        if let Some(reason) = self.control.reason() {
            let drain = *self.drain.get_or_insert_with(|| Drain {
                by: now + ms(self.gateway.config.closing.drain_ms),
                unread: self.socket.unread(),
            });
            let read = drain.unread == 0 || self.input_ended;
            // A wire that wants input has no whole command left.
            let answered = read && self.wire.in_flight() == 0 && self.wire.wants_input();
            if answered || drain.by <= now {
                return Err(End::Closing(reason.to_owned()));
            }
        }
        let idle = self.wire.in_flight() == 0;
        // Before the end of the input: whoever only reads still wants to know why.
        if let Some(reason) = self.wire.ended() {
            return Err(End::Closing(reason.to_owned()));
        }
        let heard_all = self.input_ended || self.wire.is_over();
        if heard_all && idle && self.wire.output().is_empty() {
            return Err(End::Eof);
        }
        if self.session.is_none() && idle && self.login_by <= now {
            return Err(End::Closing(closing::LOGIN_TIMEOUT.to_owned()));
        }
        if self.idle_at().is_some_and(|at| at <= now) && !self.hears_more(now) {
            return Err(End::Closing(closing::IDLE.to_owned()));
        }
        Ok(())
    }

    /// What the socket is waited for.
    fn interest(&self) -> Option<Interest> {
        let read = self.wants_input().then_some(Interest::READABLE);
        let waits = !self.wire.output().is_empty() || self.socket.is_flushing();
        let write = waits.then_some(Interest::WRITABLE);
        match (read, write) {
            (Some(read), Some(write)) => Some(read | write),
            (read, write) => read.or(write),
        }
    }

    /// When something is due although nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let session = match &self.session {
            Some(session) => session.due_at(Instant::now()),
            // A command under way ends by itself, and then this is looked at again.
            None => (self.wire.in_flight() == 0).then_some(self.login_by),
        };
        let drain_by = self.drain.map(|drain| drain.by);
        let due = [self.tick.at(), session, drain_by, self.idle_at(), self.ping_at()];
        due.into_iter().flatten().min()
    }

    /// When it has been silent for too long.
    fn idle_at(&self) -> Option<Instant> {
        self.wire.idle(&self.gateway.config).map(|idle| self.heard_at + idle)
    }

    /// When it is asked whether it is there.
    fn ping_at(&self) -> Option<Instant> {
        let after = self.wire.ping_after(&self.gateway.config).filter(|_| !self.pinged);
        after.map(|after| self.heard_at + after)
    }

    fn take_mail(&mut self, now: Instant) -> Result<(), End> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let Some(mut post) = session.registration().handle().mailbox.empty() else {
            return Ok(());
        };
        if !post.events.is_empty() {
            // Whether there is room for them depends on how far the client is now.
            self.observe();
        }
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let close = post.close.take();
        let mut client = Client {
            wire: &mut self.wire,
            peer_has: self.peer_has,
            now,
            ids: &self.gateway.message_ids,
        };
        session.receive(&mut client, post);
        close.map_or(Ok(()), |reason| Err(End::Closing(reason)))
    }

    /// Starts what the session wants from the services.
    fn want_calls(&mut self, now: Instant) {
        let Some(session) = &mut self.session else {
            return;
        };
        let mut client = Client {
            wire: &mut self.wire,
            peer_has: self.peer_has,
            now,
            ids: &self.gateway.message_ids,
        };
        session.answer_pull(&mut client);
        let number = self.sessions;
        while let Some(call) = session.next_call(&client) {
            let gateway = Arc::clone(&self.gateway);
            let handle = Arc::clone(session.registration().handle());
            self.work.push(Box::pin(async move {
                let answer = calls::carry_out(&gateway, &handle, call).await;
                Done::Answer { session: number, answer }
            }));
        }
    }

    fn with_session<R: Default>(
        &mut self,
        now: Instant,
        with: impl FnOnce(&mut Session, &Client<'_>) -> R,
    ) -> R {
        let client = Client {
            wire: &mut self.wire,
            peer_has: self.peer_has,
            now,
            ids: &self.gateway.message_ids,
        };
        self.session.as_mut().map_or_else(R::default, |session| with(session, &client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<F: Future>(_made_by: impl FnOnce(Box<Connection>) -> F) -> usize {
        size_of::<Connection>() + size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_takes_little_memory() {
        let bytes = bytes_of(Connection::run);
        assert!(bytes <= 1_536, "{bytes} bytes for each connection");
    }
}
