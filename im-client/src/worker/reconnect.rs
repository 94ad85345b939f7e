//! From a lost connection to one that is as good.

use super::{
    Job, Worker,
    refreshing::{moment, retry_after},
};
use crate::{
    error::{ConnectError, ConnectionError, RequestError},
    event::Event,
    session::{Session, Verdict},
    transport::{Connection as _, Incoming, Transport},
};
use im_wire::{Command, Refusal, Reply};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Closings that are not answered by logging in again. Of the first the other session would be closed,
/// come back in its turn, and so on without end; the others somebody wants to be so.
const SESSION_OVER: [&str; 5] = [
    "logged in elsewhere",
    "device revoked",
    "logged out",
    "logged out everywhere",
    "account disabled",
];

/// Closings after which the token is worth nothing, and a password may be.
const TOKEN_OVER: [&str; 2] = ["password changed", "refresh token reused"];

/// Closings after which nobody needs a connection before there is something to say on it.
const NOTHING_TO_SAY: [&str; 3] = ["login timeout", "not login", "logged out"];

/// The closing of a server that has no room, and how long it is left alone then.
const FULL: &str = "server full";
const FULL_PAUSE: Duration = Duration::from_secs(5);

/// Why there is no connection.
pub(super) struct Absence {
    reason: String,
    /// For how long it is not to be tried again.
    at_least: Duration,
}

impl From<&ConnectionError> for Absence {
    fn from(error: &ConnectionError) -> Self {
        let at_least = match error {
            ConnectionError::PutOff { retry_after, .. } => *retry_after,
            ConnectionError::Closing(reason) if reason == FULL => FULL_PAUSE,
            _ => Duration::ZERO,
        };
        Self { reason: error.to_string(), at_least }
    }
}

impl From<&ConnectError> for Absence {
    fn from(error: &ConnectError) -> Self {
        let at_least = match error {
            ConnectError::Rejected { source, .. } => Self::from(source).at_least,
            _ => Duration::ZERO,
        };
        Self { reason: error.to_string(), at_least }
    }
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
    pub(super) async fn connection_lost(&mut self, error: &ConnectionError) {
        self.outbox.connection_lost();
        self.acks.clear();
        if let Some(session) = &mut self.session {
            session.connection_lost(Instant::now());
        }
        match error {
            ConnectionError::NotRefreshed(_) => self.session_closed(error.to_string()).await,
            ConnectionError::Closing(reason)
                if SESSION_OVER.contains(&&**reason) && self.session.is_some() =>
            {
                self.session_closed(reason.clone()).await;
            }
            ConnectionError::Closing(reason) if TOKEN_OVER.contains(&&**reason) => {
                if let Some(session) = &mut self.session {
                    session.forget_tokens();
                    if session.way_back().is_none() {
                        return self.session_closed(reason.clone()).await;
                    }
                }
                self.pending.connection_lost(self.teller.told());
            }
            _ => self.pending.connection_lost(self.teller.told()),
        }
    }

    async fn session_closed(&mut self, reason: String) {
        self.session = None;
        // Sent again without a session, they would all be refused.
        self.pending.fail_all(&RequestError::SessionClosed(reason.clone()), self.teller.told());
        self.teller.tell(Event::SessionClosed { reason }).await;
    }

    /// Whether there is no use for a connection until somebody asks for something: a server ends those
    /// on which nobody logs in.
    pub(super) fn may_rest(&self, error: &ConnectionError) -> bool {
        let nothing_to_say = match error {
            ConnectionError::Closing(reason) => NOTHING_TO_SAY.contains(&&**reason),
            ConnectionError::NotRefreshed(_) => true,
            _ => false,
        };
        self.session.is_none() && self.pending.is_empty() && nothing_to_say
    }

    /// Waits for a request; false when there will be none.
    pub(super) async fn rest(&mut self) -> bool {
        loop {
            match self.jobs.recv().await {
                Some(Job::Ask(request)) => {
                    self.pending.push(request, None);
                    return true;
                }
                Some(Job::Post(post)) => self.post(post).await,
                None => {
                    self.has_handles = false;
                    return false;
                }
            }
        }
    }

