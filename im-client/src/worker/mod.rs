//! The task that owns the connection.

mod outgoing;
mod reconnect;
mod refreshing;

pub(crate) use self::outgoing::Post;
pub(crate) use self::reconnect::connect_within;

use crate::{
    acks::Acks,
    backoff::Backoff,
    error::{ConnectionError, RequestError},
    event::{Event, Teller},
    options::Options,
    outbox::{Outbox, OutboxFile},
    pending::{Asker, Pending, Request},
    seen::Seen,
    session::Session,
    transport::{Connection, Incoming, Transport},
};
use im_wire::{Command, Reply, What};
use reconnect::Absence;
use refreshing::moment;
use std::future::pending;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What a handle wants.
#[derive(Debug)]
pub(crate) enum Job {
    /// A request to be written.
    Ask(Request),
    /// A message for the outbox.
    Post(Post),
}

pub(crate) struct Worker<T> {
    transport: T,
    options: Options,
    jobs: mpsc::Receiver<Job>,
    /// Whether there may be further jobs.
    has_handles: bool,
    teller: Teller,
    pending: Pending,
    session: Option<Session>,
    refresh_backoff: Backoff,
    seen: Seen,
    backoff: Backoff,
    acks: Acks,
    outbox: Outbox,
    /// Where the outbox is kept; `None` while somebody writes to it, or if it is in memory alone.
    outbox_file: Option<OutboxFile>,
    /// Until then nothing is sent from the outbox: a server has put it off.
    outbox_rests: Option<Instant>,
    outbox_backoff: Backoff,
}

/// Why the worker stopped serving a connection.
enum Stop {
    Lost(ConnectionError),
    /// Every handle is gone and everything is answered.
    Done,
}

impl<T: Transport> Worker<T> {
    pub(crate) fn new(
        transport: T,
        options: Options,
        jobs: mpsc::Receiver<Job>,
        teller: Teller,
        (outbox_file, outbox): (Option<OutboxFile>, Outbox),
    ) -> Self {
        Self {
            transport,
            jobs,
            has_handles: true,
            teller,
            pending: Pending::new(options.in_flight_max),
            session: None,
            refresh_backoff: Backoff::new(options.backoff_min, options.backoff_max),
            seen: Seen::new(options.seen_max),
            backoff: Backoff::new(options.backoff_min, options.backoff_max),
            acks: Acks::default(),
            outbox,
            outbox_file,
            outbox_rests: None,
            outbox_backoff: Backoff::new(options.backoff_min, options.backoff_max),
            options,
        }
    }

    /// Serves connection after connection, until nobody is left who wants one.
    pub(crate) async fn run(mut self, mut connection: T::Connection) {
        loop {
            let since = Instant::now();
            let Stop::Lost(error) = self.serve(&mut connection).await else {
                return;
            };
            self.backoff.lasted(since.elapsed());
            // Closes the socket before the pause, not after it.
            drop(connection);
            self.connection_lost(&error).await;
            if self.may_rest(&error) && !self.rest().await {
                return;
            }
            let Some(next) = self.reconnect(Absence::from(&error)).await else {
                return;
            };
            connection = next;
        }
    }

    /// Whether anybody has a use for a connection.
    fn is_wanted(&self) -> bool {
        self.has_handles || !self.pending.is_empty() || self.has_posts()
    }

