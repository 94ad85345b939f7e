//! The bodies that a server sends: answers, and what it shows.

use super::kinds;
use crate::protocol::Expected;
use im_wire::{
    Conv, Event, Group, Hist, LoggedIn, Message, Peer, Receipt, Refreshes, Refusal, Reply, Role,
    Secret, Status, User, What, Why,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use std::{borrow::Cow, time::Duration};

/// Every field that any body has. What is not there is `None`, and what is not known is skipped.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    pub(super) id: Option<u64>,
    /// An answer has one.
    pub(super) code: Option<u16>,
    message: Option<String>,
    retry_after_ms: Option<u32>,
    kind: Option<String>,
    #[serde(deserialize_with = "msg_id")]
    message_id: Option<i64>,
    from_user_id: Option<i64>,
    to_user_id: Option<i64>,
    group_id: Option<i64>,
    user_id: Option<i64>,
    content: Option<String>,
    timestamp: Option<i64>,
    seq: Option<i64>,
    delivered_seq: Option<i64>,
    /// What somebody is, or the canonical status of a refusal.
    status: Option<Value>,
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    user_id: Option<i64>,
    username: String,
    device: String,
    session_key: String,
    role: String,
    expire_time: Option<i64>,
    refresh_token: Option<String>,
    refresh_expire_time: Option<i64>,
    user_ids: Option<Vec<i64>>,
    group_ids: Option<Vec<i64>>,
    group_id: Option<i64>,
    name: Option<String>,
    description: String,
    creator_id: i64,
    created_at: i64,
    users: Option<Vec<Named>>,
    presence: Option<Vec<Present>>,
    next_page: Option<String>,
    messages: Option<Vec<Body>>,
    conversations: Option<Vec<Listed>>,
    receipts: Option<Vec<Position>>,
    devices: Option<Vec<Device>>,
}

#[derive(Deserialize)]
struct Listed {
    to_user_id: Option<i64>,
    group_id: Option<i64>,
    head_seq: i64,
    read_seq: i64,
    unread: u32,
    last_message: Option<Body>,
}

#[derive(Deserialize)]
struct Position {
    user_id: i64,
    #[serde(default)]
    delivered_seq: i64,
    #[serde(default)]
    read_seq: i64,
}

#[derive(Deserialize)]
struct Named {
    user_id: i64,
    username: String,
}

#[derive(Deserialize)]
struct Present {
    user_id: i64,
    status: u64,
}

#[derive(Deserialize)]
struct Device {
    name: String,
    online: bool,
}

/// A message's id: a string of digits.
fn msg_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let digits = Option::<Cow<'de, str>>::deserialize(from)?;
    digits.map(|digits| digits.parse().map_err(D::Error::custom)).transpose()
}

impl Body {
    /// Why the connection ends, if this says so.
    pub(super) fn closing(&self) -> Option<&str> {
        self.message.as_deref()?.strip_prefix("closing ")
    }

    /// The refusal that an answer is. Of words that are not known here its code and its status say what
    /// kind it is.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let code = self.code.filter(|code| *code != 0)?;
        let words = self.message.clone().unwrap_or_default();
        let status = self.status.as_ref().and_then(Value::as_str);
        let of_code = |why: &Why| why.code() == code && Some(why.canonical()) == status;
        let refusal = match Refusal::of(words.clone()) {
            known if known.code() == code => known,
            _ => Refusal::or(words, Why::ALL.into_iter().find(of_code).unwrap_or(Why::BadArgument)),
        };
        Some(match self.retry_after_ms {
            Some(ms) => refusal.retry_after(Duration::from_millis(ms.into())),
            None => refusal,
        })
    }

    fn message(self, to: Peer, me: i64) -> Option<Message> {
        let from = self.from_user_id?;
        Some(Message {
            msg_id: self.message_id?,
            seq: self.seq.unwrap_or(0),
            from,
            to,
            is_copy: from == me,
            ts_ms: self.timestamp.unwrap_or(0),
            text: self.content?,
        })
    }

    fn entry(self) -> Option<Hist<'static>> {
        Some(Hist {
            seq: self.seq?,
            msg_id: self.message_id?,
            from: self.from_user_id?,
            ts_ms: self.timestamp?,
            text: self.content?.into(),
        })
    }

    fn of_status(&self) -> Option<Status> {
        status(self.status.as_ref()?.as_u64()?)
    }
}

fn status(number: u64) -> Option<Status> {
    let all = [Status::Offline, Status::Online, Status::Busy, Status::Away];
    all.get(usize::try_from(number).ok()?).copied()
}

