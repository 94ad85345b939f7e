//! Who is there.

use std::sync::Arc;

use axum::extract::State;
use im_wire::{Command, Reply, Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::names::ids;
use super::problems::Problems;
use crate::core::{self, Principal};
use crate::http::Http;
use crate::http::error::Refused;
use crate::http::json::{Answer, Asked, Done};

/// Who is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Watched {
    /// At most 100, with commas between them.
    #[param(example = "8,9", pattern = r"^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,99}$")]
    ids: String,
}

/// Who of them is there.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Statuses {
    presence: Vec<Presence>,
}

/// What a user is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Presence {
    user_id: i64,
    /// 0 offline, 1 online, 2 busy, 3 away; 0 for everybody who is no friend.
    #[schema(minimum = 0, maximum = 3)]
    status: u8,
}

#[utoipa::path(get, path = "/api/presence", tag = "presence", params(Watched),
    responses((status = 200, body = Done<Statuses>), Problems))]
/// Who is there, of friends.
pub(in crate::http) async fn list(
    State(http): State<Arc<Http>>,
    principal: Principal,
    Asked(watched): Asked<Watched>,
) -> Answer<Statuses> {
    let command = Command::PresenceOf { user_ids: ids(&watched.ids)? };
    let present = |(user_id, status)| Presence { user_id, status: number(status) };
    match core::perform(&http.gateway, &principal, command).await {
        Reply::PresenceOf(statuses) => {
            Ok(Done::with(Statuses { presence: statuses.into_iter().map(present).collect() }))
        }
        other => Err(Refused::from(other)),
    }
}

fn number(status: Status) -> u8 {
    match status {
        Status::Offline => 0,
        Status::Online => 1,
        Status::Busy => 2,
        Status::Away => 3,
    }
}
