//! Friends, and those who are shut out.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Reply};
use serde::Serialize;
use utoipa::ToSchema;

use super::names::Uid;
use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, At, Done, Nothing};

/// Users, by their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UserIds {
    pub(super) user_ids: Vec<i64>,
}

#[utoipa::path(get, path = "/api/friends", tag = "friends",
    responses((status = 200, body = Done<UserIds>), Problems))]
/// The caller's friends.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
) -> Answer<UserIds> {
    match core::perform(&http.gateway, &principal, Command::GetFriends).await {
        Reply::Friends(user_ids) => Ok(Done::with(UserIds { user_ids })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(put, path = "/api/friends/{uid}", tag = "friends",
    params(("uid" = i64, Path, minimum = 1, description = "The user.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Makes a friend; mutual and immediate.
pub(in crate::http) async fn add(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Uid(friend_id)): At<Uid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::AddFriend { friend_id }).await {
        Reply::FriendAdded => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(delete, path = "/api/friends/{uid}", tag = "friends",
    params(("uid" = i64, Path, minimum = 1, description = "The user.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Ends a friendship.
pub(in crate::http) async fn remove(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Uid(friend_id)): At<Uid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::RemoveFriend { friend_id }).await {
        Reply::FriendRemoved => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(get, path = "/api/blocked", tag = "friends",
    responses((status = 200, body = Done<UserIds>), Problems))]
/// Whom the caller shuts out.
pub(in crate::http) async fn blocked(
    State(http): State<Arc<Http>>,
    principal: Principal,
) -> Answer<UserIds> {
    match core::perform(&http.gateway, &principal, Command::Blocked).await {
        Reply::Blocked(user_ids) => Ok(Done::with(UserIds { user_ids })),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(put, path = "/api/blocked/{uid}", tag = "friends",
    params(("uid" = i64, Path, minimum = 1, description = "The user.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Shuts a user out.
pub(in crate::http) async fn block(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Uid(uid)): At<Uid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::Block { uid }).await {
        Reply::UserBlocked => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}

#[utoipa::path(delete, path = "/api/blocked/{uid}", tag = "friends",
    params(("uid" = i64, Path, minimum = 1, description = "The user.")),
    responses((status = 200, body = Done<Nothing>), Problems))]
/// Lets a user in again.
pub(in crate::http) async fn unblock(
    State(http): State<Arc<Http>>,
    principal: Principal,
    At(Uid(uid)): At<Uid>,
) -> Answer<Nothing> {
    match core::perform(&http.gateway, &principal, Command::Unblock { uid }).await {
        Reply::UserUnblocked => Ok(Done::nothing()),
        other => Err(Refused::from(other)),
    }
}
