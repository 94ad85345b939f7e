//! The handle.

use crate::{
    error::{ConnectError, RequestError},
    event::{Events, Teller},
    options::Options,
    outbox::{Outbox, OutboxFile},
    pending::{Answered, Asker, Request},
    transport::Transport,
    worker::{Job, Post, Worker, connect_within},
};
use im_wire::{Command, Peer, Reply};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

/// A handle to one user's connection. Cheap to clone. When the last one is gone, the connection ends as
/// soon as every request is answered, and everything that was posted is stored or nobody takes
/// [`Events`] any more.
///
/// [`send`](Self::send) waits for the answer and gives up in time; [`post`](Self::post) leaves the message
/// in an outbox that does not. Every call gives up waiting when its future is dropped; the server may do
/// what was asked all the same.
#[derive(Debug, Clone)]
pub struct Client {
    jobs: mpsc::Sender<Job>,
    options: Arc<Options>,
}

impl Client {
    /// Connects, and starts the worker that keeps the connection up. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the first attempt fails, or the outbox's file cannot be used. Later attempts
    /// are repeated, without end.
    ///
    /// Cancel safe: dropping the future connects nothing, and gives the outbox's file back.
    pub async fn connect<T: Transport>(
        transport: T,
        options: Options,
    ) -> Result<(Self, Events), ConnectError> {
        let outbox = open_outbox(&options).await?;
        let connection = connect_within(&transport, options.connect_timeout).await?;
        let (jobs, to_worker) = mpsc::channel(options.queue_max);
        let (teller, events) = Teller::new(options.events_max);
        let worker = Worker::new(transport, options.clone(), to_worker, teller, outbox);
        tokio::spawn(worker.run(connection));
        Ok((Self { jobs, options: Arc::new(options) }, events))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Hands over a request without waiting for its answer. Requests are written in the order in
    /// which this is called. A send without a `client_msg_id` gets one, so that it can be sent
    /// again.
    ///
    /// # Errors
    ///
    /// [`RequestError::Busy`] when the queue stayed full, [`RequestError::Closed`].
    ///
    /// Cancel safe: dropping the future before it is done sends nothing.
    pub async fn submit(&self, command: Command) -> Result<Submitted, RequestError> {
        let request_timeout = self.options.request_timeout;
        let deadline = Instant::now() + request_timeout;
        let (answer, answered) = oneshot::channel();
        let command = with_client_msg_id(command);
        self.give(deadline, Job::Ask(Request { command, asker: Asker::Caller(answer) })).await?;
        Ok(Submitted { answered, deadline, request_timeout })
    }

    /// Puts a message into the outbox, from where it is sent, and sent again on however many connections,
    /// until the server has stored it, once: [`Event::Stored`](crate::Event::Stored). What goes to one
    /// conversation keeps its order. Answers the id that the event will name.
    ///
    /// With an [`Options::outbox_file`] the message is on the disk when this returns, and the next client
    /// with that file sends it as soon as the same user is logged in.
    ///
    /// # Errors
    ///
    /// `Refused` with `not login` while nobody is, `Invalid` for a text that is too long, `Outbox` when
    /// it is full or cannot be written, `Busy`; `TimedOut` leaves open whether the message is sent, and so
    /// does dropping the future.
    pub async fn post(&self, to: Peer, text: impl Into<String>) -> Result<String, RequestError> {
        let request_timeout = self.options.request_timeout;
        let deadline = Instant::now() + request_timeout;
        let (accepted, outcome) = oneshot::channel();
        self.give(deadline, Job::Post(Post { to, text: text.into(), accepted })).await?;
        match timeout_at(deadline, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(RequestError::Closed),
            Err(_) => Err(RequestError::TimedOut(request_timeout)),
        }
    }

    async fn give(&self, deadline: Instant, job: Job) -> Result<(), RequestError> {
        match timeout_at(deadline, self.jobs.send(job)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(RequestError::Closed),
            Err(_) => Err(RequestError::Busy(self.options.request_timeout)),
        }
    }

    /// [`submit`](Self::submit), and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    ///
    /// Dropping the future gives up the answer, not what the server does.
    pub async fn request(&self, command: Command) -> Result<Reply, RequestError> {
        self.submit(command).await?.answer().await
    }
}

/// The answer that a request will have.
#[derive(Debug)]
pub struct Submitted {
    answered: oneshot::Receiver<Answered>,
    deadline: Instant,
    request_timeout: Duration,
}

impl Submitted {
    /// Waits for it, no longer than the request's deadline.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    ///
    /// Dropping the future gives up the answer, not what the server does.
    pub async fn answer(self) -> Result<Reply, RequestError> {
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

/// What an earlier program has left to be sent.
async fn open_outbox(options: &Options) -> Result<(Option<OutboxFile>, Outbox), ConnectError> {
    let Some(path) = options.outbox_file.clone() else {
        return Ok((None, Outbox::new(Vec::new(), options.outbox_max)));
    };
    let opening = path.clone();
    let opened = spawn_blocking(move || OutboxFile::open(&opening)).await;
    let (file, entries) = opened
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|source| ConnectError::Outbox { path, source })?;
    Ok((Some(file), Outbox::new(entries, options.outbox_max)))
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
