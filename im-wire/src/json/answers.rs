//! A reply to the body of an answer.

use super::shown::{Entry, MsgIdText, status_number};
use super::{About, Id, Me, Tag, kinds, session_id};
use crate::{Conv, Hist, LoggedIn, Peer, Receipt, Refreshes, Refusal, Reply, Status, User};
use serde::{Serialize, Serializer};

/// An answer's body. What is `None` is left out.
#[derive(Debug, Default, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MsgIdText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    of: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
}

/// What somebody is, or the canonical status of a refusal.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum StatusField {
    Of(u8),
    Refused(&'static str),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    LoggedIn {
        user_id: i64,
        username: &'a str,
        nickname: &'a str,
        #[serde(serialize_with = "exposed")]
        session_key: &'a crate::Secret,
        online_status: u8,
        device: &'a str,
        role: &'static str,
        #[serde(skip_serializing_if = "is_unknown")]
        expire_time: i64,
        #[serde(flatten)]
        refreshes: Option<Refreshing<'a>>,
    },
    WhoAmI {
        user_id: i64,
        username: &'a str,
        device: &'a str,
        role: &'static str,
    },
    UserIds {
        user_ids: &'a [i64],
    },
    GroupIds {
        group_ids: &'a [i64],
    },
    GroupId {
        group_id: i64,
    },
    Group {
        group_id: i64,
        name: &'a str,
        description: &'a str,
        creator_id: i64,
        created_at: i64,
    },
    Users {
        users: Vec<Named<'a>>,
    },
    Presence {
        presence: Vec<Present>,
    },
    Conversations {
        conversations: Vec<Listed<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_page: Option<&'a str>,
    },
    History {
        session_id: String,
        messages: Vec<Entry<'a>>,
    },
    Receipts {
        receipts: Vec<Position>,
    },
    Devices {
        devices: Vec<Device<'a>>,
    },
    On {
        on: bool,
    },
    Priority {
        priority: &'static str,
    },
    Empty {},
}

/// What a log-in goes on with.
#[derive(Debug, Serialize)]
struct Refreshing<'a> {
    #[serde(serialize_with = "exposed")]
    refresh_token: &'a crate::Secret,
    refresh_expire_time: i64,
}

/// A time that nobody has said.
fn is_unknown(seconds: &i64) -> bool {
    *seconds == 0
}

#[derive(Debug, Serialize)]
struct Listed<'a> {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<i64>,
    head_seq: i64,
    read_seq: i64,
    unread: u32,
    last_message: Option<Last<'a>>,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    message_id: MsgIdText,
    from_user_id: i64,
    content: &'a str,
    timestamp: i64,
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    user_id: i64,
    username: &'a str,
    nickname: &'a str,
}

#[derive(Debug, Serialize)]
struct Present {
    user_id: i64,
    status: u8,
}

#[derive(Debug, Serialize)]
struct Position {
    user_id: i64,
    delivered_seq: i64,
    read_seq: i64,
}

#[derive(Debug, Serialize)]
struct Device<'a> {
    name: &'a str,
    online: bool,
    current: bool,
}

fn exposed<S: Serializer>(secret: &crate::Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(secret.expose()))
}

/// The type and the body of an answer. The request's id stands in it, unless there is an envelope.
pub(super) fn answer(tag: &Tag, me: Option<&Me>, reply: &Reply) -> (u16, Vec<u8>) {
    let id = tag.id.as_ref().filter(|_| !tag.enveloped);
    let op = match tag.about {
        About::Operation(op) => Some(op),
        _ => None,
    };
    let (kind, answer) = match reply {
        Reply::Err(refusal) => refused(tag, refusal),
        reply => (kind_of(tag.kind), succeeded(tag, me, reply)),
    };
    (kind, to_json(&Answer { id, op, ..answer }))
}

