//! An answer as lines.

use super::escape::write_escaped;
use crate::Reply;
use std::fmt::{self, Write};

impl Reply {
    /// Writes the whole answer, each line with its LF.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(out, "+OK uid={uid}")?,
            Self::LoggedIn(logged_in) | Self::Granted(logged_in) => {
                write!(out, "+OK uid={}", logged_in.user_id)?;
            }
            Self::LoggedOut => out.write_str("+OK logout success")?,
            Self::MsgId(msg_id) => write!(out, "+OK msg_id={msg_id}")?,
            Self::GroupMsgId(msg_id) => write!(out, "+OK group_msg_id={msg_id}")?,
            Self::MsgIdSeq(msg_id, seq) => write!(out, "+OK msg_id={msg_id} seq={seq}")?,
            Self::GroupMsgIdSeq(msg_id, seq) => write!(out, "+OK group_msg_id={msg_id} seq={seq}")?,
            Self::PullDone => out.write_str("+OK pull_done")?,
            Self::Acked => out.write_str("+OK acked")?,
            Self::History(messages) => {
                for message in messages {
                    message.write(out)?;
                }
                out.write_str("+OK history_done")?;
            }
            Self::Read => out.write_str("+OK read")?,
            Self::Conversations { listed, .. } => {
                for conversation in listed {
                    conversation.write(out)?;
                }
                out.write_str("+OK conversations_done")?;
            }
            Self::Events(true) => out.write_str("+OK events on")?,
            Self::Events(false) => out.write_str("+OK events off")?,
            Self::Typing => out.write_str("+OK typing")?,
            Self::Whispered => out.write_str("+OK whispered")?,
            Self::Receipts(true) => out.write_str("+OK receipts on")?,
            Self::Receipts(false) => out.write_str("+OK receipts off")?,
            Self::ReceiptsOf(receipts) => {
                for receipt in receipts {
                    receipt.write(out)?;
                }
                out.write_str("+OK receipts_done")?;
            }
            Self::Priority(priority) => write!(out, "+OK priority {}", priority.as_str())?,
            Self::Status(status) => write!(out, "+OK status {}", status.as_str())?,
            Self::Presence(uid, status) => {
                write!(out, "+OK presence uid={uid} status={}", status.as_str())?;
            }
            Self::PresenceOf(statuses) => {
                out.write_str("+OK presence: ")?;
                for (at, (uid, status)) in statuses.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(out, "{comma}{uid}={}", status.as_str())?;
                }
            }
            Self::Users(users) => {
                let uids: Vec<i64> = users.iter().map(|user| user.user_id).collect();
                write_list(out, "users", &uids)?;
            }
            Self::FriendAdded => out.write_str("+OK friend added")?,
            Self::FriendRemoved => out.write_str("+OK friend removed")?,
            Self::Friends(uids) => write_list(out, "friends", uids)?,
            Self::UserBlocked => out.write_str("+OK user blocked")?,
            Self::UserUnblocked => out.write_str("+OK user unblocked")?,
            Self::Blocked(uids) => write_list(out, "blocked", uids)?,
            Self::GroupId(group_id) => write!(out, "+OK group_id={group_id}")?,
            Self::Group(group) => write!(out, "+OK group_id={}", group.group_id)?,
            Self::JoinedGroup => out.write_str("+OK joined group")?,
            Self::LeftGroup => out.write_str("+OK left group")?,
            Self::Members(uids) => write_list(out, "members", uids)?,
            Self::Groups(group_ids) => write_list(out, "groups", group_ids)?,
            Self::Device(name) => {
                out.write_str("+OK device ")?;
                write_escaped(out, name)?;
            }
            Self::Devices(devices) => write_devices(out, devices)?,
            Self::Revoked => out.write_str("+OK revoked")?,
            Self::Help => out.write_str(HELP)?,
            Self::Pong => out.write_str("+OK pong")?,
            Self::Err(refusal) => {
                out.write_str("-ERR ")?;
                write_escaped(out, refusal.words())?;
            }
        }
        out.write_char('\n')
    }
}

fn write_list(out: &mut impl Write, name: &str, ids: &[i64]) -> fmt::Result {
    write!(out, "+OK {name}: ")?;
    for (at, id) in ids.iter().enumerate() {
        write!(out, "{}{id}", if at == 0 { "" } else { "," })?;
    }
    Ok(())
}

fn write_devices(out: &mut impl Write, devices: &[(String, bool)]) -> fmt::Result {
    out.write_str("+OK devices: ")?;
    for (at, (name, online)) in devices.iter().enumerate() {
        out.write_str(if at == 0 { "" } else { ", " })?;
        write_escaped(out, name)?;
        out.write_str(if *online { " online" } else { " offline" })?;
    }
    Ok(())
}

const HELP: &str = "+OK commands: REGISTER LOGIN LOGOUT SEND SENDID PULL ACK HISTORY RECENT READ \
    CONVERSATIONS ADDFRIEND REMOVEFRIEND GETFRIENDS BLOCK UNBLOCK BLOCKED CREATEGROUP \
    JOINGROUP LEAVEGROUP MEMBERS GROUPS SENDGROUP SENDGROUPID DEVICE DEVICES REVOKE EVENTS TYPING \
    WHISPER RECEIPTS PRIORITY STATUS PRESENCE WHOAMI PING HELP";
