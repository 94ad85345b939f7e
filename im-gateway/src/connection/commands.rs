//! What a connection does with each command, and with what comes of it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use im_wire::{Command, Credential, LogIn, Outgoing, Peer, Reply, Secret, Slot, failure};
use mpim_proto::{ChangePasswordReq, DeviceName, Granted};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Connection, Done};
use crate::events;
use crate::granting;
use crate::log_in;
use crate::mailbox::Mailbox;
use crate::session::{Client, Ending, Session};
use crate::sessions::Who;
use crate::{
    commands,
    log_in::{Asked, Begun, Proved, Revoked},
};

impl Connection {
    /// Works on what the client has asked, as far as the protocol lets it.
    pub(super) fn take_commands(&mut self, now: Instant) {
        while self.takes_commands(now)
            && let Some((slot, command)) = self.wire.next_command()
        {
            self.take(now, slot, command);
        }
    }

    /// Whether anything more is begun. Not once the time to log in is over, or whoever always has one
    /// more log-in under way could stay; nor while the sends that wait have as many bytes as they may.
    fn takes_commands(&self, now: Instant) -> bool {
        match &self.session {
            None => now < self.login_by,
            Some(session) => session.has_room_to_send(),
        }
    }

    /// What may be said without a session, and what begins one.
    fn take(&mut self, now: Instant, slot: Slot, command: Command) {
        match command {
            Command::Login { username, password } => {
                self.log_in(slot, Credential::Password { username, password }.into());
            }
            Command::Register { username, password } => {
                self.log_in(slot, Credential::New { username, password }.into());
            }
            Command::LogIn(log_in) => self.log_in(slot, *log_in),
            Command::Refresh { token } => {
                let gateway = Arc::clone(&self.gateway);
                let token = String::from_utf8_lossy(token.expose()).into_owned();
                self.later(slot, async move { told(granting::refresh(&gateway, token).await) });
            }
            Command::Help => self.wire.reply(slot, Reply::Help),
            Command::Ping => self.wire.reply(slot, Reply::Pong),
            Command::Device { .. } if self.session.is_some() => {
                self.wire.reply(slot, Reply::err(failure::ALREADY_LOGGED_IN));
            }
            Command::Device { name } => {
                self.wire.reply(slot, name_device(&mut self.device, name));
            }
            command => self.take_of_session(now, slot, command),
        }
    }

    /// Begins to find out who the client is.
    fn log_in(&mut self, slot: Slot, log_in: LogIn) {
        let LogIn { credential, device, wants } = log_in;
        let device = device.unwrap_or_else(|| self.device.clone());
        if DeviceName::parse(&device).is_none() {
            return self.wire.reply(slot, Reply::err(failure::BAD_DEVICE));
        }
        let gateway = Arc::clone(&self.gateway);
        let asked = Asked { device, refreshes: wants.refresh, from: self.from };
        self.work.push(Box::pin(async move {
            let outcome = log_in::prove(&gateway, credential, asked, wants).await;
            Done::Proved { slot, outcome }
        }));
    }

