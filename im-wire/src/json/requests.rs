//! A request to a command.

use super::fields::{Id, MsgId, bad, fields, missing, read};
use super::{About, Me, Tag, kinds, operations, peer_of};
use crate::{
    CLIENT_MSG_ID_BYTES_MAX, Command, Credential, LISTED, LogIn, Outgoing, Peer, Refusal, Secret,
    Status, Wants, failure,
};
use bytes::Bytes;

/// The class of device that a connection is if it does not say.
pub(crate) type Class = &'static str;

/// What a request is: who gets its answer, and what is asked for.
pub(super) fn request(
    kind: u16,
    body: &[u8],
    class: Class,
    me: Option<&Me>,
) -> (Tag, Result<Command, Refusal>) {
    let mut tag = Tag::new(kind);
    let asked = asked(&mut tag, body, class, me);
    if asked.is_err() && tag.id.is_none() {
        // Whatever else is wrong with it: whoever can be told which request it was is.
        match read::<Named>(body) {
            Ok(named) => tag.id = named.id,
            Err(_) => tag.about = About::Unread,
        }
    }
    (tag, asked)
}

fn asked(tag: &mut Tag, body: &[u8], class: Class, me: Option<&Me>) -> Result<Command, Refusal> {
    match tag.kind {
        kinds::LOG_IN | kinds::REGISTER if me.is_some() => {
            Err(Refusal::of(failure::ALREADY_LOGGED_IN))
        }
        kinds::LOG_IN => log_in(tag, body, class, false),
        kinds::REGISTER => log_in(tag, body, class, true),
        // Also of somebody whose access token has expired, and who cannot log in before.
        kinds::REFRESH => {
            let asked: Refresh = read(body)?;
            tag.id = asked.id;
            Ok(Command::Refresh { token: secret(asked.refresh_token, "refresh_token")? })
        }
        kinds::HEARTBEAT => {
            let _: Named = read(body)?;
            Ok(Command::Ping)
        }
        kind if !is_known(kind) => Err(Refusal::of(failure::UNKNOWN_TYPE)),
        _ => match me {
            Some(me) => of_session(tag, body, me.user_id),
            None => Err(Refusal::of(failure::NOT_LOGIN)),
        },
    }
}

fn is_known(kind: u16) -> bool {
    let in_session = matches!(kind, kinds::TO_USER..=kinds::WHISPER | kinds::PRESENCE);
    in_session || kinds::has_own_answer(kind)
}

fn of_session(tag: &mut Tag, body: &[u8], me: i64) -> Result<Command, Refusal> {
    match tag.kind {
        kinds::LOG_OUT => {
            let asked: LogOut = read(body)?;
            tag.id = asked.id;
            match asked.everywhere {
                Some(true) => Ok(Command::LogoutEverywhere),
                _ => Ok(Command::Logout),
            }
        }
        kinds::PASSWORD => {
            let asked: Password = read(body)?;
            tag.id = asked.id;
            let (old, new) = (secret(asked.old, "old")?, secret(asked.new, "new")?);
            Ok(Command::ChangePassword { old, new })
        }
        kinds::TO_USER | kinds::TO_GROUP => send(tag, body),
        kinds::CONFIRM => confirm(tag, body, me),
        kinds::TYPING => {
            let asked: Conversation = read(body)?;
            tag.id.clone_from(&asked.id);
            Ok(Command::Typing { peer: asked.peer(me)? })
        }
        kinds::WHISPER => {
            let asked: Conversation = read(body)?;
            tag.id.clone_from(&asked.id);
            let text = not_empty(asked.content.clone(), "content")?;
            Ok(Command::Whisper { peer: asked.peer(me)?, text })
        }
        kinds::PRESENCE => presence(tag, body),
        kinds::CONVERSATIONS => {
            let asked: Conversations = read(body)?;
            tag.id = asked.id;
            Ok(Command::Conversations { limit: limit(asked.limit)?, page: asked.page })
        }
        kinds::HISTORY => history(tag, body, me),
        _ => operations::operation(tag, body, me),
    }
}

fields!(Named { id as "id": Id, });

fields!(ClientInfo {
    platform as "platform": String,
    device_id as "device_id": String,
});

fields!(Begin {
    id as "id": Id,
    auth_type as "auth_type": String,
    token as "token": String,
    username as "username": String,
    password as "password": String,
    client_info as "client_info": ClientInfo,
    events as "events": bool,
    receipts as "receipts": bool,
    acks as "acks": bool,
    refresh as "refresh": bool,
});