    async fn serve(&mut self, connection: &mut T::Connection) -> Stop {
        let mut heard_at = Instant::now();
        // A server that pushes much and hears nothing would take the client for gone, too.
        let mut spoke_at = heard_at;
        let mut acks_at = None;
        while self.is_wanted() {
            self.send_posts(connection).await;
            if self.acks.is_empty() {
                acks_at = None;
            } else if acks_at.is_none() {
                acks_at = Some(Instant::now() + self.options.ack_every);
            }
            // What came last counts too: a consumer that paused has held up the answers itself.
            let overdue = self
                .pending
                .waiting_since()
                .map(|since| since.max(heard_at))
                .map(|since| since + self.options.request_timeout);
            let has_room = self.pending.room() > 0;
            let refresh_due = self.session.as_ref().and_then(Session::refresh_due);
            tokio::select! {
                incoming = connection.next() => {
                    match incoming {
                        Ok(incoming) => {
                            if let Err(error) = self.incoming(incoming).await {
                                return Stop::Lost(error);
                            }
                        }
                        Err(error) => return Stop::Lost(error),
                    }
                    heard_at = Instant::now();
                }
                job = self.jobs.recv(), if self.has_handles && has_room => {
                    match job {
                        Some(Job::Ask(request)) => self.start(connection, request).await,
                        Some(Job::Post(post)) => self.post(post).await,
                        None => self.has_handles = false,
                    }
                    spoke_at = Instant::now();
                }
                () = sleep_until_some(acks_at), if has_room => {
                    acks_at = None;
                    self.send_acks(connection).await;
                    spoke_at = Instant::now();
                }
                () = sleep_until_some(refresh_due), if has_room => {
                    self.refresh(connection).await;
                    spoke_at = Instant::now();
                }
                () = sleep_until_some(self.outbox_rests) => self.outbox_rests = None,
                () = sleep_until_some(overdue) => {
                    return Stop::Lost(ConnectionError::Silent(self.options.request_timeout));
                }
                () = sleep_until(heard_at.min(spoke_at) + self.options.keepalive),
                    if self.pending.is_empty() =>
                {
                    let ping = Request { command: Command::Ping, asker: Asker::Worker };
                    self.start(connection, ping).await;
                    spoke_at = Instant::now();
                }
            }
        }
        Stop::Done
    }

    async fn start(&mut self, connection: &mut T::Connection, request: Request) {
        match connection.start(&request.command) {
            Ok(()) => self.pending.push(request, Some(Instant::now())),
            Err(error) => self.answered(request, Err(error.into())).await,
        }
    }

    async fn incoming(&mut self, incoming: Incoming) -> Result<(), ConnectionError> {
        match incoming {
            Incoming::Shown(What::Message(message)) => {
                let is_new = self.seen.is_new(message.msg_id);
                let may_ack = self.options.wants.acks && message.msg_id > 0;
                let shown = may_ack.then(|| message.clone());
                if is_new {
                    self.teller.tell(Event::Message(message)).await;
                }
                if let Some(message) = shown {
                    // One that came before may still wait to be taken, but not behind what was told last.
                    self.acks.shown(self.teller.told(), &message);
                }
            }
            Incoming::Shown(What::Event(signal)) => self.teller.tell(Event::Signal(signal)).await,
            Incoming::Answer(outcome) => {
                let request = self
                    .pending
                    .pop()
                    .ok_or(ConnectionError::Protocol("an answer that nobody asked for"))?;
                if let Ok(reply) = &outcome {
                    self.note_session(&request.command, reply);
                }
                if let Asker::Refresh = request.asker {
                    return self.refreshed(&outcome);
                }
                self.answered(request, outcome.map_err(RequestError::Refused)).await;
            }
        }
        Ok(())
    }

    async fn answered(&mut self, request: Request, outcome: Result<Reply, RequestError>) {
        match request.asker {
            Asker::Outbox => self.post_answered(request.command, outcome).await,
            _ => request.answer(outcome, self.teller.told()),
        }
    }

    /// Remembers how the log-in goes on, or that it is not wanted any more.
    fn note_session(&mut self, command: &Command, reply: &Reply) {
        match (reply, &mut self.session) {
            (Reply::LoggedOut, session) => *session = None,
            (Reply::Granted(_), Some(session)) => session.keep(reply, moment()),
            (Reply::Uid(_) | Reply::LoggedIn(_), before) => {
                let Some(session) = Session::begun_by(command, reply, moment()) else { return };
                if before.as_ref().is_none_or(|before| before.uid() != session.uid()) {
                    self.seen.forget();
                }
                *before = Some(session);
            }
            _ => {}
        }
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
