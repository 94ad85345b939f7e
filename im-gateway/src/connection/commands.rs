//! What a connection does with each command, and with what comes of it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use im_wire::text::{Command, Reply, Slot, failure};
use mpim_proto::DeviceName;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Connection, Done};
use crate::config::ms;
use crate::events;
use crate::log_in;
use crate::mailbox::Mailbox;
use crate::sending::Target;
use crate::session::{Client, Ending, Session};
use crate::{commands, log_in::Proved};

impl Connection {
    /// Works on what the client has asked, as far as the protocol lets it.
    pub(super) fn take_commands(&mut self, now: Instant) {
        while self.drain_by.is_none()
            && let Some((slot, command)) = self.wire.next_command()
        {
            self.take(now, slot, command);
        }
    }

    fn take(&mut self, now: Instant, slot: Slot, command: Command) {
        let gateway = Arc::clone(&self.gateway);
        let work = &mut self.work;
        let mut client = Client {
            wire: &mut self.wire,
            peer_has: self.peer_has,
            now,
            ids: &self.gateway.message_ids,
        };
        match (command, &mut self.session) {
            (command @ (Command::Login { .. } | Command::Register { .. }), _) => {
                let device = self.device.clone();
                work.push(Box::pin(async move {
                    Done::Proved { slot, outcome: log_in::prove(&gateway, command, device).await }
                }));
            }
            (Command::Help, _) => client.wire.reply(slot, Reply::Help),
            (Command::Ping, _) => client.wire.reply(slot, Reply::Pong),
            (Command::Device { .. }, Some(_)) => {
                client.wire.reply(slot, Reply::err(failure::ALREADY_LOGGED_IN));
            }
            (Command::Device { name }, None) => {
                client.wire.reply(slot, name_device(&mut self.device, name));
            }
            // A log-in that ended the former session may have failed to begin the next.
            (_, None) => client.wire.reply(slot, Reply::err(failure::NOT_LOGIN)),
            (Command::Logout, Some(session)) => {
                let (user_id, token) = (session.user_id(), session.token().to_owned());
                work.push(Box::pin(async move {
                    Done::Revoked { slot, outcome: log_in::revoke(&gateway, user_id, token).await }
                }));
            }
            (Command::Send { client_msg_id, to, text }, Some(session)) => {
                session.send(&mut client, Target::User(to), slot, client_msg_id, text);
            }
            (Command::SendGroup { client_msg_id, group_id, text }, Some(session)) => {
                session.send(&mut client, Target::Group(group_id), slot, client_msg_id, text);
            }
            (Command::Events { on }, Some(session)) => {
                session.want_events(on);
                client.wire.reply(slot, Reply::Events(on));
            }
            (Command::Receipts { on }, Some(session)) => {
                client.wire.reply(slot, session.want_receipts(on));
            }
            (Command::Priority { priority }, Some(session)) => {
                session.set_priority(priority);
                client.wire.reply(slot, Reply::Priority(priority));
            }
            (Command::Status { .. }, Some(session)) if !session.may_signal() => {
                client.wire.reply(slot, Reply::err(failure::SLOW_DOWN));
            }
            (Command::Status { status }, Some(session)) => {
                session.registration().handle().set_status(status);
                let user_id = session.user_id();
                work.push(Box::pin(async move {
                    events::status_changed(&gateway, user_id).await;
                    Done::Replied { slot, reply: Reply::Status(status) }
                }));
            }
            (Command::Typing { .. } | Command::Whisper { .. }, Some(session))
                if !session.may_signal() =>
            {
                client.wire.reply(slot, Reply::err(failure::SLOW_DOWN));
            }
            (Command::Typing { peer }, Some(session)) => {
                let user_id = session.user_id();
                work.push(Box::pin(async move {
                    let reply = events::typing(&gateway, user_id, peer).await;
                    Done::Replied { slot, reply }
                }));
            }
            (Command::Whisper { peer, text }, Some(session)) => {
                let user_id = session.user_id();
                work.push(Box::pin(async move {
                    let reply = events::whisper(&gateway, user_id, peer, text).await;
                    Done::Replied { slot, reply }
                }));
            }
            (Command::Pull, Some(session)) => session.pull(&client, slot),
            (Command::Ack { msg_id }, Some(session)) => {
                session.acknowledge(msg_id);
                client.wire.reply(slot, Reply::Acked);
            }
            (command, Some(session)) => {
                let user_id = session.user_id();
                work.push(Box::pin(async move {
                    let reply = commands::answer(&gateway, user_id, command).await;
                    Done::Replied { slot, reply }
                }));
            }
        }
    }

