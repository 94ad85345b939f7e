//! The requests in flight, and which of them may be sent again.

use crate::error::RequestError;
use im_wire::{Command, Credential, Reply};
use std::collections::VecDeque;
use tokio::{sync::oneshot, time::Instant};

/// A request, and who asks.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) asker: Asker,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum Asker {
    /// To whoever waits for it.
    Caller(oneshot::Sender<Answered>),
    /// To the outbox, which asks again by itself on the next connection.
    Outbox,
    /// To the session, which asks again by itself on the next connection.
    Refresh,
    /// Nowhere.
    Worker,
}

/// What became of a request, and when, in terms of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The answer.
    pub outcome: Result<Reply, RequestError>,
    /// How many events the client had passed on before this answer came. With
    /// [`Events::taken`](crate::Events::taken) it tells which came first.
    pub after_events: u64,
}

impl Request {
    pub(crate) fn answer(self, outcome: Result<Reply, RequestError>, after_events: u64) {
        if let Asker::Caller(answer) = self.asker {
            // An error means that the caller has given up.
            let _ = answer.send(Answered { outcome, after_events });
        }
    }

    /// Whether nobody waits for the answer on another connection.
    fn is_given_up(&self) -> bool {
        match &self.asker {
            Asker::Caller(answer) => answer.is_closed(),
            Asker::Outbox | Asker::Refresh | Asker::Worker => true,
        }
    }
}

/// Requests that were taken on and not answered, oldest first.
///
/// A request stays in its place until its answer came, even when its caller has given up: else the
/// next in line would get that answer.
#[derive(Debug)]
pub(crate) struct Pending {
    requests: VecDeque<InFlight>,
    max: usize,
}

#[derive(Debug)]
struct InFlight {
    request: Request,
    /// When it was given to the present connection, if it was.
    written_at: Option<Instant>,
}

impl Pending {
    pub(crate) fn new(max: usize) -> Self {
        Self { requests: VecDeque::new(), max }
    }