/// The body that tells why a connection ends.
pub(crate) fn closing(reason: &str) -> Vec<u8> {
    let message = format!("closing {reason}");
    to_json(&Answer {
        code: crate::closing::closing_code(reason),
        message: &message,
        ..Answer::default()
    })
}

/// The body that tells why nothing begins.
pub(crate) fn refusal(refusal: &Refusal) -> Vec<u8> {
    let nothing = Tag::new(0);
    to_json(&refused(&nothing, refusal).1)
}

fn to_json(answer: &Answer<'_>) -> Vec<u8> {
    // Writing to memory does not fail, and no key is anything but a string.
    serde_json::to_vec(answer).unwrap_or_default()
}

/// The type of the answer to a request.
fn kind_of(kind: u16) -> u16 {
    match kind {
        kinds::TO_USER | kinds::TO_GROUP => kinds::CONFIRM,
        kinds::CONFIRM..=kinds::WHISPER | kinds::PRESENCE => kind,
        // The others have their own, which is the next.
        kind => kind + 1,
    }
}

fn refused<'a>(tag: &Tag, refusal: &'a Refusal) -> (u16, Answer<'a>) {
    let kind = tag.kind;
    let read = !matches!(tag.about, About::Unread);
    let own = read && kinds::has_own_answer(kind);
    let answer = Answer {
        code: refusal.code(),
        message: refusal.words(),
        status: Some(StatusField::Refused(refusal.why().canonical())),
        of: (!own && kind != 0).then_some(kind),
        retry_after_ms: refusal.retry_after_ms(),
        ..Answer::default()
    };
    (if own { kind + 1 } else { kinds::ERROR }, answer)
}

fn succeeded<'a>(tag: &'a Tag, me: Option<&'a Me>, reply: &'a Reply) -> Answer<'a> {
    let user_id = me.map_or(0, |me| me.user_id);
    let mut answer = Answer { message: "success", ..Answer::default() };
    match (&tag.about, reply) {
        (About::Message { to, client_msg_id }, reply) => {
            let (msg_id, seq) = match reply {
                Reply::MsgIdSeq(id, seq) | Reply::GroupMsgIdSeq(id, seq) => (*id, Some(*seq)),
                Reply::MsgId(id) | Reply::GroupMsgId(id) => (*id, None),
                _ => (0, None),
            };
            answer.kind = Some("sent");
            answer.message_id = Some(MsgIdText(msg_id));
            answer.client_message_id = client_msg_id.as_deref();
            answer.session_id = Some(session_id(user_id, *to));
            answer.seq = seq;
        }
        (About::Confirmed(kind), _) => answer.kind = Some(kind),
        (About::Nothing, Reply::PresenceOf(statuses)) => {
            let asked = statuses.first();
            answer.user_id = asked.map(|(user_id, _)| *user_id);
            answer.status = asked.map(|(_, status)| StatusField::Of(status_number(*status)));
        }
        (_, Reply::Status(status)) => {
            answer.user_id = Some(user_id);
            answer.status = Some(StatusField::Of(status_number(*status)));
        }
        (About::With(peer), Reply::History(messages)) => {
            let entry = |hist: &'a Hist<'static>| Entry::of_history(user_id, *peer, hist);
            let messages = messages.iter().map(entry).collect();
            answer.data = Some(Data::History { session_id: session_id(user_id, *peer), messages });
        }
        (_, reply) => {
            answer.message = words(reply);
            answer.data = data(tag, me, reply);
        }
    }
    answer
}

/// The words that text lines have for a success, where they have any.
fn words(reply: &Reply) -> &'static str {
    match reply {
        Reply::FriendAdded => "friend added",
        Reply::FriendRemoved => "friend removed",
        Reply::UserBlocked => "user blocked",
        Reply::UserUnblocked => "user unblocked",
        Reply::JoinedGroup => "joined group",
        Reply::LeftGroup => "left group",
        _ => "success",
    }
}