    pub(super) fn done(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Answer { session: number, answer } => {
                if let Some(session) = &mut self.session
                    && number == self.sessions
                {
                    let mut client = Client {
                        wire: &mut self.wire,
                        peer_has: self.peer_has,
                        now,
                        ids: &self.gateway.message_ids,
                    };
                    session.answered(&mut client, answer);
                }
            }
            Done::Replied { slot, reply } => self.wire.reply(slot, reply),
            Done::Proved { slot, outcome: Ok(proved) } => self.begin_session(slot, proved),
            Done::Bound { slot, outcome: Ok((registration, token)) } => {
                let user_id = registration.handle().user_id;
                let config = Arc::clone(&self.gateway.session_config);
                let retry_ms = self.gateway.config.calls.retry_ms;
                let remembered_max = self.gateway.config.original.remembered_max();
                let session =
                    Session::new(registration, token, config, remembered_max, retry_ms, now);
                self.sessions += 1;
                self.session = Some(Box::new(session));
                self.wire.reply(slot, Reply::Uid(user_id));
            }
            Done::Revoked { slot, outcome: Ok(()) } => self.end_session(slot),
            Done::LoggedOut { slot } => {
                self.login_by = now + ms(self.gateway.config.text.login_timeout_ms);
                self.wire.reply(slot, Reply::LoggedOut);
            }
            Done::Proved { slot, outcome: Err(reply) }
            | Done::Bound { slot, outcome: Err(reply) }
            | Done::Revoked { slot, outcome: Err(reply) } => self.wire.reply(slot, reply),
        }
    }

    /// Somebody has proved who they are. Whoever was logged in on this connection is logged out
    /// first: one connection is one session.
    fn begin_session(&mut self, slot: Slot, proved: Proved) {
        self.login_by = Instant::now() + ms(self.gateway.config.text.login_timeout_ms);
        self.observe();
        let former = self.session.take().map(|session| {
            let (user_id, token) = (session.user_id(), session.token().to_owned());
            (user_id, token, self.hand_over(session.end(Some(self.peer_has))))
        });
        let Proved { user_id, token, device, generation, unbegun } = proved;
        let gateway = Arc::clone(&self.gateway);
        let wake = Arc::clone(&self.control.wake);
        let mailbox = Mailbox::new(gateway.config.session.mailbox_max, wake);
        self.work.push(Box::pin(async move {
            if let Some((user_id, token, handed_over)) = former {
                handed_over.await;
                // Nobody waits for this to be certain: the user has not asked to be logged out.
                let _ = log_in::revoke(&gateway, user_id, token).await;
            }
            // Added before it is bound, so that no push can come and not find it.
            let registration = gateway.sessions.add(user_id, (device, generation), mailbox);
            let outcome = match log_in::begin(&gateway, &registration, &token).await {
                Ok(()) => Ok((registration, token)),
                Err(reply) => {
                    // A token that nobody was told about must not stay behind.
                    let _ = log_in::revoke(&gateway, user_id, token).await;
                    Err(reply)
                }
            };
            unbegun.settled();
            Done::Bound { slot, outcome }
        }));
    }

    /// `LOGOUT`, once the token is revoked.
    fn end_session(&mut self, slot: Slot) {
        // What the client had when it asked came with the bytes of its command.
        self.observe();
        let ending = self.session.take().map(|session| session.end(Some(self.peer_has)));
        let handed_over = ending.map(|ending| self.hand_over(ending));
        self.work.push(Box::pin(async move {
            if let Some(handed_over) = handed_over {
                handed_over.await;
            }
            Done::LoggedOut { slot }
        }));
    }

    /// Ends a session that the connection has left. In a task of its own, for the connection may
    /// break meanwhile, and the work of one that breaks is dropped.
    fn hand_over(&self, ending: Ending) -> impl Future<Output = ()> + Send + use<> {
        let (done, ended) = oneshot::channel::<()>();
        let gateway = Arc::clone(&self.gateway);
        self.gateway.tasks.spawn("hand-over", async move {
            log_in::hand_over(&gateway, ending).await;
            drop(done);
        });
        // It is only ever dropped.
        ended.map(drop)
    }
}

/// `DEVICE`.
fn name_device(device: &mut String, name: String) -> Reply {
    if DeviceName::parse(&name).is_none() {
        return Reply::err(failure::BAD_DEVICE);
    }
    device.clone_from(&name);
    Reply::Device(name)
}
