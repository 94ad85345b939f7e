//! Events (QoS 0): what clients are told of and nobody keeps.
//!
//! They go beside messages and never before them: they have a call of their own from im-presence, a
//! bound of their own in the mailbox, and are written only while little is on its way to the client.
//! Whatever finds no room is dropped and counted.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;
use futures_util::{StreamExt as _, TryStreamExt as _};
use im_wire::{Peer, Receipt, Reply, Shown, Why, failure};
use mpim_proto::event::Content;
use mpim_proto::{
    Event, EventDelivery, GetPresenceReq, SignalReq, StatusChangedReq, UserPresence, UserStatus,
    signal_req,
};
use mprpc::{Code, Context, Status};

use crate::commands::refusal;
use crate::config::ms;
use crate::gateway::Gateway;
use crate::metrics::METRICS;
use crate::sessions::Sessions;

/// What a session may want to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// `EVENTS on`.
    Happening,
    /// `RECEIPTS on`.
    Receipt,
}

/// Leaves an event with those sessions of its recipients that want its kind.
pub(crate) fn leave(sessions: &Sessions, delivery: EventDelivery) {
    // One of a kind that is newer than this gateway.
    let Some((kind, event)) = delivery.event.and_then(shown) else { return };
    let event = Arc::new(Shown::event(event));
    for to in delivery.recipients {
        sessions.leave(to, |session| session.mailbox.leave_event(kind, &event));
    }
}

fn shown(event: Event) -> Option<(EventKind, im_wire::Event)> {
    let group = |group_id: i64| Some(group_id).filter(|group_id| *group_id != 0);
    let event = match event.content? {
        Content::Receipt(receipt) => {
            let position = |seq: i64| Some(seq).filter(|seq| *seq > 0);
            let receipt = Receipt {
                from: receipt.user_id,
                group_id: group(receipt.group_id),
                delivered: position(receipt.delivered_seq),
                read: position(receipt.read_seq),
            };
            return Some((EventKind::Receipt, im_wire::Event::Receipt(receipt)));
        }
        Content::Text(said) => im_wire::Event::Whisper {
            from: said.from,
            group_id: group(said.group_id),
            text: said.text,
        },
        Content::Typing(typing) => {
            im_wire::Event::Typing { from: typing.from, group_id: group(typing.group_id) }
        }
        Content::Status(event) => {
            im_wire::Event::Presence { uid: event.user_id, status: to_wire(event.status()) }
        }
    };
    Some((EventKind::Happening, event))
}

/// What the sessions of `user_ids` here say of their users.
pub(crate) fn statuses(sessions: &Sessions, user_ids: Vec<i64>) -> Vec<UserPresence> {
    let of = |user_id| {
        let statuses = sessions.statuses(user_id).into_iter();
        statuses.map(move |status| UserPresence { user_id, status: from_wire(status).into() })
    };
    user_ids.into_iter().flat_map(of).collect()
}

/// `STATUS`, once the session has it: friends are told when im-presence has time for it.
pub(crate) async fn status_changed(gateway: &Gateway, user_id: i64) {
    let Ok(_place) = gateway.signals.try_acquire() else {
        METRICS.events_dropped_calls.increment(1);
        return;
    };
    let cx = Context::with_timeout(ms(gateway.config.calls.signal_timeout_ms));
    let cx = cx.with_affinity(status_key(user_id));
    let request = StatusChangedReq { user_id };
    if let Err(status) = gateway.services.presence.status_changed(&cx, request).await {
        tracing::debug!(%status, "a status was not told");
        METRICS.events_dropped_calls.increment(1);
    }
}

/// `PRESENCE`.
pub(crate) async fn presence(
    gateway: &Gateway,
    cx: &Context,
    asker_id: i64,
    user_id: i64,
) -> Result<Reply, Status> {
    let request = GetPresenceReq { asker_id, user_ids: vec![user_id] };
    // Asked of the instance that hears of the user's sessions: it knows who has only just gone.
    let cx = cx.with_affinity(status_key(user_id));
    let answer = gateway.services.presence.get_presence(&cx, request).await?;
    let status = answer.users.first().map_or(UserStatus::Offline, UserPresence::status);
    let presence = || Reply::Presence(user_id, to_wire(status));
    Ok(refusal(answer.result).unwrap_or_else(presence))
}

