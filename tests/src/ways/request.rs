//! What somebody asks for, in no protocol's words, and in those of each.

use serde_json::{Value, json};

/// Whom a conversation is with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Peer {
    User(i64),
    Group(i64),
    /// By the conversation's own name, which text lines do not know.
    Named(String),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as docs/CLIENTS.md and HELP have them")]
pub enum Request {
    Send {
        to: Peer,
        text: String,
    },
    Pull,
    Ack {
        message: i64,
    },
    History {
        of: Peer,
    },
    Recent {
        of: Peer,
    },
    Read {
        of: Peer,
        seq: i64,
    },
    ReceiptsOf {
        of: Peer,
    },
    Typing {
        to: Peer,
    },
    Whisper {
        to: Peer,
    },
    Conversations,
    Events,
    Receipts,
    Priority,
    Status,
    Presence {
        user: i64,
    },
    AddFriend {
        user: i64,
    },
    RemoveFriend {
        user: i64,
    },
    Friends,
    Block {
        user: i64,
    },
    Unblock {
        user: i64,
    },
    Blocked,
    CreateGroup {
        name: String,
    },
    JoinGroup {
        group: i64,
    },
    LeaveGroup {
        group: i64,
    },
    Members {
        group: i64,
    },
    Groups,
    Devices,
    Revoke {
        device: String,
    },
    WhoAmI,
    Ping,
    Help,
    LogOut,
    ChangePassword {
        old: String,
        new: String,
    },
    /// The name of a user.
    User {
        user: i64,
    },
    /// What a group is.
    Group {
        group: i64,
    },
}

impl Request {
    /// As a line of text.
    pub(super) fn line(&self) -> Option<String> {
        let peer = |peer: &Peer| match peer {
            Peer::User(user) => Some(user.to_string()),
            Peer::Group(group) => Some(format!("g{group}")),
            Peer::Named(_) => None,
        };
        Some(match self {
            Self::Send { to: Peer::User(to), text } => format!("SEND {to} {text}"),
            Self::Send { to: Peer::Group(to), text } => format!("SENDGROUP {to} {text}"),
            Self::Send { to: Peer::Named(_), .. } => return None,
            Self::Pull => "PULL".to_owned(),
            Self::Ack { message } => format!("ACK {message}"),
            Self::History { of } => format!("HISTORY {} 0 10", peer(of)?),
            Self::Recent { of } => format!("RECENT {} 10", peer(of)?),
            Self::Read { of, seq } => format!("READ {} {seq}", peer(of)?),
            Self::ReceiptsOf { of } => format!("RECEIPTS {}", peer(of)?),
            Self::Typing { to } => format!("TYPING {}", peer(to)?),
            Self::Whisper { to } => format!("WHISPER {} psst", peer(to)?),
            Self::Conversations => "CONVERSATIONS".to_owned(),
            Self::Events => "EVENTS off".to_owned(),
            Self::Receipts => "RECEIPTS off".to_owned(),
            Self::Priority => "PRIORITY low".to_owned(),
            Self::Status => "STATUS busy".to_owned(),
            Self::Presence { user } => format!("PRESENCE {user}"),
            Self::AddFriend { user } => format!("ADDFRIEND {user}"),
            Self::RemoveFriend { user } => format!("REMOVEFRIEND {user}"),
            Self::Friends => "GETFRIENDS".to_owned(),
            Self::Block { user } => format!("BLOCK {user}"),
            Self::Unblock { user } => format!("UNBLOCK {user}"),
            Self::Blocked => "BLOCKED".to_owned(),
            Self::CreateGroup { name } => format!("CREATEGROUP {name}"),
            Self::JoinGroup { group } => format!("JOINGROUP {group}"),
            Self::LeaveGroup { group } => format!("LEAVEGROUP {group}"),
            Self::Members { group } => format!("MEMBERS {group}"),
            Self::Groups => "GROUPS".to_owned(),
            Self::Devices => "DEVICES".to_owned(),
            Self::Revoke { device } => format!("REVOKE {device}"),
            Self::WhoAmI => "WHOAMI".to_owned(),
            Self::Ping => "PING".to_owned(),
            Self::Help => "HELP".to_owned(),
            Self::LogOut => "LOGOUT".to_owned(),
            Self::User { .. } | Self::Group { .. } | Self::ChangePassword { .. } => return None,
        })
    }

