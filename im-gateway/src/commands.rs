//! Commands that are one question to a service: the question, and the answer in the protocol's
//! words. The user is always the session's.

mod blocks;
mod devices;
mod history;
mod people;
mod read_state;
mod receipts;

use im_wire::{Command, Peer, Refusal, Reply, Why, failure};
use mpim_proto::{
    AddFriendReq, CreateGroupReq, GetFriendsReq, GetGroupMembersReq, GetUserGroupsReq, GetUsersReq,
    JoinGroupReq, LeaveGroupReq, RemoveFriendReq,
};
use mprpc::{Code, Context, Status};

use crate::config::ms;
use crate::events;
use crate::gateway::Gateway;
use crate::pushed;

/// Carries out `command` for `user_id`, if it is not one too many, within the time that a command may take.
pub(crate) async fn answer(gateway: &Gateway, user_id: i64, command: Command) -> Reply {
    if let Err(wait) = gateway.limits.asks(user_id, &command) {
        return Reply::slow_down(wait);
    }
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let name = command.name();
    match ask(gateway, &cx, user_id, command).await {
        Ok(reply) => reply,
        // Beside services of the original system.
        Err(status) if status.code() == Code::Unimplemented => Reply::err(failure::NOT_SUPPORTED),
        Err(status) => unavailable(gateway, name, &status),
    }
}

/// The one error that a client sees of a service that does not do its work.
pub(crate) fn unavailable(gateway: &Gateway, command: &'static str, status: &Status) -> Reply {
    gateway.complaints.failed(command, status);
    Reply::err(failure::UNAVAILABLE)
}

/// What a service refused, in its words; a failure of its own is none of the client's business.
pub(crate) fn refusal(result: Option<mpim_proto::Result>) -> Option<Reply> {
    refusal_as(result, refused)
}

/// The same where `refused` knows better what is refused.
pub(crate) fn refusal_as(
    result: Option<mpim_proto::Result>,
    refused: impl FnOnce(mpim_proto::Result) -> Reply,
) -> Option<Reply> {
    match result {
        Some(result) if result.is_ok() => None,
        Some(result) if result.code() != mpim_proto::Code::Internal => Some(refused(result)),
        _ => Some(Reply::err(failure::UNAVAILABLE)),
    }
}

/// A refusal in a service's words.
pub(crate) fn refused(result: mpim_proto::Result) -> Reply {
    let why = match result.code() {
        mpim_proto::Code::NotFound => Why::NotFound,
        mpim_proto::Code::AlreadyExists => Why::AlreadyExists,
        mpim_proto::Code::PermissionDenied => Why::NotAllowed,
        mpim_proto::Code::OutOfRange => Why::BadRange,
        mpim_proto::Code::TooLarge => Why::TextTooLong,
        _ => Why::BadArgument,
    };
    Reply::Err(Refusal::or(result.msg, why))
}

