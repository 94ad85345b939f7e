//! A session: one log-in on one connection, from its sync to its last cursor.
//!
//! It decides and does nothing: the connection feeds it with what was left in its mailbox, with the
//! client's sends and with the answers of services, and carries out the [`Call`]s that it wants.

mod answers;
mod directs;
mod events;
mod retry;
mod room;
mod verify;

use std::collections::VecDeque;
use std::sync::Arc;

use im_common::walk;
use im_wire::{Outgoing, Peer, Reply, Slot, failure};
use mpim_proto::{ListBehindResp, Position, SendOutcome};
use tokio::time::Instant;

use crate::config::{SessionConfig, ms};
use crate::cursors::{Cursors, Moves};
use crate::delivery::{ConvId, Timelines, Verdict, Wish};
use crate::direct::{Direct, Directs};
use crate::fetches::Page;
use crate::mailbox::{Mail, Post};
use crate::message_ids::MessageIds;
use crate::pushed::Pushed;
use crate::rate::Rate;
use crate::sending::{Batch, Sending};
use crate::sessions::Registration;
use crate::sync::Sync;
use crate::window::{Step, Window};
use crate::wire::Wire;
pub(crate) use answers::reply_to_send;
use retry::Retry;
use verify::Verify;

/// Conversations in one question for positions.
const LOCATE_MAX: usize = 256;

/// What a session wants from the services.
#[derive(Debug)]
pub(crate) enum Call {
    Send(Batch),
    Locate(Vec<ConvId>),
    Fetch {
        conv_id: ConvId,
        after_seq: i64,
    },
    ListBehind {
        after: String,
    },
    AdvanceCursors(Moves),
    Bind,
    /// Whether the session may go on, by its token if nothing else is known of its log-in.
    Verify(String),
}

/// What became of a call. An error was logged already; what it says to the client is its text.
#[derive(Debug)]
pub(crate) enum Answer {
    Sent {
        target: Peer,
        slots: Vec<Slot>,
        outcome: Result<Vec<SendOutcome>, &'static str>,
    },
    Located {
        asked: Vec<ConvId>,
        positions: Result<Vec<Position>, Failed>,
    },
    Fetched {
        conv_id: ConvId,
        page: Result<Page, Failed>,
    },
    Listed(Result<ListBehindResp, Failed>),
    /// Instead of `Listed`, from an im-message of the original: everything that waited.
    Pulled(Result<Vec<Direct>, Failed>),
    Advanced(Result<(), Failed>),
    Bound(Result<(), Failed>),
    Verified(Result<bool, Failed>),
}

/// A service did not do what it was asked for; it can be asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

/// The client's side of the connection, as a session sees it.
pub(crate) struct Client<'a> {
    pub(crate) wire: &'a mut Wire,
    /// So many bytes of the output are known to be with the peer.
    pub(crate) peer_has: u64,
    pub(crate) now: Instant,
    pub(crate) ids: &'a MessageIds,
}

/// What is left to do when a session has ended.
pub(crate) struct Ending {
    pub(crate) registration: Registration,
    pub(crate) moves: Moves,
    pub(crate) token: String,
}

/// A `PULL` that is not answered.
struct Pull {
    slot: Slot,
    /// The comparison of heads that it waits for.
    sync: u64,
    /// Then, what has to stand before its reply.
    targets: Option<Vec<(ConvId, i64)>>,
}

/// See the module.
pub(crate) struct Session {
    registration: Registration,
    /// Empty if the log-in is known without it.
    token: String,
    config: Arc<SessionConfig>,
    /// When what the session needs may be asked for.
    retry: Retry,
    rate: Rate,
    signal_rate: Rate,
    sending: Sending,
    timelines: Timelines,
    directs: Directs,
    /// Whether im-message is the original's, which keeps no timelines; its first answer tells.
    original: Option<bool>,
    window: Window,
    cursors: Cursors,
    sync: Sync,
    pull: Option<Pull>,
    /// The route is to be bound again.
    bind: bool,
    binding: bool,
    /// When to ask whether the session may go on.
    verify: Verify,
    /// Cursors may be written now.
    write_cursors: bool,
    /// After a failure, they are not written before this.
    cursors_at: Option<Instant>,
    fetching: usize,
    /// Calls that are wanted already.
    calls: VecDeque<Call>,
    /// Grows whenever the client acknowledged something.
    acknowledged: u64,
}