fn log_in(tag: &mut Tag, body: &[u8], class: Class, new: bool) -> Result<Command, Refusal> {
    let asked: Begin = read(body)?;
    tag.id = asked.id;
    let credential = match asked.auth_type.as_deref() {
        Some("token") if !new => Credential::Token(secret(asked.token, "token")?),
        None | Some("password") => {
            let username = Bytes::from(not_empty(asked.username, "username")?);
            let password = secret(asked.password, "password")?;
            match new {
                true => Credential::New { username, password },
                false => Credential::Password { username, password },
            }
        }
        Some(_) => return Err(bad("bad auth_type".to_owned())),
    };
    let device = match credential {
        // The token says which.
        Credential::Token(_) => None,
        _ => Some(device(asked.client_info.unwrap_or_default(), class)?),
    };
    let wants = Wants {
        events: asked.events.unwrap_or(true),
        receipts: asked.receipts.unwrap_or(true),
        acks: asked.acks.unwrap_or(false),
        refresh: asked.refresh.unwrap_or(false),
    };
    Ok(Command::LogIn(Box::new(LogIn { credential, device, wants })))
}

/// What a device is called; `class` if it does not say of which it is.
fn device(info: ClientInfo, class: Class) -> Result<String, Refusal> {
    let class = match info.platform.as_deref() {
        None => class,
        Some("web") => "web",
        Some("ios" | "android" | "mobile") => "mobile",
        Some("windows" | "mac" | "linux" | "desktop") => "desktop",
        Some("bot") => "bot",
        Some(_) => return Err(Refusal::of(failure::BAD_DEVICE)),
    };
    Ok(match info.device_id {
        Some(id) => format!("{class}:{id}"),
        None => class.to_owned(),
    })
}

fields!(Refresh {
    id as "id": Id,
    refresh_token as "refresh_token": String,
});

fields!(Password {
    id as "id": Id,
    old as "old": String,
    new as "new": String,
});

/// What nobody else is to see.
fn secret(text: Option<String>, field: &str) -> Result<Secret, Refusal> {
    not_empty(text, field).map(|text| Secret::new(text.into_bytes()))
}

fields!(LogOut {
    id as "id": Id,
    everywhere as "everywhere": bool,
});

fields!(Send {
    id as "id": Id,
    message_id as "message_id": String,
    to_user_id as "to_user_id": i64,
    group_id as "group_id": i64,
    kind as "type": i64,
    content as "content": String,
    extra as "extra": Extra,
});

fields!(Extra {
    priority as "priority": String,
    receipts as "receipts": bool,
});

fn send(tag: &mut Tag, body: &[u8]) -> Result<Command, Refusal> {
    let asked: Send = read(body)?;
    tag.id = asked.id;
    if asked.kind.is_some_and(|kind| kind != 0) {
        return Err(bad("bad type".to_owned()));
    }
    let to_group = tag.kind == kinds::TO_GROUP;
    let (number, field) = match (asked.to_user_id, asked.group_id) {
        // A message that goes elsewhere is worse than one that goes nowhere.
        (Some(to), Some(group_id)) if !to_group || to != group_id => {
            return Err(bad("bad group_id: to_user_id says another".to_owned()));
        }
        (None, group_id) if to_group => (group_id, "group_id"),
        (to, _) => (to, "to_user_id"),
    };
    let number = positive(number.ok_or_else(|| missing(field))?, field)?;
    if let Some(id) = &asked.message_id {
        let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.is_empty() || id.len() > CLIENT_MSG_ID_BYTES_MAX || !printable {
            return Err(Refusal::of(failure::BAD_CLIENT_MSG_ID));
        }
    }
    let text = not_empty(asked.content, "content")?;
    let client_msg_id = asked.message_id;
    let Extra { priority, receipts } = asked.extra.unwrap_or_default();
    let priority = priority.as_deref().map(operations::priority).transpose()?;
    let to = if to_group { Peer::Group(number) } else { Peer::User(number) };
    tag.about = About::Message { to, client_msg_id: client_msg_id.as_deref().map(Into::into) };
    Ok(match to {
        _ if priority.is_some() || receipts.is_some() => {
            Command::Message(Box::new(Outgoing { client_msg_id, to, text, priority, receipts }))
        }
        Peer::User(to) => Command::Send { client_msg_id, to, text },
        Peer::Group(group_id) => Command::SendGroup { client_msg_id, group_id, text },
    })
}

fields!(Conversation {
    id as "id": Id,
    session_id as "session_id": String,
    to_user_id as "to_user_id": i64,
    group_id as "group_id": i64,
    kind as "kind": String,
    message_id as "message_id": MsgId,
    content as "content": String,
    seq as "seq": i64,
    after_seq as "after_seq": i64,
    before_seq as "before_seq": i64,
    limit as "limit": i64,
});