/// Questions of one `PresenceOf` that are under way at a time.
const ASKED_MAX: usize = 8;

/// `Presence` of several, each of whom one instance knows best. Whoever is no friend counts as offline.
pub(crate) async fn presence_of(
    gateway: &Gateway,
    cx: &Context,
    asker_id: i64,
    user_ids: Vec<i64>,
) -> Result<Reply, Status> {
    let asked = user_ids.into_iter().map(|user_id| async move {
        match presence(gateway, cx, asker_id, user_id).await? {
            Reply::Presence(_, status) => Ok(Ok((user_id, status))),
            Reply::Err(refusal) if refusal.why() == Why::NotAllowed => {
                Ok(Ok((user_id, im_wire::Status::Offline)))
            }
            refused => Ok::<_, Status>(Err(refused)),
        }
    });
    let answers = futures_util::stream::iter(asked).buffered(ASKED_MAX);
    let answers: Vec<_> = answers.try_collect().await?;
    let statuses: Result<Vec<_>, Reply> = answers.into_iter().collect();
    Ok(statuses.map_or_else(|refused| refused, Reply::PresenceOf))
}

/// Whatever concerns the status of one user goes to one instance of im-presence, if it can: it
/// remembers what friends were told.
pub(crate) fn status_key(user_id: i64) -> u64 {
    FixedState::default().hash_one(user_id)
}

fn to_wire(status: UserStatus) -> im_wire::Status {
    match status {
        UserStatus::Offline => im_wire::Status::Offline,
        UserStatus::Online => im_wire::Status::Online,
        UserStatus::Busy => im_wire::Status::Busy,
        UserStatus::Away => im_wire::Status::Away,
    }
}

fn from_wire(status: im_wire::Status) -> UserStatus {
    match status {
        im_wire::Status::Offline => UserStatus::Offline,
        im_wire::Status::Online => UserStatus::Online,
        im_wire::Status::Busy => UserStatus::Busy,
        im_wire::Status::Away => UserStatus::Away,
    }
}

/// `TYPING`: tells those in the conversation who are there now, unless there is too much to do.
pub(crate) async fn typing(gateway: &Gateway, user_id: i64, peer: Peer) -> Reply {
    let content = signal_req::Content::Typing(true);
    signal(gateway, user_id, peer, content).await.unwrap_or(Reply::Typing)
}

/// `WHISPER`: the same with a text.
pub(crate) async fn whisper(gateway: &Gateway, user_id: i64, peer: Peer, text: String) -> Reply {
    let content = signal_req::Content::Text(text);
    signal(gateway, user_id, peer, content).await.unwrap_or(Reply::Whispered)
}

/// `None` unless it is refused: also if it was dropped, for nobody was promised that anybody is told.
async fn signal(
    gateway: &Gateway,
    user_id: i64,
    peer: Peer,
    content: signal_req::Content,
) -> Option<Reply> {
    let Ok(_place) = gateway.signals.try_acquire() else {
        METRICS.events_dropped_calls.increment(1);
        return None;
    };
    let request = SignalReq {
        from: user_id,
        to: Some(match peer {
            Peer::User(to) => signal_req::To::ToUser(to),
            Peer::Group(to) => signal_req::To::ToGroup(to),
        }),
        content: Some(content),
    };
    let cx = Context::with_timeout(ms(gateway.config.calls.signal_timeout_ms));
    match gateway.services.message.signal(&cx, request).await {
        Ok(answer) => refusal(answer.result),
        Err(status) if status.code() == Code::Unimplemented => {
            Some(Reply::err(failure::NOT_SUPPORTED))
        }
        Err(status) => {
            tracing::debug!(%status, "a signal was dropped");
            METRICS.events_dropped_calls.increment(1);
            None
        }
    }
}
