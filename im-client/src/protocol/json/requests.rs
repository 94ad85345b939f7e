//! A command to the type and the body of a request.

use super::kinds;
use crate::error::BadRequest;
use im_wire::{Command, Credential, LogIn, Outgoing, Peer, Priority, Secret, Status, Wants};
use serde_json::{Map, Value, json};

pub(super) fn request(command: &Command) -> Result<(u16, Value), BadRequest> {
    Ok(match command {
        Command::Register { username, password } => {
            (kinds::REGISTER, with_wants(who(username, password)?, Wants::default()))
        }
        Command::Login { username, password } => {
            (kinds::LOG_IN, with_wants(who(username, password)?, Wants::default()))
        }
        Command::LogIn(log_in) => self::log_in(log_in)?,
        Command::Logout => (kinds::LOG_OUT, json!({})),
        Command::LogoutEverywhere => (kinds::LOG_OUT, json!({"everywhere": true})),
        Command::Refresh { token } => {
            (kinds::REFRESH, json!({"refresh_token": text("the token", token.expose())?}))
        }
        Command::ChangePassword { old, new } => {
            let [old, new] = [old, new].map(|password| text("the password", password.expose()));
            (kinds::PASSWORD, json!({"old": old?, "new": new?}))
        }
        Command::Send { client_msg_id, to, text } => {
            let message = json!({"message_id": client_msg_id, "to_user_id": to, "content": text});
            (kinds::TO_USER, message)
        }
        Command::SendGroup { client_msg_id, group_id, text } => {
            let message =
                json!({"message_id": client_msg_id, "group_id": group_id, "content": text});
            (kinds::TO_GROUP, message)
        }
        Command::Message(message) => self::message(message),
        Command::Ack { msg_id } => {
            (kinds::CONFIRM, json!({"kind": "received", "message_id": msg_id.to_string()}))
        }
        Command::Read { peer, seq } => {
            (kinds::CONFIRM, with(*peer, json!({"kind": "read", "seq": seq})))
        }
        Command::Typing { peer } => (kinds::TYPING, with(*peer, json!({}))),
        Command::Whisper { peer, text } => (kinds::WHISPER, with(*peer, json!({"content": text}))),
        Command::Status { status } => (kinds::PRESENCE, json!({"status": number(*status)})),
        Command::Presence { uid } => (kinds::PRESENCE, json!({"user_id": uid})),
        Command::Conversations { limit, page } => {
            (kinds::CONVERSATIONS, json!({"limit": limit, "page": page}))
        }
        Command::History { peer, after_seq, limit } => {
            (kinds::HISTORY, with(*peer, json!({"after_seq": after_seq, "limit": limit})))
        }
        Command::Recent { peer, limit, before_seq } => {
            (kinds::HISTORY, with(*peer, json!({"before_seq": before_seq, "limit": limit})))
        }
        Command::Ping => (kinds::HEARTBEAT, json!({})),
        Command::Device { .. } | Command::Help => return Err(BadRequest::NoWord),
        other => (kinds::OPERATION, operation(other)?),
    })
}

fn operation(command: &Command) -> Result<Value, BadRequest> {
    Ok(match command {
        Command::Pull => json!({"op": "pull"}),
        Command::Events { on } => json!({"op": "set_events", "on": on}),
        Command::Receipts { on } => json!({"op": "set_receipts", "on": on}),
        Command::ReceiptsOf { peer } => with(*peer, json!({"op": "receipts"})),
        Command::Priority { priority } => {
            json!({"op": "set_priority", "priority": priority.as_str()})
        }
        Command::PresenceOf { user_ids } => json!({"op": "presence", "user_ids": user_ids}),
        Command::Users { user_ids } => json!({"op": "users", "user_ids": user_ids}),
        Command::UserNamed { username } => json!({"op": "users", "username": username}),
        Command::Group { group_id } => json!({"op": "group", "group_id": group_id}),
        Command::AddFriend { friend_id } => json!({"op": "add_friend", "user_id": friend_id}),
        Command::RemoveFriend { friend_id } => json!({"op": "remove_friend", "user_id": friend_id}),
        Command::GetFriends => json!({"op": "friends"}),
        Command::Block { uid } => json!({"op": "block", "user_id": uid}),
        Command::Unblock { uid } => json!({"op": "unblock", "user_id": uid}),
        Command::Blocked => json!({"op": "blocked"}),
        Command::CreateGroup { name, description } => {
            json!({"op": "create_group", "name": name, "description": description})
        }
        Command::JoinGroup { group_id } => json!({"op": "join_group", "group_id": group_id}),
        Command::LeaveGroup { group_id } => json!({"op": "leave_group", "group_id": group_id}),
        Command::Members { group_id } => json!({"op": "members", "group_id": group_id}),
        Command::Groups => json!({"op": "groups"}),
        Command::Devices => json!({"op": "devices"}),
        Command::Revoke { device } => json!({"op": "revoke_device", "name": device}),
        Command::WhoAmI => json!({"op": "whoami"}),
        _ => return Err(BadRequest::NoWord),
    })
}

fn message(message: &Outgoing) -> (u16, Value) {
    let Outgoing { client_msg_id, to, text, priority, receipts } = message;
    let kind = match to {
        Peer::User(_) => kinds::TO_USER,
        Peer::Group(_) => kinds::TO_GROUP,
    };
    let extra = json!({"priority": priority.map(Priority::as_str), "receipts": receipts});
    (kind, with(*to, json!({"message_id": client_msg_id, "content": text, "extra": extra})))
}

fn log_in(log_in: &LogIn) -> Result<(u16, Value), BadRequest> {
    let LogIn { credential, device, wants } = log_in;
    let (kind, mut body) = match credential {
        Credential::Password { username, password } => (kinds::LOG_IN, who(username, password)?),
        Credential::New { username, password } => (kinds::REGISTER, who(username, password)?),
        Credential::Token(token) => {
            let token = text("the token", token.expose())?;
            let body = [("auth_type", "token".into()), ("token", token.into())];
            (kinds::LOG_IN, body.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
        }
    };
    if let Some(device) = device {
        let (class, id) = device.split_once(':').map_or((&**device, None), |(c, id)| (c, Some(id)));
        body.insert("client_info".to_owned(), json!({"platform": class, "device_id": id}));
    }
    Ok((kind, with_wants(body, *wants)))
}

/// Says what the session is to be told: a server of JSON has more in mind than one of text lines, unless it
/// is told.
fn with_wants(mut body: Map<String, Value>, wants: Wants) -> Value {
    let Wants { events, receipts, acks, refresh } = wants;
    let wants = [("events", events), ("receipts", receipts), ("acks", acks), ("refresh", refresh)];
    for (key, wanted) in wants {
        body.insert(key.to_owned(), wanted.into());
    }
    body.into()
}

fn who(username: &[u8], password: &Secret) -> Result<Map<String, Value>, BadRequest> {
    let username = text("the user name", username)?;
    let password = text("the password", password.expose())?;
    let fields = [("username", username), ("password", password)];
    Ok(fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
}

fn text<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str, BadRequest> {
    std::str::from_utf8(bytes).map_err(|_| BadRequest::NotUtf8(what))
}

fn with(peer: Peer, mut body: Value) -> Value {
    match peer {
        Peer::User(user_id) => body["to_user_id"] = user_id.into(),
        Peer::Group(group_id) => body["group_id"] = group_id.into(),
    }
    body
}

fn number(status: Status) -> u8 {
    match status {
        Status::Offline => 0,
        Status::Online => 1,
        Status::Busy => 2,
        Status::Away => 3,
    }
}