/// What a body shows that answers nothing; `None` for what is not known here.
pub(super) fn shown(kind: u16, body: Body, me: i64) -> Option<What> {
    Some(match kind {
        kinds::TO_USER => {
            let to = Peer::User(body.to_user_id?);
            What::Message(body.message(to, me)?)
        }
        kinds::TO_GROUP => {
            let to = Peer::Group(body.group_id.or(body.to_user_id)?);
            What::Message(body.message(to, me)?)
        }
        kinds::CONFIRM => {
            let (delivered, read) = match body.kind.as_deref()? {
                "delivered" => (body.seq, None),
                "read" => (body.delivered_seq, body.seq),
                _ => return None,
            };
            let (from, group_id) = (body.user_id?, body.group_id);
            What::Event(Event::Receipt(Receipt { from, group_id, delivered, read }))
        }
        kinds::TYPING => {
            What::Event(Event::Typing { from: body.from_user_id?, group_id: body.group_id })
        }
        kinds::WHISPER => {
            let (from, group_id) = (body.from_user_id?, body.group_id);
            What::Event(Event::Whisper { from, group_id, text: body.content? })
        }
        kinds::PRESENCE => {
            What::Event(Event::Presence { uid: body.user_id?, status: body.of_status()? })
        }
        _ => return None,
    })
}

/// The reply that a body says was granted; `None` where it lacks what the request asked for.
pub(super) fn reply(expected: Expected, body: Body) -> Option<Reply> {
    Some(match expected {
        Expected::Done(reply) => reply,
        Expected::Session => Reply::LoggedIn(Box::new(logged_in(body.data)?)),
        Expected::Granted => Reply::Granted(Box::new(logged_in(body.data)?)),
        Expected::Me => Reply::Uid(body.data.user_id?),
        Expected::Sent => match (body.message_id?, body.seq) {
            (msg_id, Some(seq)) => Reply::MsgIdSeq(msg_id, seq),
            (msg_id, None) => Reply::MsgId(msg_id),
        },
        Expected::SentToGroup => match (body.message_id?, body.seq) {
            (msg_id, Some(seq)) => Reply::GroupMsgIdSeq(msg_id, seq),
            (msg_id, None) => Reply::GroupMsgId(msg_id),
        },
        Expected::History => {
            let messages = body.data.messages?.into_iter().map(Body::entry);
            Reply::History(messages.collect::<Option<_>>()?)
        }
        Expected::Conversations => {
            let conversations = body.data.conversations?.into_iter().map(conversation);
            let listed = conversations.collect::<Option<_>>()?;
            Reply::Conversations { listed, next_page: body.data.next_page }
        }
        Expected::Receipts(peer) => {
            let group_id = match peer {
                Peer::Group(group_id) => Some(group_id),
                Peer::User(_) => None,
            };
            let receipt = |Position { user_id: from, delivered_seq, read_seq }| {
                let told = |seq| Some(seq).filter(|seq| *seq > 0);
                Receipt { from, group_id, delivered: told(delivered_seq), read: told(read_seq) }
            };
            Reply::ReceiptsOf(body.data.receipts?.into_iter().map(receipt).collect())
        }
        Expected::Presence(_) => Reply::Presence(body.user_id?, body.of_status()?),
        Expected::PresenceOf => {
            let present = body.data.presence?.into_iter();
            let present = present.map(|one| Some((one.user_id, status(one.status)?)));
            Reply::PresenceOf(present.collect::<Option<_>>()?)
        }
        Expected::Users => {
            let user = |Named { user_id, username }| User { user_id, username };
            Reply::Users(body.data.users?.into_iter().map(user).collect())
        }
        Expected::Group => {
            let Data { group_id, name, description, creator_id, created_at, .. } = body.data;
            let (group_id, name, created_at_ms) = (group_id?, name?, created_at);
            Reply::Group(Box::new(Group { group_id, name, description, creator_id, created_at_ms }))
        }
        Expected::Ids(of) => of(body.data.user_ids.or(body.data.group_ids)?),
        Expected::GroupId => Reply::GroupId(body.data.group_id?),
        Expected::Devices => {
            let devices = body.data.devices?.into_iter();
            Reply::Devices(devices.map(|device| (device.name, device.online)).collect())
        }
    })
}

fn logged_in(data: Data) -> Option<LoggedIn> {
    let Data { username, device, role, session_key, expire_time, .. } = data;
    let ms = |seconds: Option<i64>| seconds.unwrap_or(0).saturating_mul(1000);
    let role = [Role::Admin, Role::Bot].into_iter().find(|known| known.as_str() == role);
    let expires_at_ms = ms(data.refresh_expire_time);
    let refreshes = data.refresh_token.map(Secret::new);
    Some(LoggedIn {
        user_id: data.user_id?,
        username,
        role: role.unwrap_or_default(),
        device,
        token: Secret::new(session_key),
        expires_at_ms: ms(expire_time),
        refreshes: refreshes.map(|token| Refreshes { token, expires_at_ms }),
    })
}

fn conversation(listed: Listed) -> Option<Conv<'static>> {
    let peer = match (listed.to_user_id, listed.group_id) {
        (_, Some(group_id)) => Peer::Group(group_id),
        (user_id, None) => Peer::User(user_id?),
    };
    let last = listed.last_message.unwrap_or_default();
    Some(Conv {
        peer,
        head: listed.head_seq,
        read: listed.read_seq,
        unread: listed.unread,
        last_msg_id: last.message_id.unwrap_or(0),
        from: last.from_user_id.unwrap_or(0),
        ts_ms: last.timestamp.unwrap_or(0),
        text: last.content.unwrap_or_default().into(),
    })
}