fn data<'a>(tag: &Tag, me: Option<&'a Me>, reply: &'a Reply) -> Option<Data<'a>> {
    Some(match reply {
        Reply::LoggedIn(logged_in) | Reply::Granted(logged_in) => of_log_in(logged_in),
        Reply::Uid(user_id) => {
            let me = me?;
            let (username, device, role) = (&me.username, &me.device, me.role.as_str());
            Data::WhoAmI { user_id: *user_id, username, device, role }
        }
        Reply::Friends(user_ids) | Reply::Blocked(user_ids) | Reply::Members(user_ids) => {
            Data::UserIds { user_ids }
        }
        Reply::Groups(group_ids) => Data::GroupIds { group_ids },
        Reply::GroupId(group_id) => Data::GroupId { group_id: *group_id },
        Reply::Group(group) => Data::Group {
            group_id: group.group_id,
            name: &group.name,
            description: &group.description,
            creator_id: group.creator_id,
            created_at: group.created_at_ms,
        },
        Reply::Users(users) => {
            let named = |User { user_id, username }: &'a User| Named {
                user_id: *user_id,
                username,
                nickname: username,
            };
            Data::Users { users: users.iter().map(named).collect() }
        }
        Reply::PresenceOf(statuses) => {
            let present = |(user_id, status): &(i64, Status)| Present {
                user_id: *user_id,
                status: status_number(*status),
            };
            Data::Presence { presence: statuses.iter().map(present).collect() }
        }
        Reply::Conversations { listed: all, next_page } => {
            let me = me.map_or(0, |me| me.user_id);
            let conversations = all.iter().map(|conv| listed(me, conv)).collect();
            Data::Conversations { conversations, next_page: next_page.as_deref() }
        }
        Reply::ReceiptsOf(all) => Data::Receipts { receipts: all.iter().map(position).collect() },
        Reply::Devices(all) => {
            let current = me.map_or("", |me| &me.device);
            let device = |(name, online): &'a (String, bool)| Device {
                name,
                online: *online,
                current: name == current,
            };
            Data::Devices { devices: all.iter().map(device).collect() }
        }
        Reply::Events(on) | Reply::Receipts(on) => Data::On { on: *on },
        Reply::Priority(priority) => Data::Priority { priority: priority.as_str() },
        _ if matches!(tag.about, About::Operation(_)) => Data::Empty {},
        _ => return None,
    })
}

fn of_log_in(logged_in: &LoggedIn) -> Data<'_> {
    let LoggedIn { user_id, username, role, device, token, expires_at_ms, refreshes } = logged_in;
    Data::LoggedIn {
        user_id: *user_id,
        username,
        nickname: username,
        session_key: token,
        online_status: 1,
        device,
        role: role.as_str(),
        expire_time: expires_at_ms / 1_000,
        refreshes: refreshes.as_ref().map(|Refreshes { token, expires_at_ms }| Refreshing {
            refresh_token: token,
            refresh_expire_time: expires_at_ms / 1_000,
        }),
    }
}

fn listed<'a>(me: i64, conv: &'a Conv<'static>) -> Listed<'a> {
    let (to_user_id, group_id) = match conv.peer {
        Peer::User(user_id) => (Some(user_id), None),
        Peer::Group(group_id) => (None, Some(group_id)),
    };
    let last = Last {
        message_id: MsgIdText(conv.last_msg_id),
        from_user_id: conv.from,
        content: &conv.text,
        timestamp: conv.ts_ms,
    };
    Listed {
        session_id: session_id(me, conv.peer),
        to_user_id,
        group_id,
        head_seq: conv.head,
        read_seq: conv.read,
        unread: conv.unread,
        last_message: (conv.last_msg_id != 0).then_some(last),
    }
}

fn position(receipt: &Receipt) -> Position {
    Position {
        user_id: receipt.from,
        delivered_seq: receipt.delivered.unwrap_or(0),
        read_seq: receipt.read.unwrap_or(0),
    }
}