impl Session {
    /// A session whose route was just bound; it wants to sync at once.
    pub(crate) fn new(
        registration: Registration,
        token: String,
        config: Arc<SessionConfig>,
        remembered_max: usize,
        retry_ms: u32,
        now: Instant,
    ) -> Self {
        let token = registration.handle().held.map_or(token, |_| String::new());
        let rate = Rate::per_second(config.messages_per_s, now);
        let signal_rate = Rate::per_second(config.signals_per_s, now);
        let directs = Directs::new(config.mailbox_max, remembered_max);
        let mut sync = Sync::default();
        sync.want(now);
        Self {
            registration,
            token,
            config,
            retry: Retry::new(ms(retry_ms)),
            rate,
            signal_rate,
            sending: Sending::default(),
            timelines: Timelines::default(),
            directs,
            original: None,
            window: Window::default(),
            cursors: Cursors::default(),
            sync,
            pull: None,
            bind: false,
            binding: false,
            verify: Verify::default(),
            write_cursors: false,
            cursors_at: None,
            fetching: 0,
            calls: VecDeque::new(),
            acknowledged: 0,
        }
    }

    pub(crate) fn user_id(&self) -> i64 {
        self.registration.handle().user_id
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A message of the client's, answered in its slot once it is stored or refused.
    pub(crate) fn send(&mut self, client: &mut Client<'_>, slot: Slot, message: Outgoing) {
        if let Err(wait) = self.rate.take(client.now) {
            client.wire.reply(slot, Reply::slow_down(wait));
            return;
        }
        if self.original == Some(true) && message.client_msg_id.is_some() {
            // The promise that the same id gives the same message could not be kept.
            client.wire.reply(slot, Reply::err(failure::NOT_SUPPORTED));
            return;
        }
        let manner = self.manner_of(&message);
        let Outgoing { client_msg_id, to, text, .. } = message;
        let client_msg_id = client_msg_id.unwrap_or_else(|| client.ids.make());
        self.sending.push(to, slot, manner, mpim_proto::Outgoing { client_msg_id, text });
    }

    /// `PULL`: its reply comes when everything that waits now was shown.
    pub(crate) fn pull(&mut self, client: &Client<'_>, slot: Slot) {
        let sync = self.sync.want_now(client.now);
        // Somebody waits: no reason to hold back after an earlier failure.
        self.retry.hurry();
        self.pull = Some(Pull { slot, sync, targets: None });
    }

    /// `ACK`.
    pub(crate) fn acknowledge(&mut self, msg_id: i64) {
        let delivered = self.window.acknowledged(msg_id);
        self.acknowledged += 1;
        self.delivered(delivered);
    }

    /// Takes what was left in the mailbox; whoever calls looks after `close`.
    pub(crate) fn receive(&mut self, client: &mut Client<'_>, post: Post) {
        post.acknowledged.into_iter().for_each(|msg_id| self.acknowledge(msg_id));
        for mail in post.mail {
            match mail {
                Mail::Entry(entry) => {
                    let room = self.has_room(client);
                    let verdict = self.timelines.offer(entry.conv_id(), entry.seq(), room);
                    if verdict == Verdict::Next {
                        self.step_to(client, &entry);
                    }
                }
                Mail::Direct(direct) => self.take_direct(client.now, direct),
            }
        }
        for (conv_id, head) in post.heads {
            self.timelines.raise(&conv_id, head);
        }
        if let Some(spread) = post.sync_within {
            self.sync.want(client.now + spread.mul_f64(fastrand::f64()));
        }
        if let Some(spread) = post.bind {
            self.bind = true;
            // Whoever ended it may not have found it, since its route was lost.
            // An im-user that knows no devices gives tokens that it has no more to say about.
            if self.registration.handle().generation != 0 {
                self.verify.want(client.now, spread);
            }
        }
        self.show_events(client, post.events);
    }

    /// The next thing that the session wants from the services now.
    pub(crate) fn next_call(&mut self, client: &Client<'_>) -> Option<Call> {
        if let Some(batch) = self.sending.next_batch(self.config.batch()) {
            return Some(Call::Send(batch));
        }
        if std::mem::take(&mut self.write_cursors) && self.cursors.is_due() {
            return Some(Call::AdvanceCursors(self.cursors.hand_over()));
        }
        if self.verify.is_due(client.now) {
            return Some(Call::Verify(self.token.clone()));
        }
        if self.calls.is_empty() && self.retry.allows(client.now) {
            self.want_calls(client);
        }
        self.calls.pop_front()
    }

    fn want_calls(&mut self, client: &Client<'_>) {
        if self.bind && !self.binding {
            (self.bind, self.binding) = (false, true);
            self.calls.push_back(Call::Bind);
        }
        if self.directs.is_empty()
            && let Some(after) = self.sync.next_page(client.now)
        {
            self.calls.push_back(Call::ListBehind { after });
        }
        if !self.has_room_for_a_page(client) {
            return;
        }
        let mut asked = Vec::new();
        while self.fetching < self.config.fetches_max && asked.len() < LOCATE_MAX {
            match self.timelines.next_wish() {
                None => break,
                Some(Wish::Position(conv_id)) => asked.push(conv_id),
                Some(Wish::Fetch { conv_id, after_seq }) => {
                    self.fetching += 1;
                    self.calls.push_back(Call::Fetch { conv_id, after_seq });
                }
            }
        }
        if !asked.is_empty() {
            self.fetching += 1;
            self.calls.push_back(Call::Locate(asked));
        }
    }

    /// Shows what waits for room, and answers a `PULL` once everything before it is written.
    pub(crate) fn answer_pull(&mut self, client: &mut Client<'_>) {
        self.show_directs(client);
        let Some(pull) = &mut self.pull else { return };
        if !self.directs.is_empty() {
            return;
        }
        if pull.targets.is_none() && self.sync.has_completed(pull.sync) {
            let behind = self.timelines.behind();
            pull.targets =
                Some(behind.map(|(conv_id, head)| (Arc::clone(conv_id), head)).collect());
        }
        let Some(targets) = &mut pull.targets else {
            return;
        };
        targets.retain(|(conv_id, head)| !self.timelines.has_reached(conv_id, *head));
        if targets.is_empty()
            && let Some(pull) = self.pull.take()
        {
            client.wire.reply(pull.slot, Reply::PullDone);
        }
    }

    /// From time to time: what the kernel delivered counts, and with `write` cursors are written.
    pub(crate) fn tick(&mut self, now: Instant, peer_has: u64, write: bool) {
        let delivered = self.window.kernel_has(peer_has);
        self.delivered(delivered);
        self.write_cursors |= write && self.cursors_at.is_none_or(|at| at <= now);
    }

    /// Whether a tick will find something to do.
    pub(crate) fn wants_tick(&self) -> bool {
        self.window.waits_for_kernel() || self.cursors.is_due()
    }

    /// How often the client has acknowledged something.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// When [`next_call`](Self::next_call) may want something that it does not want now.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let sync = if self.directs.is_empty() { self.sync.due_at(now) } else { None };
        let asked = match (sync, self.retry.at()) {
            (Some(sync), Some(retry_at)) => Some(sync.max(retry_at)),
            (sync, retry_at) => sync.or(retry_at),
        };
        asked.into_iter().chain(self.verify.at()).min()
    }