    /// As type and body, in frames and in envelopes.
    pub(super) fn body(&self) -> Option<(u16, Value)> {
        let with = |peer: &Peer, mut body: Value| {
            match peer {
                Peer::User(user) => body["to_user_id"] = json!(user),
                Peer::Group(group) => body["group_id"] = json!(group),
                Peer::Named(name) => body["session_id"] = json!(name),
            }
            body
        };
        let of = |op: &str, field: &str, value: Value| (4001, json!({"op": op, field: value}));
        let op = |op: &str| (4001, json!({"op": op}));
        Some(match self {
            Self::Send { to: to @ Peer::User(_), text } => {
                (2001, with(to, json!({"content": text})))
            }
            Self::Send { to: to @ Peer::Group(_), text } => {
                (2002, with(to, json!({"content": text})))
            }
            Self::Send { to: Peer::Named(_), .. } => return None,
            Self::Pull => op("pull"),
            Self::Ack { message } => {
                (2003, json!({"kind": "received", "message_id": message.to_string()}))
            }
            Self::History { of } => (3004, with(of, json!({"after_seq": 0}))),
            Self::Recent { of } => (3004, with(of, json!({}))),
            Self::Read { of, seq } => (2003, with(of, json!({"kind": "read", "seq": seq}))),
            Self::ReceiptsOf { of } => (4001, with(of, json!({"op": "receipts"}))),
            Self::Typing { to } => (2004, with(to, json!({}))),
            Self::Whisper { to } => (2005, with(to, json!({"content": "psst"}))),
            Self::Conversations => (3002, json!({})),
            Self::Events => of("set_events", "on", json!(false)),
            Self::Receipts => of("set_receipts", "on", json!(false)),
            Self::Priority => of("set_priority", "priority", json!("low")),
            Self::Status => (3001, json!({"status": 2})),
            Self::Presence { user } => (3001, json!({"user_id": user})),
            Self::AddFriend { user } => of("add_friend", "user_id", json!(user)),
            Self::RemoveFriend { user } => of("remove_friend", "user_id", json!(user)),
            Self::Friends => op("friends"),
            Self::Block { user } => of("block", "user_id", json!(user)),
            Self::Unblock { user } => of("unblock", "user_id", json!(user)),
            Self::Blocked => op("blocked"),
            Self::CreateGroup { name } => of("create_group", "name", json!(name)),
            Self::JoinGroup { group } => of("join_group", "group_id", json!(group)),
            Self::LeaveGroup { group } => of("leave_group", "group_id", json!(group)),
            Self::Members { group } => of("members", "group_id", json!(group)),
            Self::Groups => op("groups"),
            Self::Devices => op("devices"),
            Self::Revoke { device } => of("revoke_device", "name", json!(device)),
            Self::WhoAmI => op("whoami"),
            Self::Ping => (9002, json!({})),
            Self::LogOut => (1003, json!({})),
            Self::ChangePassword { old, new } => (1009, json!({"old": old, "new": new})),
            Self::User { user } => of("users", "user_ids", json!([user])),
            Self::Group { group } => of("group", "group_id", json!(group)),
            Self::Help => return None,
        })
    }

    /// As method, path and body; `None` where HTTP has no route for it.
    pub fn http(&self) -> Option<(&'static str, String, Option<Value>)> {
        let at = |peer: &Peer, rest: &str| match peer {
            Peer::User(user) => format!("/api/conversations/{user}/{rest}"),
            Peer::Group(group) => format!("/api/conversations/g{group}/{rest}"),
            Peer::Named(name) => format!("/api/conversations/{name}/{rest}"),
        };
        let get = |path: String| ("GET", path, None);
        let put = |path: String| ("PUT", path, None);
        let delete = |path: String| ("DELETE", path, None);
        let post = |path: String, body: Value| ("POST", path, Some(body));
        Some(match self {
            Self::Send { to, text } => {
                let body = match to {
                    Peer::User(user) => json!({"to_user_id": user, "content": text}),
                    Peer::Group(group) => json!({"group_id": group, "content": text}),
                    Peer::Named(_) => return None,
                };
                post("/api/messages".to_owned(), body)
            }
            Self::History { of } => get(at(of, "messages?after=0")),
            Self::Recent { of } => get(at(of, "messages")),
            Self::Read { of, seq } => post(at(of, "read"), json!({"seq": seq})),
            Self::ReceiptsOf { of } => get(at(of, "receipts")),
            Self::Typing { to } => ("POST", at(to, "typing"), None),
            Self::Conversations => get("/api/conversations".to_owned()),
            Self::Presence { user } => get(format!("/api/presence?ids={user}")),
            Self::AddFriend { user } => put(format!("/api/friends/{user}")),
            Self::RemoveFriend { user } => delete(format!("/api/friends/{user}")),
            Self::Friends => get("/api/friends".to_owned()),
            Self::Block { user } => put(format!("/api/blocked/{user}")),
            Self::Unblock { user } => delete(format!("/api/blocked/{user}")),
            Self::Blocked => get("/api/blocked".to_owned()),
            Self::CreateGroup { name } => post("/api/groups".to_owned(), json!({"name": name})),
            Self::JoinGroup { group } => put(format!("/api/groups/{group}/members/me")),
            Self::LeaveGroup { group } => delete(format!("/api/groups/{group}/members/me")),
            Self::Members { group } => get(format!("/api/groups/{group}/members")),
            Self::Groups => get("/api/groups".to_owned()),
            Self::Devices => get("/api/devices".to_owned()),
            Self::Revoke { device } => delete(format!("/api/devices/{device}")),
            Self::WhoAmI => get("/api/me".to_owned()),
            Self::LogOut => post("/api/logout".to_owned(), json!({})),
            Self::ChangePassword { old, new } => {
                post("/api/password".to_owned(), json!({"old": old, "new": new}))
            }
            Self::User { user } => get(format!("/api/users?ids={user}")),
            Self::Group { group } => get(format!("/api/groups/{group}")),
            Self::Pull
            | Self::Ack { .. }
            | Self::Whisper { .. }
            | Self::Events
            | Self::Receipts
            | Self::Priority
            | Self::Status
            | Self::Ping
            | Self::Help => return None,
        })
    }
}
