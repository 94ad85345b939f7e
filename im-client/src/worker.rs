//! The task that owns the connection.

use crate::{
    backoff::Backoff,
    client::{Event, Options},
    error::{ConnectError, ConnectionError, RequestError},
    pending::{Pending, Request},
    seen::Seen,
    transport::{Answer, Connection, Incoming, Refusal, Transport},
};
use bytes::Bytes;
use im_wire::text::{Command, Secret};
use std::{future::pending, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

/// A closing with this reason is not answered by coming back: the other session would be closed,
/// come back in its turn, and so on without end.
const LOGGED_IN_ELSEWHERE: &str = "logged in elsewhere";

/// A log-in that is refused so is wrong for good; other refusals may pass.
const BAD_CREDENTIALS: &str = "auth bad cred";

pub(crate) struct Worker<T> {
    transport: T,
    options: Options,
    requests: mpsc::Receiver<Request>,
    /// Whether there may be further requests.
    has_handles: bool,
    events: mpsc::Sender<Event>,
    /// How many events were passed on.
    told: u64,
    pending: Pending,
    session: Option<Session>,
    seen: Seen,
    backoff: Backoff,
}

/// Who is logged in, and how to log in again.
struct Session {
    uid: i64,
    username: Bytes,
    password: Secret,
}

/// Why the worker stopped serving a connection.
enum Stop {
    Lost(ConnectionError),
    /// Every handle is gone and everything is answered.
    Done,
}

/// [`Transport::connect`], bounded.
pub(crate) async fn connect_within<T: Transport>(
    transport: &T,
    after: Duration,
) -> Result<T::Connection, ConnectError> {
    timeout(after, transport.connect()).await.unwrap_or_else(|_| {
        Err(ConnectError::TimedOut { address: transport.address().to_owned(), after })
    })
}

impl<T: Transport> Worker<T> {
    pub(crate) fn new(
        transport: T,
        options: Options,
        requests: mpsc::Receiver<Request>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            transport,
            requests,
            has_handles: true,
            events,
            told: 0,
            pending: Pending::new(options.in_flight_max),
            session: None,
            seen: Seen::new(options.seen_max),
            backoff: Backoff::new(options.backoff_min, options.backoff_max),
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
            let Some(next) = self.reconnect(error.to_string()).await else {
                return;
            };
            connection = next;
        }
    }

    async fn serve(&mut self, connection: &mut T::Connection) -> Stop {
        let mut heard_at = Instant::now();
        while self.has_handles || !self.pending.is_empty() {
            // What came last counts too: a consumer that paused has held up the answers itself.
            let overdue = self
                .pending
                .waiting_since()
                .map(|since| since.max(heard_at))
                .map(|since| since + self.options.request_timeout);
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
                request = self.requests.recv(), if self.has_handles && self.pending.has_room() => {
                    match request {
                        Some(request) => self.start(connection, request),
                        None => self.has_handles = false,
                    }
                }
                () = sleep_until_some(overdue) => {
                    return Stop::Lost(ConnectionError::Silent(self.options.request_timeout));
                }
                () = sleep_until(heard_at + self.options.keepalive), if self.pending.is_empty() => {
                    self.start(connection, Request { command: Command::Ping, answer: None });
                }
            }
        }
        Stop::Done
    }

    fn start(&mut self, connection: &mut T::Connection, request: Request) {
        match connection.start(&request.command) {
            Ok(()) => self.pending.push(request, Some(Instant::now())),
            Err(error) => request.answer(Err(error.into()), self.told),
        }
    }

    async fn incoming(&mut self, incoming: Incoming) -> Result<(), ConnectionError> {
        match incoming {
            Incoming::Message(message) => {
                if self.seen.is_new(message.msg_id) {
                    self.tell(Event::Message(message)).await;
                }
            }
            Incoming::Answer(outcome) => {
                let request = self
                    .pending
                    .pop()
                    .ok_or(ConnectionError::Protocol("an answer that nobody asked for"))?;
                if let Ok(answer) = &outcome {
                    self.note_session(&request.command, answer);
                }
                let outcome = outcome.map_err(|Refusal(text)| RequestError::Refused(text));
                request.answer(outcome, self.told);
            }
        }
        Ok(())
    }

    /// Remembers how to log in again, or that it is not wanted any more.
    fn note_session(&mut self, command: &Command, answer: &Answer) {
        match command {
            Command::Login { username, password } | Command::Register { username, password } => {
                let Some(uid) = answer.number("uid") else {
                    return;
                };
                if self.session.as_ref().is_none_or(|session| session.uid != uid) {
                    self.seen.forget();
                }
                let (username, password) = (username.clone(), password.clone());
                self.session = Some(Session { uid, username, password });
            }
            Command::Logout => self.session = None,
            _ => {}
        }
    }

    async fn connection_lost(&mut self, error: &ConnectionError) {
        match error {
            ConnectionError::Closing(reason) if reason == LOGGED_IN_ELSEWHERE => {
                self.session_closed(reason.clone()).await;
            }
            _ => self.pending.connection_lost(self.told),
        }
    }

    async fn session_closed(&mut self, reason: String) {
        self.session = None;
        // Sent again without a session, they would all be refused.
        self.pending.fail_all(&RequestError::SessionClosed(reason.clone()), self.told);
        self.tell(Event::SessionClosed { reason }).await;
    }

    /// Tries until it works; `None` when nobody wants it any more.
    async fn reconnect(&mut self, mut reason: String) -> Option<T::Connection> {
        loop {
            let retry_in = self.backoff.next_pause();
            self.tell(Event::Disconnected { reason, retry_in }).await;
            self.pause(retry_in).await;
            if !self.has_handles && self.pending.is_empty() {
                return None;
            }
            match self.open().await {
                Ok(connection) => {
                    let uid = self.session.as_ref().map(|session| session.uid);
                    self.tell(Event::Reconnected { uid }).await;
                    return Some(connection);
                }
                Err(error) => reason = error,
            }
        }
    }

    /// Waits, and takes on requests meanwhile, so that they keep their order.
    async fn pause(&mut self, how_long: Duration) {
        let over = sleep(how_long);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                request = self.requests.recv(), if self.has_handles && self.pending.has_room() => {
                    match request {
                        Some(request) => self.pending.push(request, None),
                        None => self.has_handles = false,
                    }
                }
            }
            if !self.has_handles && self.pending.is_empty() {
                return;
            }
        }
    }

    /// Connects, logs in, and sends again what is pending, in that order: only then is the
    /// connection as good as the one before.
    async fn open(&mut self) -> Result<T::Connection, String> {
        let mut connection = connect_within(&self.transport, self.options.connect_timeout)
            .await
            .map_err(|error| error.to_string())?;
        self.log_in_again(&mut connection).await.map_err(|error| error.to_string())?;
        self.pending.start_all(Instant::now(), self.told, |command| Ok(connection.start(command)?));
        Ok(connection)
    }

    async fn log_in_again(
        &mut self,
        connection: &mut T::Connection,
    ) -> Result<(), ConnectionError> {
        let Some(Session { username, password, .. }) = &self.session else {
            return Ok(());
        };
        let command = Command::Login { username: username.clone(), password: password.clone() };
        // It was written once, so it can be written.
        if connection.start(&command).is_err() {
            return Err(ConnectionError::Protocol("the log-in does not fit"));
        }
        let deadline = Instant::now() + self.options.request_timeout;
        loop {
            // Only the server is timed: cutting `incoming` short could lose a message.
            let incoming = timeout_at(deadline, connection.next())
                .await
                .map_err(|_| ConnectionError::Silent(self.options.request_timeout))??;
            match incoming {
                Incoming::Answer(Ok(_)) => return Ok(()),
                Incoming::Answer(Err(Refusal(reason))) if reason == BAD_CREDENTIALS => {
                    self.session_closed(reason).await;
                    return Ok(());
                }
                // For example too many log-ins at once: later.
                Incoming::Answer(Err(Refusal(reason))) => {
                    return Err(ConnectionError::Closing(reason));
                }
                message @ Incoming::Message(_) => self.incoming(message).await?,
            }
        }
    }

    /// Waits while [`Options::events_max`] events are waiting: that is what stops the connection
    /// when nobody reads. Nobody *can* read once the receiver is gone.
    async fn tell(&mut self, event: Event) {
        if self.events.send(event).await.is_ok() {
            self.told += 1;
        }
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
