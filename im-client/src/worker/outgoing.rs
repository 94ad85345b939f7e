//! What the worker says by itself: what is in the outbox, and what has arrived.

use super::{
    Worker,
    refreshing::{may_pass, pause_after},
};
use crate::{
    calls::stored,
    error::{BadRequest, RequestError},
    event::Event,
    outbox::{Entry, OutboxFile},
    pending::{Asker, Request},
    transport::Transport,
};
use im_wire::{Command, Peer, Refusal, Reply, Why};
use std::io;
use tokio::{sync::oneshot, task::spawn_blocking, time::Instant};

/// The longest text that is taken. A server takes less, but this much fits into any request.
const TEXT_BYTES_MAX: usize = 32 * 1024;

/// After so many failures of the server over the same message in a row it is given up: what waits behind
/// it in the conversation waits for it.
const FAILURES_MAX: u8 = 8;

/// A message for the outbox, and who wants to know that it is in there.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) to: Peer,
    pub(crate) text: String,
    /// Its client message id.
    pub(crate) accepted: oneshot::Sender<Result<String, RequestError>>,
}

impl<T: Transport> Worker<T> {
    /// Whether there is anything to be sent that may be, and somebody who may be told.
    pub(super) fn has_posts(&self) -> bool {
        let uid = self.session.as_ref().map(|session| session.uid());
        !self.teller.is_closed() && uid.is_some_and(|uid| self.outbox.has_any_of(uid))
    }

    /// Takes a message into the outbox.
    pub(super) async fn post(&mut self, Post { to, text, accepted }: Post) {
        let outcome = self.keep(to, text).await;
        // An error means that the caller has given up; the message is sent all the same.
        let _ = accepted.send(outcome);
    }

    async fn keep(&mut self, to: Peer, text: String) -> Result<String, RequestError> {
        let Some(session) = &self.session else {
            return Err(RequestError::Refused(Refusal::of("not login")));
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(RequestError::Invalid(BadRequest::TooBig(text.len())));
        }
        if !self.outbox.has_room() {
            return Err(RequestError::Outbox("it is full".to_owned()));
        }
        let client_msg_id = format!("{:032x}", fastrand::u128(..));
        let uid = session.uid();
        let entry = Entry { uid, client_msg_id: client_msg_id.clone(), to, text };
        let kept = entry.clone();
        let written = self.with_file(move |file| file.put(&[kept])).await;
        written.map_err(|error| RequestError::Outbox(error.to_string()))?;
        self.outbox.push(entry);
        Ok(client_msg_id)
    }

    /// Does something to the file, if there is one, where it may block.
    async fn with_file(
        &mut self,
        work: impl FnOnce(&mut OutboxFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let Some(mut file) = self.outbox_file.take() else { return Ok(()) };
        let (file, outcome) = spawn_blocking(move || {
            let outcome = work(&mut file);
            (file, outcome)
        })
        .await
        .map_err(io::Error::other)?;
        self.outbox_file = Some(file);
        outcome
    }

    /// Sends what may be sent now of what was posted. It takes at most half of what may be in flight.
    pub(super) async fn send_posts(&mut self, connection: &mut T::Connection) {
        let under_way_max = self.options.in_flight_max.div_ceil(2);
        while self.outbox_rests.is_none()
            && self.pending.room() > 0
            && self.outbox.under_way() < under_way_max
            && let Some(uid) = self.session.as_ref().map(|session| session.uid())
            && let Some(command) = self.outbox.next(uid)
        {
            self.start(connection, Request { command, asker: Asker::Outbox }).await;
        }
    }

    /// What became of a message that was posted.
    pub(super) async fn post_answered(
        &mut self,
        command: Command,
        outcome: Result<Reply, RequestError>,
    ) {
        let (Command::Send { client_msg_id, .. } | Command::SendGroup { client_msg_id, .. }) =
            command
        else {
            return;
        };
        let id = client_msg_id.unwrap_or_default();
        let outcome = match outcome {
            Err(RequestError::Refused(refusal)) if self.is_worth_another_try(&id, &refusal) => {
                let pause = pause_after(&refusal, &mut self.outbox_backoff);
                self.outbox_rests = Some(Instant::now() + pause);
                return self.outbox.put_back(&id);
            }
            Ok(reply) => stored(reply),
            Err(error) => Err(error),
        };
        let Some(Entry { to, .. }) = self.outbox.settled(&id) else { return };
        let gone = id.clone();
        // What this fails to note is sent once more after the next start, and is the same message.
        let _ = self.with_file(move |file| file.settled(&gone)).await;
        self.teller
            .tell(match outcome {
                Ok((msg_id, seq)) => {
                    self.outbox_backoff.start_over();
                    // It may be pushed once more, if its first answer was lost.
                    self.seen.is_new(msg_id);
                    Event::Stored { client_msg_id: id, to, msg_id, seq }
                }
                Err(error) => Event::Unsent { client_msg_id: id, to, error },
            })
            .await;
    }

    /// Whether the server may take it later.
    fn is_worth_another_try(&mut self, id: &str, refusal: &Refusal) -> bool {
        match refusal.why() {
            Why::Internal => self.outbox.failed(id) < FAILURES_MAX,
            _ => {
                self.outbox.put_off(id);
                may_pass(refusal)
            }
        }
    }

    /// Says what has arrived, and was handled by whoever takes the events.
    pub(super) async fn send_acks(&mut self, connection: &mut T::Connection) {
        for msg_id in self.acks.due(self.teller.handled(), self.pending.room()) {
            let request = Request { command: Command::Ack { msg_id }, asker: Asker::Worker };
            self.start(connection, request).await;
        }
    }
}
