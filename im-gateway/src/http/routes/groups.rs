//! Groups and who is in them.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Reply};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::friends::UserIds;
use super::names::Gid;
use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, At, Body, Done, Nothing};

/// The caller's groups.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct GroupIds {
    group_ids: Vec<i64>,
}

/// A group to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct NewGroup {
    #[schema(min_length = 1, max_length = 64, example = "crew")]
    name: String,
    #[schema(max_length = 512)]
    description: Option<String>,
}

/// A group that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct GroupId {
    group_id: i64,
}

/// What is known of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Group {
    group_id: i64,
    name: String,
    description: String,
    creator_id: i64,
    /// Milliseconds since 1970.
    created_at: i64,
}

#[utoipa::path(get, path = "/api/groups", tag = "groups",
    responses((status = 200, body = Done<GroupIds>), Problems))]
/// The groups that the caller is in.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
) -> Answer<GroupIds> {
    match core::perform(&http.gateway, &principal, Command::Groups).await {
        Reply::Groups(group_ids) => Ok(Done::with(GroupIds { group_ids })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(post, path = "/api/groups", tag = "groups", request_body = NewGroup,
    responses((status = 200, body = Done<GroupId>), Problems))]
/// Makes a group, with the caller in it.
pub(in crate::http) async fn create(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Body(NewGroup { name, description }): Body<NewGroup>,
) -> Answer<GroupId> {
    let command = Command::CreateGroup { name, description: description.unwrap_or_default() };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::GroupId(group_id) => Ok(Done::with(GroupId { group_id })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(get, path = "/api/groups/{gid}", tag = "groups",
    params(("gid" = i64, Path, minimum = 1, description = "The group.")),
    responses((status = 200, body = Done<Group>), Problems))]
/// What a group is.
pub(in crate::http) async fn about(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Gid(group_id)): At<Gid>,
) -> Answer<Group> {
    match core::perform(&http.gateway, &principal, Command::Group { group_id }).await {
        Reply::Group(found) => Ok(Done::with(Group {
            group_id: found.group_id,
            name: found.name,
            description: found.description,
            creator_id: found.creator_id,
            created_at: found.created_at_ms,
        })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(get, path = "/api/groups/{gid}/members", tag = "groups",
    params(("gid" = i64, Path, minimum = 1, description = "The group.")),
    responses((status = 200, body = Done<UserIds>), Problems))]
/// Who is in a group that the caller is in.
pub(in crate::http) async fn members(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Gid(group_id)): At<Gid>,
) -> Answer<UserIds> {
    match core::perform(&http.gateway, &principal, Command::Members { group_id }).await {
        Reply::Members(user_ids) => Ok(Done::with(UserIds { user_ids })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(put, path = "/api/groups/{gid}/members/me", tag = "groups",
    params(("gid" = i64, Path, minimum = 1, description = "The group.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Joins a group.
pub(in crate::http) async fn join(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Gid(group_id)): At<Gid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::JoinGroup { group_id }).await {
        Reply::JoinedGroup => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(delete, path = "/api/groups/{gid}/members/me", tag = "groups",
    params(("gid" = i64, Path, minimum = 1, description = "The group.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Leaves a group.
pub(in crate::http) async fn leave(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Gid(group_id)): At<Gid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::LeaveGroup { group_id }).await {
        Reply::LeftGroup => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}