    /// How many more may be taken on.
    pub(crate) fn room(&self) -> usize {
        self.max.saturating_sub(self.requests.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes a request on, behind all others.
    pub(crate) fn push(&mut self, request: Request, written_at: Option<Instant>) {
        self.requests.push_back(InFlight { request, written_at });
    }

    /// The request that the next answer belongs to.
    pub(crate) fn pop(&mut self) -> Option<Request> {
        self.requests.pop_front().map(|in_flight| in_flight.request)
    }

    /// Since when the oldest request has been waiting for its answer.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.requests.front().and_then(|in_flight| in_flight.written_at)
    }

    /// The connection is gone: keeps, in order, what may be sent again and somebody waits for. The
    /// callers of the others learn that the outcome is unknown.
    pub(crate) fn connection_lost(&mut self, after_events: u64) {
        for InFlight { request, written_at } in std::mem::take(&mut self.requests) {
            if request.is_given_up() {
                continue;
            }
            if written_at.is_none() || may_run_twice(&request.command) {
                self.push(request, None);
            } else {
                request.answer(Err(RequestError::Lost), after_events);
            }
        }
    }

    /// Gives every request to a new connection, in order; those that nobody waits for any more
    /// are dropped, and those that it cannot say are answered.
    pub(crate) fn start_all(
        &mut self,
        now: Instant,
        after_events: u64,
        mut start: impl FnMut(&Command) -> Result<(), RequestError>,
    ) {
        for InFlight { request, .. } in std::mem::take(&mut self.requests) {
            if request.is_given_up() {
                continue;
            }
            match start(&request.command) {
                Ok(()) => self.push(request, Some(now)),
                Err(error) => request.answer(Err(error), after_events),
            }
        }
    }

    /// Answers every request with the same error.
    pub(crate) fn fail_all(&mut self, error: &RequestError, after_events: u64) {
        for in_flight in std::mem::take(&mut self.requests) {
            in_flight.request.answer(Err(error.clone()), after_events);
        }
    }
}

/// Whether running it a second time changes nothing. A send does not, since it carries an id that
/// the server knows again.
fn may_run_twice(command: &Command) -> bool {
    match command {
        Command::Send { client_msg_id, .. } | Command::SendGroup { client_msg_id, .. } => {
            client_msg_id.is_some()
        }
        // A new account is there the second time.
        Command::LogIn(log_in) => !matches!(log_in.credential, Credential::New { .. }),
        Command::Message(message) => message.client_msg_id.is_some(),
        Command::Login { .. }
        | Command::Logout
        | Command::LogoutEverywhere
        | Command::Pull
        | Command::Ack { .. }
        | Command::History { .. }
        | Command::Recent { .. }
        | Command::Read { .. }
        | Command::Conversations { .. }
        | Command::GetFriends
        | Command::Block { .. }
        | Command::Unblock { .. }
        | Command::Blocked
        | Command::Members { .. }
        | Command::Groups
        | Command::Group { .. }
        | Command::Users { .. }
        | Command::UserNamed { .. }
        | Command::PresenceOf { .. }
        | Command::Device { .. }
        | Command::Devices
        | Command::Revoke { .. }
        | Command::Events { .. }
        | Command::Typing { .. }
        | Command::Whisper { .. }
        | Command::Receipts { .. }
        | Command::ReceiptsOf { .. }
        | Command::Priority { .. }
        | Command::Status { .. }
        | Command::Presence { .. }
        | Command::Help
        | Command::WhoAmI
        | Command::Ping => true,
        // The second time these answer `exists`, `already friends`, or make a second one.
        // A refresh token is good once, and so is a password that is replaced.
        Command::Register { .. }
        | Command::Refresh { .. }
        | Command::ChangePassword { .. }
        | Command::AddFriend { .. }
        | Command::RemoveFriend { .. }
        | Command::CreateGroup { .. }
        | Command::JoinGroup { .. }
        | Command::LeaveGroup { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(command: Command) -> (Request, oneshot::Receiver<Answered>) {
        let (answer, answered) = oneshot::channel();
        (Request { command, asker: Asker::Caller(answer) }, answered)
    }

    #[tokio::test]
    async fn a_lost_connection_leaves_what_may_run_twice_or_was_never_written() {
        let mut pending = Pending::new(8);
        let join = || request(Command::JoinGroup { group_id: 4 });
        let (pull, _pull) = request(Command::Pull);
        let (written, mut lost) = join();
        let (given_up, _) = request(Command::Groups);
        let (unwritten, _unwritten) = join();
        for (request, written) in [(pull, true), (written, true), (given_up, true)] {
            pending.push(request, written.then(Instant::now));
        }
        pending.push(unwritten, None);

        pending.connection_lost(3);
        let outcome = Err(RequestError::Lost);
        assert_eq!(lost.try_recv(), Ok(Answered { outcome, after_events: 3 }));
        assert_eq!(pending.requests.len(), 2, "what was given up makes room");
        let mut started = Vec::new();
        pending.start_all(Instant::now(), 3, |command| {
            started.push(command.name());
            Ok(())
        });
        assert_eq!(started, ["PULL", "JOINGROUP"]);
    }

    #[tokio::test]
    async fn a_request_that_was_given_up_keeps_its_place_while_the_connection_lives() {
        let mut pending = Pending::new(8);
        let (first, given_up) = request(Command::Pull);
        let (second, mut answered) = request(Command::Groups);
        pending.push(first, Some(Instant::now()));
        pending.push(second, Some(Instant::now()));
        drop(given_up);
        for reply in [Reply::PullDone, Reply::Groups(vec![4])] {
            pending.pop().expect("a place").answer(Ok(reply), 0);
        }
        let outcome = answered.try_recv().expect("answered").outcome;
        assert_eq!(outcome, Ok(Reply::Groups(vec![4])));
    }
}
