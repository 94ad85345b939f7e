//! What users of the library touch.

use crate::{
    error::{ConnectError, RequestError},
    pending::{Answered, Request},
    transport::{Answer, Transport},
    worker::{Worker, connect_within},
};
use bytes::Bytes;
use im_wire::text::{Command, Push, Secret};
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// Times and bounds. The defaults suit a person as well as a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for a connection, its welcome included.
    pub connect_timeout: Duration,
    /// How long a request may take, reconnecting included. A server that answers nothing for this
    /// long is taken for lost.
    pub request_timeout: Duration,
    /// After how much silence to ask whether the server is still there.
    pub keepalive: Duration,
    /// The first pause before connecting again; it doubles from there.
    pub backoff_min: Duration,
    /// The longest pause before connecting again.
    pub backoff_max: Duration,
    /// Requests written and not answered. A server hands out no more at a time than this.
    pub in_flight_max: usize,
    /// Requests that wait to be written; beyond that, [`Client::submit`] waits.
    pub queue_max: usize,
    /// Events that nobody took. At that point nothing more is read from the server.
    pub events_max: usize,
    /// Message ids remembered, so that none is shown twice.
    pub seen_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(30),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            in_flight_max: 64,
            queue_max: 64,
            events_max: 1024,
            seen_max: 4096,
        }
    }
}

/// What happens without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message arrived.
    Message(Push<'static>),
    /// The connection was lost, or connecting again failed.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next attempt follows.
        retry_in: Duration,
    },
    /// The connection is back.
    Reconnected {
        /// Who is logged in again.
        uid: Option<i64>,
    },
    /// The server ended the session, or does not take its log-in any more. The connection comes
    /// back, the session does not.
    SessionClosed {
        /// The server's words, for example `logged in elsewhere`.
        reason: String,
    },
}

/// Where [`Event`]s arrive. Take them, also while waiting for an answer: what nobody takes stops
/// the connection once [`Options::events_max`] are waiting.
#[derive(Debug)]
pub struct Events {
    from_worker: mpsc::Receiver<Event>,
    taken: u64,
}

impl Events {
    /// The next event; `None` when the client is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.from_worker.recv().await?;
        self.taken += 1;
        Some(event)
    }

    /// How many were taken. An answer whose [`Answered::after_events`] is larger came after an
    /// event that was not taken yet.
    pub fn taken(&self) -> u64 {
        self.taken
    }
}

/// A handle to one user's connection. Cheap to clone; when the last one and every [`Reply`] are
/// gone, the connection ends.
#[derive(Debug, Clone)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    request_timeout: Duration,
}

impl Client {
    /// Connects, and starts the worker that keeps the connection up. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the first attempt fails. Later ones are repeated, without end.
    pub async fn connect<T: Transport>(
        transport: T,
        options: Options,
    ) -> Result<(Self, Events), ConnectError> {
        let connection = connect_within(&transport, options.connect_timeout).await?;
        let (requests, to_worker) = mpsc::channel(options.queue_max);
        let (to_user, events) = mpsc::channel(options.events_max);
        let request_timeout = options.request_timeout;
        let worker = Worker::new(transport, options, to_worker, to_user);
        tokio::spawn(worker.run(connection));
        Ok((Self { requests, request_timeout }, Events { from_worker: events, taken: 0 }))
    }

    /// Hands over a request without waiting for its answer. Requests are written in the order in
    /// which this is called. A send without a `client_msg_id` gets one, so that it can be sent
    /// again.
    ///
    /// # Errors
    ///
    /// [`RequestError::TimedOut`] when the queue stayed full, [`RequestError::Closed`]. The request
    /// was not sent then, and dropping the future before it is done does not send it either.
    pub async fn submit(&self, command: Command) -> Result<Reply, RequestError> {
        let deadline = Instant::now() + self.request_timeout;
        let (answer, answered) = oneshot::channel();
        let request = Request { command: with_client_msg_id(command), answer: Some(answer) };
        match timeout_at(deadline, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(Reply { answered, deadline, request_timeout: self.request_timeout }),
            Ok(Err(_)) => Err(RequestError::Closed),
            Err(_) => Err(RequestError::TimedOut(self.request_timeout)),
        }
    }

    /// [`submit`](Self::submit), and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`RequestError`]. Dropping the future gives up the answer, not what the server does.
    pub async fn request(&self, command: Command) -> Result<Answer, RequestError> {
        self.submit(command).await?.answer().await
    }

    /// Makes an account and logs in to it. Answers the uid. From here on the client logs in again
    /// whenever it connects again.
    ///
    /// # Errors
    ///
    /// [`RequestError`], `Refused` with `exists`, `bad username` or `weak password` among them.
    pub async fn register(
        &self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<i64, RequestError> {
        let (username, password) = credentials(username, password);
        self.number("uid", Command::Register { username, password }).await
    }

    /// Logs in. Answers the uid. From here on the client logs in again whenever it connects again.
    ///
    /// # Errors
    ///
    /// [`RequestError`], `Refused` with `auth bad cred` among them.
    pub async fn login(
        &self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<i64, RequestError> {
        let (username, password) = credentials(username, password);
        self.number("uid", Command::Login { username, password }).await
    }

    /// Sends a message to a user. Answers its id: it is stored, and will arrive.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; whether the message may be stored all the same, it says.
    pub async fn send(&self, to: i64, text: impl Into<String>) -> Result<i64, RequestError> {
        let text = text.into();
        self.number("msg_id", Command::Send { client_msg_id: None, to, text }).await
    }

    /// Sends a message to a group. Answers its id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_group(
        &self,
        group_id: i64,
        text: impl Into<String>,
    ) -> Result<i64, RequestError> {
        let text = text.into();
        let command = Command::SendGroup { client_msg_id: None, group_id, text };
        self.number("group_msg_id", command).await
    }

    async fn number(&self, name: &str, command: Command) -> Result<i64, RequestError> {
        let answer = self.request(command).await?;
        answer.number(name).ok_or(RequestError::Unexpected(answer.text))
    }
}

/// The answer that a request will have.
#[derive(Debug)]
pub struct Reply {
    answered: oneshot::Receiver<Answered>,
    deadline: Instant,
    request_timeout: Duration,
}

impl Reply {
    /// Waits for it, no longer than the request's deadline.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub async fn answer(self) -> Result<Answer, RequestError> {
        self.answered().await.outcome
    }

    /// The same, for those who must know which messages came before it.
    pub async fn answered(self) -> Answered {
        let error = match timeout_at(self.deadline, self.answered).await {
            Ok(Ok(answered)) => return answered,
            Ok(Err(_)) => RequestError::Closed,
            Err(_) => RequestError::TimedOut(self.request_timeout),
        };
        Answered { outcome: Err(error), after_events: 0 }
    }
}

fn credentials(username: impl Into<String>, password: impl Into<String>) -> (Bytes, Secret) {
    (Bytes::from(username.into()), Secret::new(password.into()))
}

/// Gives a send the id that makes it safe to repeat: 128 random bits.
fn with_client_msg_id(mut command: Command) -> Command {
    if let Command::Send { client_msg_id, .. } | Command::SendGroup { client_msg_id, .. } =
        &mut command
    {
        client_msg_id.get_or_insert_with(|| format!("{:032x}", fastrand::u128(..)));
    }
    command
}