impl Conversation {
    /// The one conversation that is named.
    fn peer(&self, me: i64) -> Result<Peer, Refusal> {
        peer(me, self.session_id.as_deref(), self.to_user_id, self.group_id)
    }
}

/// The one conversation that is named, by one of three fields.
pub(super) fn peer(
    me: i64,
    session_id: Option<&str>,
    to_user_id: Option<i64>,
    group_id: Option<i64>,
) -> Result<Peer, Refusal> {
    match (session_id, to_user_id, group_id) {
        (Some(session_id), None, None) => {
            peer_of(me, session_id).ok_or_else(|| bad("bad session_id".to_owned()))
        }
        (None, Some(user_id), None) => positive(user_id, "to_user_id").map(Peer::User),
        (None, None, Some(group_id)) => positive(group_id, "group_id").map(Peer::Group),
        (None, None, None) => Err(missing("session_id")),
        _ => Err(bad("bad session_id: only one of session_id, to_user_id, group_id".to_owned())),
    }
}

fn confirm(tag: &mut Tag, body: &[u8], me: i64) -> Result<Command, Refusal> {
    let asked: Conversation = read(body)?;
    tag.id.clone_from(&asked.id);
    match asked.kind.as_deref() {
        Some("received") => {
            tag.about = About::Confirmed("received");
            let MsgId(msg_id) = asked.message_id.ok_or_else(|| missing("message_id"))?;
            Ok(Command::Ack { msg_id })
        }
        Some("read") => {
            tag.about = About::Confirmed("read");
            let seq = positive(asked.seq.ok_or_else(|| missing("seq"))?, "seq")?;
            Ok(Command::Read { peer: asked.peer(me)?, seq })
        }
        Some(_) => Err(bad("bad kind".to_owned())),
        None => Err(missing("kind")),
    }
}

fields!(Presence {
    id as "id": Id,
    status as "status": i64,
    user_id as "user_id": i64,
});

fn presence(tag: &mut Tag, body: &[u8]) -> Result<Command, Refusal> {
    let asked: Presence = read(body)?;
    tag.id = asked.id;
    match (asked.status, asked.user_id) {
        (Some(status), None) => {
            let status = match status {
                1 => Status::Online,
                2 => Status::Busy,
                3 => Status::Away,
                _ => return Err(bad("bad status".to_owned())),
            };
            Ok(Command::Status { status })
        }
        // Also of strangers, who are offline to everybody.
        (None, Some(uid)) => Ok(Command::PresenceOf { user_ids: vec![positive(uid, "user_id")?] }),
        _ => Err(bad("bad presence: one of status, user_id".to_owned())),
    }
}

fields!(Conversations {
    id as "id": Id,
    limit as "limit": i64,
    page as "page": String,
});

fn history(tag: &mut Tag, body: &[u8], me: i64) -> Result<Command, Refusal> {
    let asked: Conversation = read(body)?;
    tag.id.clone_from(&asked.id);
    let peer = asked.peer(me)?;
    tag.about = About::With(peer);
    let limit = limit(asked.limit)?.unwrap_or(LISTED);
    match (asked.after_seq, asked.before_seq) {
        (Some(after_seq), None) if after_seq >= 0 => {
            Ok(Command::History { peer, after_seq, limit })
        }
        (None, None) => Ok(Command::Recent { peer, limit, before_seq: None }),
        (None, Some(before_seq)) if before_seq > 0 => {
            Ok(Command::Recent { peer, limit, before_seq: Some(before_seq) })
        }
        _ => Err(Refusal::of(failure::BAD_RANGE)),
    }
}

/// How many are asked for, if that is said.
fn limit(asked: Option<i64>) -> Result<Option<u32>, Refusal> {
    let Some(asked) = asked else { return Ok(None) };
    match u32::try_from(asked) {
        Ok(limit @ 1..) => Ok(Some(limit)),
        _ => Err(Refusal::of(failure::BAD_RANGE)),
    }
}

pub(super) fn positive(number: i64, field: &str) -> Result<i64, Refusal> {
    Some(number).filter(|number| *number > 0).ok_or_else(|| bad(format!("bad {field}")))
}

pub(super) fn not_empty(text: Option<String>, field: &str) -> Result<String, Refusal> {
    match text {
        None => Err(missing(field)),
        Some(text) if text.is_empty() => Err(bad(format!("bad {field}"))),
        Some(text) => Ok(text),
    }
}