    /// Ends it: no more pushes. `peer_has`, if it is known, is the last word on what was delivered.
    pub(crate) fn end(mut self, peer_has: Option<u64>) -> Ending {
        self.registration.leave_pushes();
        let delivered = self.window.kernel_has(peer_has.unwrap_or(0));
        self.delivered(delivered);
        Ending {
            registration: self.registration,
            moves: self.cursors.into_rest(),
            token: self.token,
        }
    }

    /// The position has moved to `entry`: shows it, or passes it over.
    fn step_to(&mut self, client: &mut Client<'_>, entry: &Pushed) {
        if entry.is_leaving_of(self.user_id()) {
            self.timelines.left(entry.conv_id());
        }
        let session = self.registration.handle();
        match entry.shown_to(session.user_id, &session.device) {
            Some(shown) if self.directs.is_new(entry) => {
                let hop = walk::hop!("gateway.deliver");
                walk::record(&hop, [entry.msg_id()]);
                let end = hop.in_scope(|| client.wire.show(shown));
                self.window.shown(entry.step(), end);
                crate::metrics::METRICS.messages_shown.increment(1);
            }
            _ => self.window.passed_over(entry.step(), client.wire.output_end()),
        }
    }

    fn delivered(&mut self, steps: Vec<Step>) {
        steps.into_iter().for_each(|step| self.cursors.delivered(step));
    }
}