async fn ask(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    command: Command,
) -> Result<Reply, Status> {
    let (users, groups) = (&gateway.services.user, &gateway.services.group);
    Ok(match command {
        Command::AddFriend { friend_id } => {
            let request = AddFriendReq { user_id, friend_id, message: String::new() };
            let answer = users.add_friend(cx, request).await?;
            refusal(answer.result).unwrap_or(Reply::FriendAdded)
        }
        Command::RemoveFriend { friend_id } => {
            let answer = users.remove_friend(cx, RemoveFriendReq { user_id, friend_id }).await?;
            refusal(answer.result).unwrap_or(Reply::FriendRemoved)
        }
        Command::GetFriends => {
            let answer = users.get_friends(cx, GetFriendsReq { user_id }).await?;
            refusal(answer.result).unwrap_or(Reply::Friends(answer.friend_ids))
        }
        Command::Block { uid } => {
            blocks::set(gateway, cx, user_id, uid, true).await?.unwrap_or(Reply::UserBlocked)
        }
        Command::Unblock { uid } => {
            blocks::set(gateway, cx, user_id, uid, false).await?.unwrap_or(Reply::UserUnblocked)
        }
        Command::Blocked => blocks::list(gateway, cx, user_id).await?,
        Command::CreateGroup { name, description } => {
            let request = CreateGroupReq { creator_id: user_id, group_name: name, description };
            let answer = groups.create_group(cx, request).await?;
            refusal(answer.result).unwrap_or(Reply::GroupId(answer.group_id))
        }
        Command::JoinGroup { group_id } => {
            let answer = groups.join_group(cx, JoinGroupReq { user_id, group_id }).await?;
            refusal(answer.result).unwrap_or(Reply::JoinedGroup)
        }
        Command::LeaveGroup { group_id } => {
            let answer = groups.leave_group(cx, LeaveGroupReq { user_id, group_id }).await?;
            refusal(answer.result).unwrap_or(Reply::LeftGroup)
        }
        Command::Members { group_id } => {
            let answer = groups.get_group_members(cx, GetGroupMembersReq { group_id }).await?;
            // Who is in a group is for its members to know.
            let member = answer.member_ids.contains(&user_id);
            let members = || {
                if member {
                    Reply::Members(answer.member_ids)
                } else {
                    Reply::err(failure::NOT_A_MEMBER)
                }
            };
            refusal(answer.result).unwrap_or_else(members)
        }
        Command::Groups => {
            let answer = groups.get_user_groups(cx, GetUserGroupsReq { user_id }).await?;
            refusal(answer.result).unwrap_or(Reply::Groups(answer.group_ids))
        }
        Command::History { peer, after_seq, limit } => {
            let conv_id = conversation(user_id, peer);
            history::history(gateway, cx, user_id, conv_id, after_seq, limit).await?
        }
        Command::Recent { peer, limit, before_seq } => {
            let conv_id = conversation(user_id, peer);
            history::recent(gateway, cx, user_id, conv_id, before_seq, limit).await?
        }
        Command::Read { peer, seq } => {
            let conv_id = conversation(user_id, peer);
            read_state::read(gateway, cx, user_id, conv_id, seq).await?
        }
        Command::ReceiptsOf { peer } => receipts::receipts(gateway, cx, user_id, peer).await?,
        Command::Conversations { limit, page } => {
            read_state::conversations(gateway, cx, user_id, limit, page).await?
        }
        Command::Devices => devices::list(gateway, cx, user_id).await?,
        Command::Revoke { device } => devices::revoke(gateway, cx, user_id, device).await?,
        Command::Presence { uid } => events::presence(gateway, cx, user_id, uid).await?,
        Command::PresenceOf { user_ids } => {
            events::presence_of(gateway, cx, user_id, user_ids).await?
        }
        Command::Users { user_ids } => {
            let request = GetUsersReq { user_ids, ..GetUsersReq::default() };
            people::users(gateway, cx, request).await?
        }
        Command::UserNamed { username } => {
            let usernames = vec![username.into()];
            let request = GetUsersReq { usernames, ..GetUsersReq::default() };
            people::users(gateway, cx, request).await?
        }
        Command::Group { group_id } => people::group(gateway, cx, group_id).await?,
        Command::Help => Reply::Help,
        Command::Ping => Reply::Pong,
        Command::WhoAmI => Reply::Uid(user_id),
        Command::Register { .. }
        | Command::Login { .. }
        | Command::LogIn(_)
        | Command::Logout
        | Command::LogoutEverywhere
        | Command::Refresh { .. }
        | Command::ChangePassword { .. }
        | Command::Device { .. }
        | Command::Send { .. }
        | Command::SendGroup { .. }
        | Command::Message(_)
        | Command::Pull
        | Command::Events { .. }
        | Command::Typing { .. }
        | Command::Whisper { .. }
        | Command::Receipts { .. }
        | Command::Priority { .. }
        | Command::Status { .. }
        | Command::Ack { .. } => {
            return Err(Status::internal("a command of the session itself was asked elsewhere"));
        }
    })
}

/// The name of a user's conversation with somebody, or of a group.
pub(crate) fn conversation(user_id: i64, peer: Peer) -> String {
    match peer {
        Peer::User(other) => pushed::pair(user_id, other),
        Peer::Group(group_id) => pushed::group(group_id),
    }
}