    /// What the session itself answers.
    fn take_of_session(&mut self, now: Instant, slot: Slot, command: Command) {
        let Some(session) = &mut self.session else {
            // A log-in that ended the former session may have failed to begin the next.
            return self.wire.reply(slot, Reply::err(failure::NOT_LOGIN));
        };
        let mut client = Client {
            wire: &mut self.wire,
            peer_has: self.peer_has,
            now,
            ids: &self.gateway.message_ids,
        };
        match command {
            Command::Send { client_msg_id, to, text } => {
                let message = plain(Peer::User(to), client_msg_id, text);
                session.send(&mut client, slot, message);
            }
            Command::SendGroup { client_msg_id, group_id, text } => {
                let message = plain(Peer::Group(group_id), client_msg_id, text);
                session.send(&mut client, slot, message);
            }
            Command::Message(message) => session.send(&mut client, slot, *message),
            Command::Pull => session.pull(&client, slot),
            Command::Ack { msg_id } => {
                session.acknowledge(msg_id);
                client.wire.reply(slot, Reply::Acked);
            }
            Command::Events { on } => {
                session.want_events(on);
                client.wire.reply(slot, Reply::Events(on));
            }
            Command::Receipts { on } => client.wire.reply(slot, session.want_receipts(on)),
            Command::Priority { priority } => {
                session.set_priority(priority);
                client.wire.reply(slot, Reply::Priority(priority));
            }
            command @ (Command::Status { .. }
            | Command::Typing { .. }
            | Command::Whisper { .. }) => match session.signals(now) {
                Ok(()) => self.ask(slot, command),
                Err(wait) => client.wire.reply(slot, Reply::slow_down(wait)),
            },
            command => self.ask(slot, command),
        }
    }

    /// What a service is asked for.
    fn ask(&mut self, slot: Slot, command: Command) {
        let Some(session) = &self.session else {
            return self.wire.reply(slot, Reply::err(failure::NOT_LOGIN));
        };
        let (gateway, user_id) = (Arc::clone(&self.gateway), session.user_id());
        match command {
            Command::LogoutEverywhere if session.registration().handle().held.is_none() => {
                // Beside services of the original system.
                self.wire.reply(slot, Reply::err(failure::NOT_SUPPORTED));
            }
            Command::Logout | Command::LogoutEverywhere => {
                let handle = session.registration().handle();
                handle.set_logging_out(true);
                let revoked = Revoked::of_session(handle, session.token());
                let revoked = match command {
                    Command::LogoutEverywhere => revoked.everywhere(),
                    _ => revoked,
                };
                self.work.push(Box::pin(async move {
                    Done::Revoked { slot, outcome: log_in::revoke(&gateway, revoked).await }
                }));
            }
            Command::ChangePassword { old, new } => {
                let handle = session.registration().handle();
                let Some(held) = handle.held.map(|held| held.said(handle)) else {
                    return self.wire.reply(slot, Reply::err(failure::NOT_SUPPORTED));
                };
                let [old_password, new_password] = [old, new].map(Secret::into_exposed);
                let (held, address) = (Some(held), granting::address(self.from));
                let token = String::new();
                let request =
                    ChangePasswordReq { held, old_password, new_password, token, address };
                self.later(slot, async move {
                    told(granting::change_password(&gateway, request).await)
                });
            }
            command @ Command::Revoke { .. } => {
                self.putting_out += 1;
                self.work.push(Box::pin(async move {
                    let reply = commands::answer(&gateway, user_id, command).await;
                    Done::PutOut { slot, reply }
                }));
            }
            Command::Status { status } => {
                session.registration().handle().set_status(status);
                self.later(slot, async move {
                    events::status_changed(&gateway, user_id).await;
                    Reply::Status(status)
                });
            }
            Command::Typing { peer } => {
                self.later(slot, async move { events::typing(&gateway, user_id, peer).await });
            }
            Command::Whisper { peer, text } => {
                self.later(
                    slot,
                    async move { events::whisper(&gateway, user_id, peer, text).await },
                );
            }
            command => {
                self.later(slot, async move { commands::answer(&gateway, user_id, command).await });
            }
        }
    }