    /// Tries until it works; `None` when nobody wants it any more.
    pub(super) async fn reconnect(&mut self, mut absence: Absence) -> Option<T::Connection> {
        loop {
            let Absence { reason, at_least } = absence;
            // The sum: those who are all told the same time do not all come back at it.
            let retry_in = at_least + self.backoff.next_pause();
            self.teller.tell(Event::Disconnected { reason, retry_in }).await;
            self.pause(retry_in).await;
            if !self.is_wanted() {
                return None;
            }
            match self.open().await {
                Ok(connection) => {
                    let uid = self.session.as_ref().map(Session::uid);
                    self.teller.tell(Event::Reconnected { uid }).await;
                    return Some(connection);
                }
                Err(error) => absence = error,
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
                job = self.jobs.recv(), if self.has_handles && self.pending.room() > 0 => {
                    match job {
                        Some(Job::Ask(request)) => self.pending.push(request, None),
                        Some(Job::Post(post)) => self.post(post).await,
                        None => self.has_handles = false,
                    }
                }
            }
            if !self.is_wanted() {
                return;
            }
        }
    }

    /// Connects, logs in, and sends again what is pending, in that order: only then is the
    /// connection as good as the one before.
    async fn open(&mut self) -> Result<T::Connection, Absence> {
        let mut connection = connect_within(&self.transport, self.options.connect_timeout)
            .await
            .map_err(|error| Absence::from(&error))?;
        self.log_in_again(&mut connection).await.map_err(|error| Absence::from(&error))?;
        self.pending.start_all(Instant::now(), self.teller.told(), |command| {
            Ok(connection.start(command)?)
        });
        Ok(connection)
    }

    async fn log_in_again(
        &mut self,
        connection: &mut T::Connection,
    ) -> Result<(), ConnectionError> {
        let mut is_refreshed = false;
        while let Some(command) = self.session.as_ref().and_then(Session::way_back) {
            let outcome = self.ask(connection, &command).await?;
            let Some(session) = &mut self.session else { return Ok(()) };
            match outcome {
                Ok(reply) => {
                    session.keep(&reply, moment());
                    if !matches!(command, Command::Refresh { .. }) {
                        return Ok(());
                    }
                    is_refreshed = true;
                }
                Err(refusal) => match (session.refused(&refusal), command) {
                    // What was just given and is no good would not get better by another.
                    (Verdict::TryAgain, _) if !is_refreshed => {}
                    // For example too many log-ins at once.
                    (Verdict::Later, _) => return Err(put_off(&refusal)),
                    (_, Command::Refresh { .. }) => {
                        let error = ConnectionError::NotRefreshed(refusal.words().to_owned());
                        self.session_closed(error.to_string()).await;
                    }
                    _ => self.session_closed(refusal.words().to_owned()).await,
                },
            }
        }
        Ok(())
    }

    /// Waits for the answer to the only request that is under way.
    async fn ask(
        &mut self,
        connection: &mut T::Connection,
        command: &Command,
    ) -> Result<Result<Reply, Refusal>, ConnectionError> {
        // It was written once, so it can be written.
        if connection.start(command).is_err() {
            return Err(ConnectionError::Protocol("the log-in does not fit"));
        }
        let deadline = Instant::now() + self.options.request_timeout;
        loop {
            // Only the server is timed: cutting `incoming` short could lose a message.
            let incoming = timeout_at(deadline, connection.next())
                .await
                .map_err(|_| ConnectionError::Silent(self.options.request_timeout))??;
            match incoming {
                Incoming::Answer(outcome) => return Ok(outcome),
                shown @ Incoming::Shown(_) => self.incoming(shown).await?,
            }
        }
    }
}

fn put_off(refusal: &Refusal) -> ConnectionError {
    let (words, retry_after) = (refusal.words().to_owned(), retry_after(refusal));
    ConnectionError::PutOff { words, retry_after }
}
