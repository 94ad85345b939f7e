//! Who users are, and what groups are.

use im_wire::{Group, Reply, User};
use mpim_proto::{GetGroupInfoReq, GetUsersReq};
use mprpc::{Context, Status};

use super::refusal;
use crate::gateway::Gateway;

/// Those who exist.
pub(super) async fn users(
    gateway: &Gateway,
    cx: &Context,
    request: GetUsersReq,
) -> Result<Reply, Status> {
    let answer = gateway.services.user.get_users(cx, request).await?;
    let named = |user: mpim_proto::User| User { user_id: user.user_id, username: user.username };
    let users = answer.users.into_iter().map(named).collect();
    Ok(refusal(answer.result).unwrap_or(Reply::Users(users)))
}

/// What anybody may know of a group.
pub(super) async fn group(gateway: &Gateway, cx: &Context, group_id: i64) -> Result<Reply, Status> {
    let answer = gateway.services.group.get_group_info(cx, GetGroupInfoReq { group_id }).await?;
    let info = answer.group_info.unwrap_or_default();
    let group = Group {
        group_id: info.group_id,
        name: info.group_name,
        description: info.description,
        creator_id: info.creator_id,
        created_at_ms: info.created_at,
    };
    Ok(refusal(answer.result).unwrap_or_else(|| Reply::Group(Box::new(group))))
}