    fn later(&mut self, slot: Slot, reply: impl Future<Output = Reply> + Send + 'static) {
        self.work.push(Box::pin(async move { Done::Replied { slot, reply: reply.await } }));
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
            Done::PutOut { slot, reply } => self.put_out(slot, reply),
            Done::Proved { slot, outcome: Ok(proved) } => self.begin_session(slot, proved),
            Done::Bound { slot, outcome: Ok(begun) } => self.begun(now, slot, begun),
            Done::Revoked { slot, outcome: Ok(()) } => self.end_session(slot),
            Done::LoggedOut { slot } => {
                self.login_by = now + self.wire.login_timeout(&self.gateway.config);
                self.wire.reply(slot, Reply::LoggedOut);
            }
            Done::Revoked { slot, outcome: Err(reply) } => {
                if let Some(session) = &mut self.session {
                    session.not_logged_out(now);
                }
                self.wire.reply(slot, reply);
            }
            Done::Proved { slot, outcome: Err(reply) }
            | Done::Bound { slot, outcome: Err(reply) } => self.wire.reply(slot, reply),
        }
    }

    /// Somebody has proved who they are. Whoever was logged in on this connection is logged out
    /// first: one connection is one session.
    fn begin_session(&mut self, slot: Slot, proved: Proved) {
        self.observe();
        let former = self.session.take().map(|session| {
            self.login_by = Instant::now() + self.wire.login_timeout(&self.gateway.config);
            let revoked = Revoked::of_session(session.registration().handle(), session.token());
            (revoked, self.hand_over(session.end(Some(self.peer_has))))
        });
        let Proved { logged_in, token, token_is_new, generation, held, wants, unbegun } = proved;
        let (user_id, device) = (logged_in.user_id, logged_in.device.clone());
        let who = Who { user_id, device, generation, held };
        let gateway = Arc::clone(&self.gateway);
        let wake = Arc::clone(&self.control.wake);
        let mailbox = Mailbox::new(gateway.config.session.mailbox_max, wake);
        self.work.push(Box::pin(async move {
            if let Some((revoked, handed_over)) = former {
                handed_over.await;
                // Nobody waits for this to be certain: the user has not asked to be logged out.
                let _ = log_in::revoke(&gateway, revoked).await;
            }
            // Added before it is bound, so that no push can come and not find it.
            let registration = gateway.sessions.add(who, mailbox);
            let outcome = match log_in::begin(&gateway, &registration, &token).await {
                Ok(()) => Ok(Begun { registration, logged_in, token, wants }),
                Err(reply) => {
                    // A token that nobody was told about must not stay behind. One that the client
                    // came with is the client's: its log-in goes on, and so do its other sessions.
                    if token_is_new {
                        let revoked = Revoked::of_session(registration.handle(), &token);
                        let _ = log_in::revoke(&gateway, revoked).await;
                    }
                    Err(reply)
                }
            };
            unbegun.settled();
            Done::Bound { slot, outcome }
        }));
    }

    /// The session begins.
    fn begun(&mut self, now: Instant, slot: Slot, begun: Begun) {
        let Begun { registration, logged_in, token, wants } = begun;
        let config = Arc::clone(&self.gateway.session_config);
        let retry_ms = self.gateway.config.calls.retry_ms;
        let remembered_max = self.gateway.config.original.remembered_max();
        let mut session = Session::new(registration, token, config, remembered_max, retry_ms, now);
        session.want(wants);
        self.sessions += 1;
        self.session = Some(Box::new(session));
        self.wire.reply(slot, Reply::LoggedIn(logged_in));
    }

    /// `REVOKE`, once it is answered.
    pub(super) fn put_out(&mut self, slot: Slot, reply: Reply) {
        self.putting_out -= 1;
        self.wire.reply(slot, reply);
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

/// The tokens that a log-in goes on with, or why it has none.
fn told(granted: Result<Granted, Reply>) -> Reply {
    granted.map_or_else(|refused| refused, |granted| Reply::Granted(granting::told(granted)))
}

/// A message that says nothing of itself.
fn plain(to: Peer, client_msg_id: Option<String>, text: String) -> Outgoing {
    Outgoing { client_msg_id, to, text, priority: None, receipts: None }
}

/// `DEVICE`.
fn name_device(device: &mut String, name: String) -> Reply {
    if DeviceName::parse(&name).is_none() {
        return Reply::err(failure::BAD_DEVICE);
    }
    device.clone_from(&name);
    Reply::Device(name)
}
